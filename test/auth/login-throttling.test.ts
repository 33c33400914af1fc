import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { call, person } from "../support/world.ts";

const LIMITS = ["ADDRESS_LIMIT", "ACCOUNT_LIMIT", "ACCOUNT_BURST_LIMIT", "MAIL_LIMIT"] as const;
const PASSWORD = "a quiet engine";
const newName = () => `new-${crypto.randomUUID().slice(0, 8)}`;

type Sent = { method?: string; path: string; json: unknown; token?: string; from?: string };

/** The keys under which each limit counts a request. */
async function keysOf({ method = "POST", path, json, token, from = "192.0.2.1" }: Sent) {
  const keys: Record<string, string[]> = {};
  const limits = LIMITS.map((name) => [
    name,
    {
      limit: async ({ key }: { key: string }) => {
        keys[name] = [...(keys[name] ?? []), key];
        return { success: true };
      },
    },
  ]);
  const request = new Request(`http://dealership.test${path}`, {
    method,
    headers: {
      "Content-Type": "application/json",
      "CF-Connecting-IP": from,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(json),
  });
  const surroundings = { ...env, RATE_LIMITS: "on", ...Object.fromEntries(limits) } as unknown as Env;
  const context = createExecutionContext();
  await createApp().fetch(request, surroundings, context);
  await waitOnExecutionContext(context);
  return keys;
}

const loginKeys = (username: string, from: string) =>
  keysOf({ path: "/api/auth/login/", json: { username, password: PASSWORD }, from });

/** Which limits count both requests together. */
const together = (one: Record<string, string[]>, other: Record<string, string[]>) =>
  LIMITS.filter((name) => one[name] && String(one[name]) === String(other[name]));

test("logins to one account from two addresses share only the short count of the account", async () => {
  const here = await loginKeys("Ada", "192.0.2.1");
  expect(Object.keys(here)).toHaveLength(3);
  expect(together(here, await loginKeys("Ada", "192.0.2.2"))).toEqual(["ACCOUNT_BURST_LIMIT"]);
});

test("logins to two accounts from one address share only the count of the address", async () => {
  expect(together(await loginKeys("Ada", "192.0.2.1"), await loginKeys("Bob", "192.0.2.1"))).toEqual([
    "ADDRESS_LIMIT",
  ]);
});

test("an account is the same in any case and with spaces around it", async () => {
  expect(together(await loginKeys("Ada", "192.0.2.1"), await loginKeys(" aDA ", "192.0.2.1"))).toEqual([
    "ADDRESS_LIMIT",
    "ACCOUNT_LIMIT",
    "ACCOUNT_BURST_LIMIT",
  ]);
});

test("everything that hashes a password is one count of its address, and of its IPv6 network", async () => {
  const [{ token }, admin] = [await person(), await person("ADMIN")];
  const passwords = { current_password: PASSWORD, new_password: "short" };
  const staff = { username: "a b", password: PASSWORD, salary: "1", commission_rate: "1", role: "SALES" };
  const sent: Sent[] = [
    { path: "/api/auth/register/", json: { username: newName(), password: PASSWORD } },
    { path: "/api/auth/login/", json: { username: "nobody", password: PASSWORD } },
    { path: "/api/auth/password/change/", token, json: { ...passwords, new_password: "another engine" } },
    { path: "/api/auth/password/reset/", json: { token: "unknown", new_password: "another engine" } },
    { path: "/api/staff/", token: admin.token, json: { ...staff, username: newName() } },
  ];
  const keys = [];
  for (const [at, request] of sent.entries())
    keys.push((await keysOf({ ...request, from: `2001:db8:1:2::${at}` }))["ADDRESS_LIMIT"]);
  expect(new Set(keys.map(String))).toEqual(new Set(["password 2001:db8:1:2::/64"]));
});

test("a wrong password of a signed-in caller is counted by session, after the caller is verified", async () => {
  const { id, token, caller } = await person();
  const change = {
    path: "/api/auth/password/change/",
    json: { current_password: PASSWORD, new_password: "another quiet engine" },
    token,
  };
  expect((await keysOf(change))["ACCOUNT_LIMIT"]).toEqual([`own ${id} ${caller.sessionId}`]);
  await env.DB.prepare("UPDATE sessions SET ended_at = 1 WHERE id = ?").bind(caller.sessionId).run();
  expect((await keysOf(change))["ACCOUNT_LIMIT"]).toBeUndefined();
});

test("a refusal of a limit says which one it was", async () => {
  const refusing = { limit: async () => ({ success: false }) };
  const surroundings = { ...env, RATE_LIMITS: "on", ADDRESS_LIMIT: refusing } as unknown as Env;
  const request = new Request("http://dealership.test/api/auth/login/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username: "ada", password: PASSWORD }),
  });
  const refused = await createApp().fetch(request, surroundings, createExecutionContext());
  expect(refused.status).toBe(429);
  expect(refused.headers.get("RateLimit-Policy")).toBe('"accounts";q=30;w=60');
  expect(refused.headers.get("RateLimit")).toBe('"accounts";r=0;t=60');
  expect(refused.headers.get("Retry-After")).toBe("60");
});

test("a login that finds too many waiting to be hashed is answered with busy", async () => {
  const sent = Array.from({ length: 30 }, () =>
    call("POST", "/api/auth/login/", { json: { username: crypto.randomUUID(), password: PASSWORD } }),
  );
  const answers = await Promise.all(sent);
  const busy = answers.filter(({ status }) => status === 503);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 503]));
  expect(busy[0]?.headers.get("Retry-After")).toBe("2");
  expect(await busy[0]?.json()).toMatchObject({ code: "busy" });
  expect(answers.length - busy.length).toBeGreaterThanOrEqual(20);
});
