import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";

const LIMITS = ["ADDRESS_LIMIT", "ACCOUNT_LIMIT", "ACCOUNT_BURST_LIMIT"] as const;

/** The key under which each limit counts an attempt to sign in. */
async function keysOf(username: string, from: string): Promise<string[]> {
  const keys = new Map<string, string>();
  const limits = LIMITS.map((name) => [
    name,
    {
      limit: async ({ key }: { key: string }) => {
        keys.set(name, key);
        return { success: true };
      },
    },
  ]);
  const request = new Request("http://dealership.test/api/auth/login/", {
    method: "POST",
    headers: { "Content-Type": "application/json", "CF-Connecting-IP": from },
    body: JSON.stringify({ username, password: "a quiet engine" }),
  });
  const surroundings = { ...env, RATE_LIMITS: "on", ...Object.fromEntries(limits) } as unknown as Env;
  const context = createExecutionContext();
  await createApp().fetch(request, surroundings, context);
  await waitOnExecutionContext(context);
  return LIMITS.map((name) => keys.get(name) ?? "");
}

/** Which limits count both attempts together. */
const together = (one: string[], other: string[]) => LIMITS.filter((_, at) => one[at] === other[at]);

test("guesses at one account from two addresses share only the short count of the account", async () => {
  const here = await keysOf("Ada", "192.0.2.1");
  expect(here).not.toContain("");
  expect(together(here, await keysOf("Ada", "192.0.2.2"))).toEqual(["ACCOUNT_BURST_LIMIT"]);
});

test("guesses at two accounts from one address share only the count of the address", async () => {
  expect(together(await keysOf("Ada", "192.0.2.1"), await keysOf("Bob", "192.0.2.1"))).toEqual([
    "ADDRESS_LIMIT",
  ]);
});

test("an account is the same in any case and with spaces around it", async () => {
  expect(together(await keysOf("Ada", "192.0.2.1"), await keysOf(" aDA ", "192.0.2.1"))).toEqual(LIMITS);
});
