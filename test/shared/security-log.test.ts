/** Each security event is written once, with ids, and without anything secret or personal. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { issueVerificationToken } from "../../src/auth/email-verification.ts";
import { issueResetToken } from "../../src/auth/password-resets.ts";
import { hashPassword } from "../../src/auth/passwords.ts";
import { staffProfiles, users } from "../../src/db/schema.ts";
import { SECURITY_EVENTS, type SecurityEvent } from "../../src/shared/security-log.ts";
import { watchLog } from "../support/logs.ts";
import { session } from "../support/outbox.ts";
import { db, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const OTHER = "a louder engine";
const app = createApp();

let passwordHash = "";
let log: ReturnType<typeof watchLog>;
/** What no line may contain: filled by each test. */
let secrets: string[];

beforeAll(async () => {
  passwordHash = await hashPassword(PASSWORD);
});
beforeEach(() => {
  log?.end();
  log = watchLog();
  secrets = [PASSWORD, OTHER, passwordHash, "Secretname", "@example.com", "192.0.2.7"];
});
afterAll(() => log.end());

type Sent = { token?: string; json?: object; env?: object };

async function send(method: string, path: string, { token, json, env: more }: Sent = {}) {
  if (token) secrets.push(token);
  const request = new Request(`http://dealership.test${path}`, {
    method,
    headers: {
      "CF-Connecting-IP": "192.0.2.7",
      "X-Request-Id": "trace-7",
      ...(json ? { "Content-Type": "application/json" } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    },
    ...(json ? { body: JSON.stringify(json) } : {}),
  });
  const answer = await app.fetch(request, { ...env, ...more } as Env, createExecutionContext());
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) };
}

async function customer() {
  const made = await person("CUSTOMER", { passwordHash, firstName: "Secretname" });
  secrets.push(made.username);
  return made;
}

const login = (username: string, password = PASSWORD) =>
  send("POST", "/api/auth/login/", { json: { username, password } });

/** Expects these events since the test began, and no other security event. */
function expectEvents(...events: [SecurityEvent, object][]) {
  const lines = log.lines("security.");
  expect(lines).toEqual(
    events.map(([event, facts]) =>
      expect.objectContaining({ event: `security.${event}`, request: "trace-7", ...facts }),
    ),
  );
  const text = JSON.stringify(lines);
  for (const secret of secrets) expect(text).not.toContain(secret);
  for (const [event] of events) seen.add(event);
}

const seen = new Set<SecurityEvent>();

describe("a login", () => {
  test("that succeeds is written with the user's id and role", async () => {
    const { id, username } = await customer();
    expect((await login(username)).status).toBe(200);
    expectEvents(["login_succeeded", { user: id, role: "CUSTOMER" }]);
  });

  test("that fails is written with the user's id, if there is such a user", async () => {
    const { id, username } = await customer();
    expect((await login(username, OTHER)).status).toBe(401);
    expect((await login("nobody-Secretname")).status).toBe(401);
    expectEvents(["login_failed", { user: id }], ["login_failed", {}]);
    expect(log.lines("security.")[1]).not.toHaveProperty("user");
  });
});

describe("a refresh token", () => {
  const refresh = (token: string) => send("POST", "/api/auth/refresh/", { json: { refresh: token } });

  test("that is used again after its successor was used is written once", async () => {
    const { id, username } = await customer();
    const { refresh: first } = (await login(username)).body;
    const { refresh: second } = (await refresh(first)).body;
    const { refresh: third } = (await refresh(second)).body;
    secrets.push(first, second, third);
    expect((await refresh(first)).status).toBe(401);
    expect((await refresh(first)).status).toBe(401);
    expect((await refresh(third)).status).toBe(401);
    expectEvents(["login_succeeded", { user: id }], ["refresh_reused", { user: id }]);
  });
});

describe("a password", () => {
  test("that is changed is written, and so is a wrong one that should confirm the change", async () => {
    const { id, token } = await customer();
    const change = (current_password: string) =>
      send("POST", "/api/auth/password/change/", { token, json: { current_password, new_password: OTHER } });
    expect((await change(OTHER)).status).toBe(400);
    expect((await change(PASSWORD)).status).toBe(204);
    expectEvents(["confirmation_failed", { user: id }], ["password_changed", { user: id }]);
  });

  test("that is reset is written when the mail is requested, and when its token is used", async () => {
    const { id, email } = await customer();
    expect((await send("POST", "/api/auth/password/forgot/", { json: { email } })).status).toBe(204);
    const token = await issueResetToken(session(), id, Date.now());
    secrets.push(token);
    const reset = () => send("POST", "/api/auth/password/reset/", { json: { token, new_password: OTHER } });
    expect((await reset()).status).toBe(204);
    expect((await reset()).status).toBe(400);
    // The first holds no id: whether the address has an account is not looked up.
    expectEvents(["password_reset_requested", {}], ["password_reset", { user: id }]);
  });
});

describe("an e-mail address", () => {
  test("that is changed is written when it is requested, and when it is verified", async () => {
    const { id, token } = await customer();
    const email = `new-${id}@example.com`;
    const json = { email, current_password: PASSWORD };
    expect((await send("PATCH", "/api/auth/me/", { token, json })).status).toBe(200);
    const mailed = await issueVerificationToken(session(), id, email, Date.now());
    secrets.push(mailed);
    const verify = () => send("POST", "/api/auth/email/verify/", { json: { token: mailed } });
    expect((await verify()).status).toBe(204);
    expect((await verify()).status).toBe(400);
    expectEvents(["email_change_requested", { user: id }], ["email_verified", { user: id }]);
  });

  test("that is sent back unchanged is not written", async () => {
    const { token, email } = await customer();
    expect((await send("PATCH", "/api/auth/me/", { token, json: { email, phone: "1" } })).status).toBe(200);
    expectEvents();
  });
});

describe("an administrator", () => {
  test("who creates a staff member, changes their role and deactivates them is written with each", async () => {
    const admin = await person("ADMIN");
    const username = `staff-${crypto.randomUUID().slice(0, 8)}`;
    const json = { username, password: PASSWORD, first_name: "Secretname", salary: 1, commission_rate: 1 };
    const { status, body } = await send("POST", "/api/staff/", { token: admin.token, json });
    expect(status).toBe(201);
    const change = (changes: object) =>
      send("PATCH", `/api/staff/${body.id}/`, { token: admin.token, json: changes });
    for (const changes of [{ role: "ADMIN" }, { role: "ADMIN" }, { salary: "2.00" }, { is_active: false }])
      expect((await change(changes)).status).toBe(200);
    expect((await change({ is_active: true, role: "SALES" })).status).toBe(200);
    const facts = { by: admin.id, user: body.user };
    expectEvents(
      ["staff_created", { ...facts, role: "SALES" }],
      ["role_changed", { ...facts, role: "ADMIN" }],
      ["user_deactivated", facts],
      ["role_changed", { ...facts, role: "SALES" }],
      ["user_reactivated", facts],
    );
  });

  test("who makes a calendar feed and switches it off is written, without its address", async () => {
    const [admin, sam] = [await person("ADMIN"), await person("SALES")];
    const path = `/api/staff/${sam.id}/calendar/`;
    const { body } = await send("POST", path, { token: sam.token });
    secrets.push(body.url.slice(-47, -4));
    await send("DELETE", path, { token: admin.token });
    expectEvents(
      ["calendar_feed_created", { user: sam.id, by: sam.id }],
      ["calendar_feed_removed", { user: sam.id, by: admin.id }],
    );
  });

  test("who deactivates and reactivates a customer is written", async () => {
    const [admin, { id }] = [await person("ADMIN"), await customer()];
    for (const is_active of [false, true])
      await send("PATCH", `/api/users/${id}/`, { token: admin.token, json: { is_active } });
    const unknown = crypto.randomUUID();
    await send("PATCH", `/api/users/${unknown}/`, { token: admin.token, json: { is_active: false } });
    expectEvents(
      ["user_deactivated", { user: id, by: admin.id }],
      ["user_reactivated", { user: id, by: admin.id }],
    );
  });
});

test("a customer who erases their data is written", async () => {
  const { id, token } = await customer();
  expect((await send("DELETE", "/api/auth/me/", { token, json: { password: PASSWORD } })).status).toBe(204);
  expectEvents(["user_erased", { user: id }]);
});

describe("a refusal", () => {
  test("by rights is written once, with the operation", async () => {
    const { id, token } = await customer();
    for (const [method, path] of [
      ["GET", "/api/sales/"],
      ["GET", "/api/ops/status/"],
      ["POST", `/api/notifications/${crypto.randomUUID()}/replay/`],
    ] as const)
      expect((await send(method, path, { token })).status).toBe(403);
    const facts = { user: id, role: "CUSTOMER", code: "forbidden" };
    expectEvents(
      ["access_denied", { ...facts, operation: "listSales" }],
      ["access_denied", { ...facts, operation: "getOpsStatus" }],
      ["access_denied", { ...facts, operation: "replayNotification" }],
    );
  });

  test("by a former role is written once, although the token is of an administrator", async () => {
    const { id, token } = await person("ADMIN");
    await person("ADMIN");
    await db.update(users).set({ role: "SALES" }).where(eq(users.id, id));
    expect((await send("GET", "/api/staff/", { token })).status).toBe(403);
    expect(await db.$count(staffProfiles, eq(staffProfiles.userId, id))).toBe(1);
    expectEvents(["access_denied", { user: id, operation: "listStaff" }]);
  });

  test("by a limit is written once, with the name of the limit", async () => {
    const limit = { limit: async () => ({ success: false }) };
    const on = (name: string) => ({ RATE_LIMITS: "on", [name]: limit });
    expect((await send("GET", "/api/cars/", { env: on("REQUEST_LIMIT") })).status).toBe(429);
    const json = { username: "nobody-Secretname", password: PASSWORD };
    for (const name of ["ADDRESS_LIMIT", "ACCOUNT_LIMIT", "ACCOUNT_BURST_LIMIT"])
      expect((await send("POST", "/api/auth/login/", { json, env: on(name) })).status, name).toBe(429);
    expectEvents(
      ["rate_limited", { policy: "address", operation: "listCars" }],
      ["rate_limited", { policy: "accounts", operation: "login" }],
      ["rate_limited", { policy: "guesses", operation: "login" }],
      ["rate_limited", { policy: "guesses-burst", operation: "login" }],
    );
  });
});

test("a flood of refusals by one limit is written once a second, with the number of those that are not written", async () => {
  const flood = { RATE_LIMITS: "on", COSTLY_LIMIT: { limit: async () => ({ success: false }) } };
  const ask = () => send("GET", "/api/cars/?search=toyota", { env: flood });
  const answers = await Promise.all(Array.from({ length: 20 }, ask));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([429]));
  expectEvents(["rate_limited", { policy: "costly-reads", unwritten: 0 }]);
  await new Promise((done) => setTimeout(done, 1100));
  await ask();
  expectEvents(["rate_limited", { unwritten: 0 }], ["rate_limited", { unwritten: 19 }]);
});

test("every event has been seen above", () => {
  expect([...seen].sort()).toEqual(Object.keys(SECURITY_EVENTS).sort());
});
