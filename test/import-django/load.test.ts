import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { session } from "../../src/auth/schemas.ts";
import { cars, notifications, users } from "../../src/db/schema.ts";
import { convert } from "../../tools/import-django/convert.ts";
import { parseDump } from "../../tools/import-django/parse.ts";
import { TOTALS_QUERY, totalsFrom, totalsOf } from "../../tools/import-django/report.ts";
import { NOT_EMPTY, statementsOf } from "../../tools/import-django/sql.ts";
import { findSources } from "../../tools/import-django/tables.ts";
import dump from "../fixtures/django.sql?raw";
import { answer, call, db } from "../support/world.ts";

const now = Date.UTC(2026, 10, 24, 12);
const sources = findSources(parseDump(dump), {});
const conversion = convert(
  sources,
  {
    now,
    hours: { timeZone: env.SHOWROOM_TIME_ZONE, horizonDays: 365 },
    defaultCurrency: "EUR",
  },
  uuidv7,
);
const statements = statementsOf(conversion, { askReset: true, newId: uuidv7, now });

/** Runs statements as wrangler runs a file of them: in one batch. */
const run = (all: readonly string[]) => env.DB.batch(all.map((sql) => env.DB.prepare(sql)));
const totals = async () => totalsFrom((await env.DB.prepare(TOTALS_QUERY).first()) ?? {});

/** A login where the migration guide's variable is set. */
const login = (username: string, password: string) =>
  answer(
    Promise.resolve(
      createApp().fetch(
        new Request("http://dealership.test/api/auth/login/", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ username, password }),
        }),
        { ...env, IMPORTED_PASSWORDS: "on" } as unknown as Env,
        createExecutionContext(),
      ),
    ),
  );
const hashOf = async (username: string) =>
  (await db.select().from(users).where(eq(users.username, username)).get())?.passwordHash;

beforeAll(async () => {
  // Into the empty database first with something that cannot be, at the very end: nothing of it may stay.
  await expect(run([...statements, "INSERT INTO users (id) VALUES ('x')"])).rejects.toThrow("NOT NULL");
  expect((await totals()).users.count).toBe(0);
  await run(statements);
});

describe("a loaded dump of the Django service", () => {
  test("has the counts and the sums of the dump without the refused rows", async () => {
    const { written, dump: whole, refused } = totalsOf(sources, conversion);
    expect(await totals()).toEqual(written);
    expect(written.commissions.cents).toBe(whole.commissions.cents - refused.commissions.cents);
    expect((await env.DB.prepare("PRAGMA foreign_key_check").all()).results).toEqual([]);
  });

  test("has its cars in their final status, with every character of their texts", async () => {
    const stored = await db.select().from(cars);
    for (const car of conversion.rows.cars)
      expect(stored.find(({ id }) => id === car.id)).toMatchObject({
        status: car.status,
        description: car.description,
        discountPriceCents: car.discountPriceCents,
        updatedAt: car.updatedAt,
      });
    expect(stored.filter(({ status }) => status === "SOLD")).toHaveLength(5);
    expect(stored.some(({ description }) => description?.includes("BEGIN TRANSACTION; COMMIT;"))).toBe(true);
  });

  test("is not loaded a second time", async () => {
    const before = await totals();
    await expect(run(statements)).rejects.toThrow(NOT_EMPTY);
    expect(await totals()).toEqual(before);
  });

  test("is written in statements that D1 accepts, for any number and length of rows", () => {
    const [car] = conversion.rows.cars;
    if (!car) throw new Error("the dump has no car");
    const description = "🚗 BEGIN TRANSACTION ".repeat(476).slice(0, 10_000);
    const many = Array.from({ length: 200 }, () => ({ ...car, id: uuidv7(), vin: uuidv7(), description }));
    const all = statementsOf(
      { ...conversion, rows: { ...conversion.rows, cars: many } },
      { askReset: false, newId: uuidv7, now },
    );
    expect(Math.max(...all.map((sql) => Buffer.byteLength(sql)))).toBeLessThan(100_000);
    expect(all.filter((sql) => sql.startsWith("INSERT INTO cars")).length).toBeGreaterThan(50);
  });

  test("is served by the API as the Django service served it", async () => {
    const admin = (await login("alma", "alma drives an oldtimer")).body.access;
    const listed = await answer(call("GET", "/api/sales/", { token: admin }));
    expect(listed.body.count).toBe(5);
    expect(listed.body.results.at(-1)).toMatchObject({
      sale_price: "11999.00",
      sale_datetime: "2025-06-02T13:05:00Z",
      contract_number: "2025-0001",
      commissions: [{ rate: "2.50", amount: "299.98" }],
    });
    const staff = await answer(call("GET", "/api/staff/", { token: admin }));
    expect(staff.body.count).toBe(5);
  });
});

describe("the passwords of the Django service", () => {
  test("do not let anybody sign in unless the operator has said that there are imported ones", async () => {
    const json = { username: "sami", password: "sami sells cars daily" };
    expect((await call("POST", "/api/auth/login/", { json })).status).toBe(401);
  });

  test.each([
    ["sami", "sami sells cars daily", "36,000"],
    ["maria", "maria wants a car", "100,000"],
  ])("let %s sign in with %j, and get a new hash after %s rounds", async (username, password) => {
    expect(await hashOf(username)).toMatch(/^pbkdf2_sha256\$/);
    expect((await login(username, `${password}!`)).status).toBe(401);
    expect(await hashOf(username)).toMatch(/^pbkdf2_sha256\$/);
    const signedIn = await login(username, password);
    expect(signedIn.status).toBe(200);
    expect(session.parse(signedIn.body).user.username).toBe(username);
    expect(await hashOf(username)).toMatch(/^scrypt\$16384\$8\$5\$/);
    expect((await login(username, password)).status).toBe(200);
  });

  test("with more rounds than a Worker may compute are refused like wrong ones", async () => {
    const refused = await login("nora", "nora knows every car");
    const wrong = await login("nora", "something else");
    expect([refused.status, { ...refused.body, request_id: "" }]).toEqual([
      401,
      { ...wrong.body, request_id: "" },
    ]);
    expect(await hashOf("nora")).toMatch(/^pbkdf2_sha256\$600000\$/);
  });

  test("of former staff do not allow a login", async () => {
    expect((await login("gustav", "gustav left last year")).status).toBe(401);
  });

  test("that cannot be verified lead to a reset mail to all users with an address", async () => {
    const asked = await db.select().from(notifications).where(eq(notifications.kind, "password_reset"));
    const due = conversion.locked.filter(({ email }) => email !== null);
    expect(asked.map(({ userId, recipient }) => [userId, recipient])).toEqual(
      due.map(({ userId, email }) => [userId, email]),
    );
    expect(asked[0]).toMatchObject({ status: "PENDING", facts: {}, nextAttemptAt: now, bookingId: null });
    expect(due.map(({ username }) => username)).not.toContain("asleep");
    const silent = statementsOf(conversion, { askReset: false, newId: uuidv7, now });
    expect(silent.some((sql) => sql.includes("password_reset"))).toBe(false);
  });
});
