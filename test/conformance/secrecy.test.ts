/** What strangers can learn and guess: how often they may try, and what the logs hold. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

describe("login throttling", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ RATE_LIMITS: "on" });
  });
  afterAll(() => server?.close());

  test("answers too many guesses at one account with 429 and Retry-After, and does not affect other accounts", async () => {
    await server.customer("victim", "192.0.2.1");
    await server.customer("bystander", "192.0.2.2");
    const guess = (from: string) =>
      server.call("POST", "/api/auth/login/", {
        json: { username: "victim", password: "not the one" },
        from,
      });
    // At once, and more than two windows hold: wherever the window's edge falls, one of them overflows.
    const guesses = await Promise.all(Array.from({ length: 24 }, () => guess("198.51.100.1")));
    const refused = guesses.filter(({ status }) => status === 429);
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([401, 429]));
    expect(refused[0]?.body.code).toBe("too_many_requests");
    expect(Number(refused[0]?.headers.get("Retry-After"))).toBeGreaterThan(0);
    const other = await server.call("POST", "/api/auth/login/", {
      json: { username: "bystander", password: PASSWORD },
      from: "198.51.100.2",
    });
    expect(other.status).toBe(200);
  });

  test("does not lock out the owner at a known address, however many strangers guess", async () => {
    const owner = "192.0.2.3";
    await server.customer("wanted", owner);
    const login = (from: string, password: string) =>
      server.call("POST", "/api/auth/login/", { json: { username: "wanted", password }, from });
    const strangers = Array.from({ length: 45 }, (_, at) => `198.51.101.${at}`);
    const guesses = await Promise.all(strangers.map((from) => login(from, "not the one")));
    expect(new Set(guesses.map(({ status }) => status))).not.toContain(200);
    expect(guesses.filter(({ status }) => status === 429 || status === 503).length).toBeGreaterThan(0);
    expect((await login(owner, PASSWORD)).status).toBe(200);
    await server.db.prepare("UPDATE failed_logins SET n = 100 WHERE source = ''").run();
    expect((await login("198.51.102.1", PASSWORD)).status).toBe(429);
    expect((await login(owner, PASSWORD)).status).toBe(200);
  });

  test("sends at most three mails a minute to one address, that of the registration among them, and answers each request alike", async () => {
    await server.customer("mailed", "192.0.2.4");
    for (let round = 0; round < 8; round += 1) {
      const asked = await server.call("POST", "/api/auth/password/forgot/", {
        json: { email: "mailed@example.com" },
      });
      expect(asked.status).toBe(204);
    }
    const mails = () =>
      server.db
        .prepare("SELECT count(*) AS n FROM notifications WHERE recipient = 'mailed@example.com'")
        .first("n");
    await expect.poll(mails, { timeout: 5000 }).toBe(3);
  });
});

describe("the logs of a run", () => {
  test("contain no password, hash, token or address", async () => {
    const server = await startServer();
    try {
      const secrets: string[] = [PASSWORD, "not the one"];
      const session = await server.customer("private-person");
      secrets.push(session.access, session.refresh, "private-person@example.com");
      const carId = await server.car("LOGS1");
      const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
      const slots = await server.call("GET", `/api/cars/${carId}/available-slots/?date=${day}`);
      const json = { car: carId, start_at: slots.body[0].start_at, notes: "secret-wish" };
      secrets.push("secret-wish");
      for (let round = 0; round < 2; round += 1)
        await server.call("POST", "/api/bookings/", { token: session.access, json });
      await server.call("POST", "/api/auth/login/", {
        json: { username: "private-person", password: "not the one" },
      });
      await server.call("POST", "/api/auth/register/", {
        json: { username: "private-person", password: PASSWORD },
      });
      await server.call("POST", "/api/auth/refresh/", { json: { refresh: session.refresh } });
      await server.call("GET", "/api/auth/me/", { token: `${session.access}x` });
      await server.call("POST", "/api/auth/password/forgot/", {
        json: { email: "private-person@example.com" },
      });
      const { results } = await server.db
        .prepare("SELECT password_hash FROM users")
        .all<{ password_hash: string }>();
      secrets.push(...results.map((row) => row.password_hash));
      await expect
        .poll(
          () => server.db.prepare("SELECT count(*) AS n FROM notifications WHERE status = 'SENT'").first("n"),
          {
            timeout: 20_000,
          },
        )
        .toBeGreaterThan(0);
      // A database that refuses in the middle of things is when careless logs say most.
      await server.db.prepare("ALTER TABLE cars RENAME TO cars_away").run();
      expect((await server.call("GET", "/api/cars/?make=secret-make")).status).toBe(500);
      secrets.push("secret-make");
      const logs = JSON.stringify(server.logs());
      expect(logs).toContain("request.failed");
      for (const secret of secrets) expect(logs).not.toContain(secret);
      expect(logs).not.toMatch(/eyJ|scrypt\$/);
    } finally {
      await server.close();
    }
  });
});
