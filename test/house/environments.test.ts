/** The top level of wrangler.toml is production; staging repeats what wrangler does not inherit, and copies drift apart. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { RATE_LIMITS } from "../../src/shared/rate-limits.ts";
import { PLACES } from "../../tools/deploy/regions.ts";

/** Which variables and members say where an environment is; everything else must be the same everywhere. */
const OWN_VARIABLES = ["ENVIRONMENT", "PUBLIC_URL"];
const OWN_MEMBERS = [
  "bucket_name",
  "database_id",
  "database_name",
  "dataset",
  "dead_letter_queue",
  "namespace_id",
  "queue",
];

/** Members of the configuration that say which environment it is, or where its Worker answers. */
const NAMES = ["configPath", "definedEnvironments", "name", "routes", "targetEnvironment", "userConfigPath"];

/** wrangler.toml with the commented routes and datasets taken in, as an operator does it. */
const ROUTED = "wrangler.routed.toml";
writeFileSync(
  ROUTED,
  readFileSync("wrangler.toml", "utf8")
    .replaceAll(/^# (routes = .*)\n(routes = \[\]\n)?/gm, "$1\n")
    .replaceAll(/^# (\[\[.*analytics_engine_datasets\]\])\n# (.*)\n# (.*)\n/gm, "$1\n$2\n$3\n"),
);
afterAll(() => rmSync(ROUTED));

type Tree = { [member: string]: unknown };

const read = (env?: string, config = "wrangler.toml"): Tree =>
  unstable_readConfig({ config, ...(env ? { env } : {}) }, { hideWarnings: true });

/** The tree with the names of its own resources, the paths to which begin with `own`, taken out. */
function split(tree: Tree): { common: Tree; own: string[] } {
  const own: string[] = [];
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, member]) => {
        if (!OWN_MEMBERS.includes(name)) return [[name, visit(member)]];
        own.push(`${name} ${member}`);
        return [];
      }),
    );
  };
  const named = Object.fromEntries(Object.entries(tree).filter(([member]) => !NAMES.includes(member)));
  const common = visit(named) as Tree;
  common["vars"] = Object.fromEntries(
    Object.entries(Object(common["vars"])).filter(([name]) => !OWN_VARIABLES.includes(name)),
  );
  return { common, own };
}

const production = split(read());
const staging = split(read("staging"));

test("there is production, which is the top level, and staging", () => {
  expect(read()["definedEnvironments"]).toEqual(["staging"]);
  expect(read()["vars"]).toMatchObject({ ENVIRONMENT: "production" });
  expect(read("staging")["vars"]).toMatchObject({ ENVIRONMENT: "staging" });
});

describe("staging", () => {
  test("has the same members as production", () => {
    expect(staging.common).toEqual(production.common);
    expect(Object.keys(staging.common)).toEqual(
      expect.arrayContaining(["placement", "queues", "ratelimits", "vars", "version_metadata"]),
    );
  });

  test("has every variable of production", () => {
    const names = (tree: Tree) => Object.keys(Object(tree["vars"])).sort();
    expect(names(read("staging"))).toEqual(names(read()));
  });

  test("shares no database, bucket, queue, counter or name with production", () => {
    expect(staging.own.filter((name) => production.own.includes(name))).toEqual([]);
    expect(staging.own.length).toBeGreaterThan(8);
    expect(read("staging")["name"]).not.toBe(read()["name"]);
  });

  test("has a dataset of its own, under the same binding, once the operator takes it in", () => {
    const datasetsOf = (env?: string) => read(env, ROUTED)["analytics_engine_datasets"];
    expect(datasetsOf()).toEqual([{ binding: "METRICS", dataset: "dealership" }]);
    expect(datasetsOf("staging")).toEqual([{ binding: "METRICS", dataset: "dealership_staging" }]);
    expect(split(read("staging", ROUTED)).common["analytics_engine_datasets"]).toEqual(
      split(read(undefined, ROUTED)).common["analytics_engine_datasets"],
    );
  });

  test("does not inherit the address of production", () => {
    expect(read(undefined, ROUTED)["routes"]).toEqual([
      { pattern: "dealership.example", custom_domain: true },
    ]);
    expect(read("staging", ROUTED)["routes"]).toEqual([
      { pattern: "staging.dealership.example", custom_domain: true },
    ]);
  });
});

describe.each([undefined, "staging"])("the environment %s", (env) => {
  const config = read(env) as {
    vars: { REGION: keyof typeof PLACES; EMAIL_FROM: string; PUBLIC_URL: string };
  } & Tree;

  test("is reached by its own domain alone, and is logged without one event for each request", () => {
    expect(config).toMatchObject({
      workers_dev: false,
      preview_urls: false,
      observability: { redact_query_string: true, logs: { invocation_logs: false } },
    });
    const [route] = read(env, ROUTED)["routes"] as { pattern: string }[];
    expect(config.vars.PUBLIC_URL).toBe(`https://${route?.pattern}`);
  });

  test("has the platform's cache in front, and begins with an empty one in each version", () => {
    expect(config["cache"]).toEqual({ enabled: true });
  });

  test("places its Worker beside its data, and sends mail from EMAIL_FROM alone", () => {
    expect(config["placement"]).toEqual({ region: PLACES[config.vars.REGION].placement });
    expect(config["send_email"]).toEqual([
      { name: "EMAIL", allowed_sender_addresses: [config.vars.EMAIL_FROM] },
    ]);
  });
});

test("a difference anywhere below a member is found, except in the names of resources", () => {
  const block = (queue: string, max_retries: number) =>
    split({ queues: { consumers: [{ queue, max_retries }] } });
  expect(block("a", 29).common).toEqual(block("b", 29).common);
  expect(block("a", 29).common).not.toEqual(block("a", 8).common);
});

test("the rate limits that answers name are those that the platform counts", () => {
  type Configured = { name: string; simple: { limit: number; period: number } };
  const configured = read()["ratelimits"] as Configured[];
  const named = Object.entries(RATE_LIMITS).map(([name, { requests, seconds }]) => [name, requests, seconds]);
  expect(named.sort()).toEqual(
    configured.map(({ name, simple }) => [name, simple.limit, simple.period]).sort(),
  );
});
