/** Bindings are not inherited in wrangler.toml: each environment repeats them, and what is repeated drifts apart. */
import { describe, expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";

/** Which variables and members say where an environment is; everything else must be the same everywhere. */
const OWN_VARIABLES = ["ENVIRONMENT", "PUBLIC_URL"];
const OWN_MEMBERS = [
  "bucket_name",
  "database_id",
  "database_name",
  "dead_letter_queue",
  "namespace_id",
  "queue",
];

/** Members of the configuration that say which environment it is, or where its Worker answers. */
const NAMES = ["definedEnvironments", "name", "route", "routes", "targetEnvironment", "workers_dev"];

const ENVIRONMENTS = ["staging", "production"];

type Tree = { [member: string]: unknown };

const read = (env?: string): Tree => {
  const config: Tree = unstable_readConfig(
    { config: "wrangler.toml", ...(env ? { env } : {}) },
    { hideWarnings: true },
  );
  return Object.fromEntries(Object.entries(config).filter(([member]) => !NAMES.includes(member)));
};

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
  const common = visit(tree) as Tree;
  common["vars"] = Object.fromEntries(
    Object.entries(Object(common["vars"])).filter(([name]) => !OWN_VARIABLES.includes(name)),
  );
  return { common, own };
}

const local = split(read());

describe.each(ENVIRONMENTS)("the environment %s", (environment) => {
  const { common, own } = split(read(environment));

  test("has the same members as the top level", () => {
    expect(common).toEqual(local.common);
    expect(Object.keys(common)).toEqual(expect.arrayContaining(["queues", "ratelimits", "vars"]));
  });

  test("has every variable of the top level", () => {
    expect(Object.keys(Object(read(environment)["vars"])).sort()).toEqual(
      Object.keys(Object(read()["vars"])).sort(),
    );
  });

  test("shares no database, bucket, queue or counter with another environment", () => {
    // The ids of databases are filled in before a deploy.
    const names = own.filter((name) => !name.startsWith("database_id "));
    const others = [undefined, ...ENVIRONMENTS].filter((other) => other !== environment);
    const taken = new Set(others.flatMap((other) => split(read(other)).own));
    expect(names.filter((name) => taken.has(name))).toEqual([]);
    expect(names.length).toBeGreaterThan(8);
  });
});

test("a difference anywhere below a member is found, except in the names of resources", () => {
  const block = (queue: string, max_retries: number) =>
    split({ queues: { consumers: [{ queue, max_retries }] } });
  expect(block("a", 29).common).toEqual(block("b", 29).common);
  expect(block("a", 29).common).not.toEqual(block("a", 8).common);
});
