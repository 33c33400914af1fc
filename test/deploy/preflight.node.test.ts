import { describe, expect, test } from "vitest";
import { type Environment, faultsOf, readEnvironment } from "../../tools/deploy/preflight.ts";

/** Production as an operator completes it. */
function completed(more: Partial<Environment> = {}, vars: Record<string, string> = {}): Environment {
  const environment = readEnvironment("");
  return {
    ...environment,
    routes: [{ pattern: "cars.dealership.internal" }],
    send_email: [{ allowed_sender_addresses: ["showroom@dealership.internal"] }],
    ...more,
    vars: {
      ...environment.vars,
      PUBLIC_URL: "https://cars.dealership.internal",
      EMAIL_FROM: "showroom@dealership.internal",
      EMAIL_STAFF: "sales@dealership.internal",
      ...vars,
    },
  };
}

test.each(["", "staging"])(
  "wrangler.toml as it comes is not ready, and each placeholder is named: %s",
  (env) => {
    expect(faultsOf(readEnvironment(env)).map((fault) => fault.split(":")[0])).toEqual([
      "PUBLIC_URL",
      "EMAIL_FROM",
      "EMAIL_STAFF",
    ]);
  },
);

describe("a completed environment", () => {
  test("is ready", () => {
    expect(faultsOf(completed())).toEqual([]);
    expect(faultsOf(completed({ routes: ["cars.dealership.internal/*"] }))).toEqual([]);
  });

  test.each<[string, Partial<Environment>, Record<string, string>]>([
    ["routes", { routes: [] }, {}],
    ["routes", { routes: [{ pattern: "cars.dealership.internal" }, { pattern: "old.internal" }] }, {}],
    ["placement", {}, { REGION: "oc" }],
    ["send_email", {}, { EMAIL_FROM: "cars@dealership.internal" }],
    ["REGION", {}, { REGION: "europe" }],
  ])("is not ready when %s does not fit the variables", (member, more, vars) => {
    expect(faultsOf(completed(more, vars))).toEqual([expect.stringMatching(`^${member}: `)]);
  });
});
