import { env } from "cloudflare:workers";
import { and, eq, inArray, isNull } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { account, session, tokenPair } from "../../src/auth/schemas.ts";
import { renewSession, startSession } from "../../src/auth/sessions.ts";
import { openDatabase } from "../../src/db/client.ts";
import { refreshTokens, sessions, users } from "../../src/db/schema.ts";
import { DAY_MS } from "../../src/shared/showroom-time.ts";
import { answer, call, db, person } from "../support/world.ts";

let made = 0;
const newName = () => `newcomer-${++made}-${crypto.randomUUID().slice(0, 6)}`;
const PASSWORD = "a quiet engine";

const register = (json: unknown, headers = {}) =>
  answer(call("POST", "/api/auth/register/", { json, headers }));
const login = (username: string, password = PASSWORD) =>
  answer(call("POST", "/api/auth/login/", { json: { username, password } }));
const refresh = (token: string) => answer(call("POST", "/api/auth/refresh/", { json: { refresh: token } }));

const ofUser = (userId: string) =>
  inArray(
    refreshTokens.sessionId,
    db.select({ id: sessions.id }).from(sessions).where(eq(sessions.userId, userId)),
  );

async function signedIn() {
  const username = newName();
  await register({ username, password: PASSWORD });
  return (await login(username)).body;
}

describe("a registration", () => {
  test("creates a customer who can sign in by username and by e-mail, in any case", async () => {
    const username = newName();
    const made = await register({
      username,
      password: PASSWORD,
      email: `${username}@Example.com`,
      first_name: "Zoë",
    });
    expect(made.status).toBe(201);
    expect(account.parse(made.body)).toMatchObject({
      username,
      email: `${username}@Example.com`,
      first_name: "Zoë",
    });
    for (const name of [username, username.toUpperCase(), `${username}@EXAMPLE.com`]) {
      const signedIn = await login(name);
      expect(signedIn.status).toBe(200);
      expect(session.parse(signedIn.body).user.role).toBe("CUSTOMER");
    }
  });

  test("without an e-mail succeeds any number of times (the Django service treated two empty ones as equal)", async () => {
    expect((await register({ username: newName(), password: PASSWORD })).status).toBe(201);
    expect((await register({ username: newName(), password: PASSWORD, email: "" })).status).toBe(201);
    expect((await register({ username: newName(), password: PASSWORD, email: null })).status).toBe(201);
  });

  test("of one name in two cases, sent concurrently, creates one account", async () => {
    const username = newName();
    const both = await Promise.all(
      [username, username.toUpperCase()].map((name) => register({ username: name, password: PASSWORD })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([201, 400]);
    expect(both.find(({ status }) => status === 400)?.body.errors).toMatchObject([
      { field: "username", code: "taken" },
    ]);
  });

  test.each([
    ["a role", { role: "ADMIN" }, "role"],
    ["a common password", { password: "iloveyou1" }, "password"],
    ["a common password in capitals", { password: "PASSWORD1" }, "password"],
    ["a short password", { password: "short" }, "password"],
    ["a password of digits", { password: "1234567890123" }, "password"],
    ["a password that holds the username", { username: "gearbox", password: "gearbox-2026" }, "password"],
    ["a password of 129 characters", { password: "x".repeat(129) }, "password"],
    ["an e-mail that is none", { email: "nobody" }, "email"],
    ["a line break in a name", { first_name: "a\r\nBcc: x" }, "first_name"],
    ["a space in the username", { username: "a b" }, "username"],
    ["an empty username", { username: "" }, "username"],
  ])("with %s is refused with the field named", async (_, change, field) => {
    const refused = await register({ username: newName(), password: PASSWORD, ...change });
    expect(refused.status).toBe(400);
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test("that is repeated with its Idempotency-Key gets the same answer and creates one account", async () => {
    const json = { username: newName(), password: PASSWORD };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const answers = await Promise.all([
      register(json, headers),
      register(json, headers),
      register(json, headers),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  test("does not store the password", async () => {
    const username = newName();
    await register({ username, password: PASSWORD });
    const stored = await db.select().from(users).where(eq(users.username, username)).get();
    expect(stored?.passwordHash).toMatch(/^scrypt\$16384\$8\$5\$/);
  });
});

describe("a login", () => {
  test("gets the same refusal for a wrong password, an unknown name and a deactivated user", async () => {
    const username = newName();
    await register({ username, password: PASSWORD });
    const wrong = await login(username, "another phrase");
    const unknown = await login(newName());
    await db.update(users).set({ isActive: false }).where(eq(users.username, username));
    const inactive = await login(username);
    for (const refused of [wrong, unknown, inactive]) {
      expect(refused.status).toBe(401);
      expect({ ...refused.body, request_id: "" }).toEqual({ ...wrong.body, request_id: "" });
    }
  });

  test("replaces a hash that has older parameters", async () => {
    const username = newName();
    await register({ username, password: PASSWORD });
    const { scryptSync } = await import("node:crypto");
    const salt = Buffer.alloc(16, 7);
    const old = `scrypt$1024$8$1$${salt.toString("base64")}$${scryptSync(PASSWORD, salt, 32, { N: 1024, r: 8, p: 1 }).toString("base64")}`;
    await db.update(users).set({ passwordHash: old }).where(eq(users.username, username));
    expect((await login(username)).status).toBe(200);
    const stored = await db.select().from(users).where(eq(users.username, username)).get();
    expect(stored?.passwordHash).toMatch(/^scrypt\$16384\$8\$5\$/);
    expect((await login(username)).status).toBe(200);
  });
});

describe("a logout", () => {
  const logout = (token: string) => call("POST", "/api/auth/logout/", { json: { refresh: token } });

  test("ends its session and access tokens immediately, and no other session", async () => {
    const first = await signedIn();
    const other = (await login(first.user.username)).body;
    const renewed = (await refresh(first.refresh)).body;
    expect((await logout(first.refresh)).status).toBe(204);
    for (const token of [first.access, renewed.access])
      expect((await call("GET", "/api/auth/me/", { token })).status).toBe(401);
    expect((await refresh(renewed.refresh)).status).toBe(401);
    expect((await call("GET", "/api/auth/me/", { token: other.access })).status).toBe(200);
    expect((await refresh(other.refresh)).status).toBe(200);
  });

  test("that is repeated, or has an unknown token, gets the same answer", async () => {
    const first = await signedIn();
    for (const token of [first.refresh, first.refresh, "unknown"])
      expect((await logout(token)).status).toBe(204);
  });
});

describe("a refresh", () => {
  test("returns a new pair and invalidates the old token", async () => {
    const first = await signedIn();
    const second = await refresh(first.refresh);
    expect(second.status).toBe(200);
    expect(tokenPair.parse(second.body).refresh).not.toBe(first.refresh);
    expect((await call("GET", "/api/bookings/me/", { token: second.body.access })).status).toBe(200);
  });

  test("that one client sends twice concurrently gets the same next token twice and keeps the session", async () => {
    const first = await signedIn();
    const both = await Promise.all([refresh(first.refresh), refresh(first.refresh), refresh(first.refresh)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(both.map(({ body }) => body.refresh)).size).toBe(1);
    expect((await refresh(both[0]?.body.refresh)).status).toBe(200);
  });

  test("with a stolen token, after its owner has used the successor, ends the session of both", async () => {
    const first = await signedIn();
    const second = (await refresh(first.refresh)).body;
    const third = (await refresh(second.refresh)).body;
    expect((await refresh(first.refresh)).status).toBe(401);
    expect((await refresh(third.refresh)).status).toBe(401);
  });

  test("with a used token after the grace period ends the session, although the successor is unused", async () => {
    const first = await signedIn();
    const second = (await refresh(first.refresh)).body;
    await db
      .update(refreshTokens)
      .set({ createdAt: Date.now() - 60_000 })
      .where(ofUser(first.user.id));
    expect((await refresh(first.refresh)).status).toBe(401);
    expect((await refresh(second.refresh)).status).toBe(401);
  });

  test("with an expired, unknown or malformed token is refused", async () => {
    const first = await signedIn();
    await db
      .update(refreshTokens)
      .set({ expiresAt: Date.now() - 1 })
      .where(ofUser(first.user.id));
    expect((await refresh(first.refresh)).status).toBe(401);
    expect((await refresh("made-up")).status).toBe(401);
    expect((await refresh(first.access)).status).toBe(400);
    expect((await refresh("")).status).toBe(401);
  });

  test("does not store the tokens", async () => {
    const first = await signedIn();
    const stored = await db.select().from(refreshTokens).where(ofUser(first.user.id));
    expect(JSON.stringify(stored)).not.toContain(first.refresh);
  });
});

describe("a spent refresh token", () => {
  const SECRETS = [
    "one secret of the tests, as long as it must be",
    "another secret of the tests, also long enough",
  ] as const;

  /** A session that has been refreshed under a secret: the spent token and the live one. */
  async function refreshed(at: number) {
    const user = await person();
    const database = openDatabase(env.DB, "first-primary");
    const started = await startSession(database, user, { verifiedHash: "none" }, SECRETS[0], at);
    const live = await renewSession(database, started?.refresh ?? "", [SECRETS[0]], at);
    return { database, user, spent: started?.refresh ?? "", live: live?.refresh ?? "" };
  }
  const alive = (userId: string) =>
    db
      .select()
      .from(sessions)
      .where(and(eq(sessions.userId, userId), isNull(sessions.endedAt)));

  test("never gets another successor when the secret was replaced, and ends its session", async () => {
    const now = Date.now();
    const { database, user, spent, live } = await refreshed(now - 60_000);
    for (const secrets of [[SECRETS[1], SECRETS[0]], [SECRETS[1]]]) {
      expect(await renewSession(database, spent, secrets, now)).toBeUndefined();
      expect(await db.select().from(refreshTokens).where(ofUser(user.id))).toHaveLength(2);
    }
    expect(await renewSession(database, live, [SECRETS[1], SECRETS[0]], now)).toBeUndefined();
    // The session that `person` begins stays.
    expect(await alive(user.id)).toHaveLength(1);
  });

  test("gets the same successor again when the secret was replaced between a request and its retry", async () => {
    const now = Date.now();
    const { database, spent, live } = await refreshed(now - 2_000);
    const retried = await renewSession(database, spent, [SECRETS[1], SECRETS[0]], now);
    expect(retried?.refresh).toBe(live);
  });
});

describe("a session", () => {
  test("ends thirty days after it was started, however often it is refreshed", async () => {
    const user = await person();
    const database = openDatabase(env.DB, "first-primary");
    const begun = Date.now();
    let token = (await startSession(database, user, { verifiedHash: "none" }, env.JWT_SECRET, begun))
      ?.refresh;
    for (let day = 6; day < 30; day += 6) {
      token = (await renewSession(database, token ?? "", [env.JWT_SECRET], begun + day * DAY_MS))?.refresh;
      expect(token, `day ${day}`).toBeDefined();
    }
    expect(
      await renewSession(database, token ?? "", [env.JWT_SECRET], begun + 30 * DAY_MS + 1),
    ).toBeUndefined();
  });

  test("is not started with a password that was changed while it was being verified", async () => {
    const user = await person("CUSTOMER", { passwordHash: "the new hash" });
    const database = openDatabase(env.DB, "first-primary");
    const old = { verifiedHash: "the old hash" };
    expect(await startSession(database, user, old, env.JWT_SECRET, Date.now())).toBeUndefined();
    expect(await db.select().from(refreshTokens).where(ofUser(user.id))).toEqual([]);
  });

  test("is not started for somebody who was deactivated while their password was being verified", async () => {
    const user = await person("CUSTOMER", { passwordHash: "hash", isActive: false });
    const database = openDatabase(env.DB, "first-primary");
    const started = await startSession(database, user, { verifiedHash: "hash" }, env.JWT_SECRET, Date.now());
    expect(started).toBeUndefined();
  });
});
