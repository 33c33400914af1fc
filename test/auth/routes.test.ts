import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { passwordFault } from "../../src/auth/password-rules.ts";
import { userSchema } from "../../src/auth/schemas.ts";
import { notifications, passwordResets, users } from "../../src/db/schema.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { answer, call, db, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const NEW = "a louder engine";

/** Somebody who registered and signed in. */
async function member() {
  const username = `member-${crypto.randomUUID().slice(0, 8)}`;
  const email = `${username}@example.com`;
  await call("POST", "/api/auth/register/", { json: { username, password: PASSWORD, email } });
  return { username, email, ...(await login(username, PASSWORD)).body };
}
const login = (username: string, password: string) =>
  answer(call("POST", "/api/auth/login/", { json: { username, password } }));

describe("the current user", () => {
  test("is the user of the token", async () => {
    const { user, access } = await member();
    const me = await answer(call("GET", "/api/auth/me/", { token: access }));
    expect(userSchema.parse(me.body)).toEqual(user);
  });

  test("can be updated; read-only members can be sent back and are ignored", async () => {
    const { user, access } = await member();
    const json = { ...user, first_name: "Ada", phone: "+49 30 1", role: "ADMIN", username: "other" };
    const changed = await answer(call("PATCH", "/api/auth/me/", { token: access, json }));
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({ ...user, first_name: "Ada", phone: "+49 30 1" });
  });

  test("is not updated by an unknown member", async () => {
    const { access } = await member();
    const refused = await answer(call("PATCH", "/api/auth/me/", { token: access, json: { colour: "red" } }));
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, "colour"]);
  });
});

describe("a request that shows whether a name or an address is taken", () => {
  test("is counted per client address: a registration, and a change of the e-mail", async () => {
    const { access } = await member();
    const keys: string[] = [];
    const ACCOUNT_LIMIT = {
      limit: async ({ key }: { key: string }) => {
        keys.push(key);
        return { success: !key.startsWith("names ") };
      },
    };
    const send = (method: string, path: string, json: object) =>
      createApp().fetch(
        new Request(`http://dealership.test${path}`, {
          method,
          headers: {
            "Content-Type": "application/json",
            "CF-Connecting-IP": "192.0.2.7",
            Authorization: `Bearer ${access}`,
          },
          body: JSON.stringify(json),
        }),
        { ...env, RATE_LIMITS: "on", ACCOUNT_LIMIT },
        createExecutionContext(),
      );
    const registered = await send("POST", "/api/auth/register/", { username: "x", password: PASSWORD });
    const change = { email: "x@example.com", current_password: PASSWORD };
    const changed = await send("PATCH", "/api/auth/me/", change);
    for (const refused of [registered, changed]) {
      expect(refused.status).toBe(429);
      expect(refused.headers.get("Retry-After")).toBe("60");
    }
    expect(new Set(keys.filter((key) => key.startsWith("names ")))).toEqual(new Set(["names 192.0.2.7"]));
    // No password was compared, so there is no guess to count.
    expect(keys.some((key) => key.startsWith("own "))).toBe(false);
    expect((await send("PATCH", "/api/auth/me/", { phone: "1" })).status).toBe(200);
  });
});

describe("changing the password", () => {
  const change = (token: string, current_password: string, new_password: string) =>
    answer(call("POST", "/api/auth/password/change/", { token, json: { current_password, new_password } }));

  test("ends the other sessions and keeps this one", async () => {
    const { username, access, refresh } = await member();
    const other = (await login(username, PASSWORD)).body;
    expect((await change(access, PASSWORD, NEW)).status).toBe(204);
    expect((await call("GET", "/api/auth/me/", { token: access })).status).toBe(200);
    expect((await call("POST", "/api/auth/refresh/", { json: { refresh } })).status).toBe(200);
    expect((await call("GET", "/api/auth/me/", { token: other.access })).status).toBe(401);
    expect((await call("POST", "/api/auth/refresh/", { json: { refresh: other.refresh } })).status).toBe(401);
    expect((await login(username, PASSWORD)).status).toBe(401);
    expect((await login(username, NEW)).status).toBe(200);
  });

  test("needs the current password and a new one that passes the rules", async () => {
    const { username, access } = await member();
    const wrong = await change(access, "a wrong engine", NEW);
    expect([wrong.status, wrong.body.errors[0].field]).toEqual([400, "current_password"]);
    const weak = await change(access, PASSWORD, `${username}!`);
    expect([weak.status, weak.body.errors[0]]).toMatchObject([
      400,
      { field: "new_password", code: "too_similar" },
    ]);
  });
});

describe("a forgotten password", () => {
  const forgot = (email: string) => answer(call("POST", "/api/auth/password/forgot/", { json: { email } }));
  const reset = (token: string, new_password = NEW) =>
    answer(call("POST", "/api/auth/password/reset/", { json: { token, new_password } }));

  /** A reset token as the mail would hold it. */
  async function tokenFor(userId: string, expiresAt = Date.now() + 60_000) {
    const token = crypto.randomUUID();
    await db
      .insert(passwordResets)
      .values({ tokenHash: await sha256(token), userId, createdAt: 0, expiresAt });
    return token;
  }

  test("gets the same answer for a known and an unknown address; only the known one gets a mail, and no plain token is stored", async () => {
    const { email, user } = await member();
    const known = await forgot(email.toUpperCase());
    const unknown = await forgot("nobody@example.com");
    expect([known.status, known.body]).toEqual([204, undefined]);
    expect([unknown.status, unknown.body]).toEqual([204, undefined]);
    const mails = () =>
      db
        .select()
        .from(notifications)
        .where(and(eq(notifications.kind, "password_reset"), eq(notifications.userId, user.id)));
    await expect
      .poll(async () => (await mails()).map(({ recipient, facts }) => ({ recipient, facts })))
      .toEqual([{ recipient: email, facts: {} }]);
  });

  test("can be replaced with the token once, which ends every session", async () => {
    const { username, user, access } = await member();
    const token = await tokenFor(user.id);
    const spare = await tokenFor(user.id);
    const both = await Promise.all([reset(token), reset(token)]);
    expect(both.map(({ status }) => status).sort()).toEqual([204, 400]);
    expect((await call("GET", "/api/auth/me/", { token: access })).status).toBe(401);
    expect((await login(username, NEW)).status).toBe(200);
    for (const used of [token, spare]) expect((await reset(used)).body.errors[0].field).toBe("token");
  });

  test("is not replaced with an expired or invented token, nor by a weak password", async () => {
    const { user, username } = await member();
    expect((await reset(await tokenFor(user.id, Date.now() - 1))).body.errors[0].field).toBe("token");
    expect((await reset("made-up")).body.errors[0].field).toBe("token");
    const token = await tokenFor(user.id);
    expect((await reset(token, `x${username}x`)).body.errors[0].field).toBe("new_password");
    expect((await reset(token)).status).toBe(204);
  });

  test("is not set by a token that was mailed before the password was changed", async () => {
    const { user, access } = await member();
    const token = await tokenFor(user.id);
    const json = { current_password: PASSWORD, new_password: NEW };
    expect((await call("POST", "/api/auth/password/change/", { token: access, json })).status).toBe(204);
    expect((await reset(token, "a third engine")).body.errors[0].field).toBe("token");
  });

  test("of a deactivated user is not replaced", async () => {
    const { user } = await member();
    const token = await tokenFor(user.id);
    await db.update(users).set({ isActive: false }).where(eq(users.id, user.id));
    expect((await reset(token)).status).toBe(400);
  });
});

describe("the rules for passwords", () => {
  const owner = {
    username: "gearbox",
    email: "clutch.disc@example.com",
    first_name: "Bo",
    last_name: "Driveshaft",
  };
  const fault = (password: string) => passwordFault(password, owner, new Set(["password1"]))?.code;

  test.each([
    ["12345678901", "all_digits"],
    ["١٢٣٤٥٦٧٨٩", "all_digits"],
    ["Password1", "too_common"],
    ["my GEARBOX 7", "too_similar"],
    ["clutch.disc!", "too_similar"],
    ["driveshaft1", "too_similar"],
    ["drivesha", "too_similar"],
    ["bobby tables", undefined],
    ["a quiet engine", undefined],
  ])("find the fault of %s: %s", (password, code) => expect(fault(password)).toBe(code));
});

describe("the guard of an operation", () => {
  test("reads the role from the database, not from the token", async () => {
    const staff = await person("SALES");
    await db.update(users).set({ role: "CUSTOMER" }).where(eq(users.id, staff.id));
    expect(
      (await call("PATCH", `/api/bookings/${crypto.randomUUID()}/approve/`, { token: staff.token })).status,
    ).toBe(403);
    expect(env.JWT_SECRET.length).toBeGreaterThan(31);
  });
});
