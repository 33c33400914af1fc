import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openDatabase } from "../../src/db/client.ts";
import { query } from "../../src/db/query.ts";
import { cars, sessions, users } from "../../src/db/schema.ts";
import { build, statementOf } from "../../src/db/statement.ts";
import { violationOf } from "../../src/db/violations.ts";
import type { Actor, Caller } from "../../src/shared/callers.ts";
import { DependencyDown } from "../../src/shared/dependency-down.ts";
import { databaseWith } from "../support/faults.ts";
import { car, db, person } from "../support/world.ts";

const database = (d1 = env.DB, requestId?: string) => openDatabase(d1, "first-primary", requestId);

const colorOf = async (carId: string) =>
  (await db.select().from(cars).where(eq(cars.id, carId)).get())?.color;

/** Paints a blue car red for an actor; the rows that the statement answers with. */
const paint = (carId: string, actor: Actor, opened = database()) =>
  opened.commit(actor, "car.update", `car:${carId}`, [
    statementOf(
      build.update(cars).set({ color: "Red" }).where(eq(cars.id, carId)).returning({ color: cars.color }),
    ),
  ]);

describe("a commit for a person", () => {
  test("takes effect while they are signed in, and answers with the rows of its own statements alone", async () => {
    const [{ caller }, carId] = [await person("SALES"), await car()];
    expect(await paint(carId, caller)).toEqual([[{ color: "Red" }]]);
    expect(await colorOf(carId)).toBe("Red");
  });

  const ENDINGS: [title: string, (caller: Caller) => Promise<unknown>][] = [
    [
      "signed out",
      ({ sessionId }) => db.update(sessions).set({ endedAt: Date.now() }).where(eq(sessions.id, sessionId)),
    ],
    ["was deactivated", ({ id }) => db.update(users).set({ isActive: false }).where(eq(users.id, id))],
    ["has another role", ({ id }) => db.update(users).set({ role: "CUSTOMER" }).where(eq(users.id, id))],
  ];

  test.each(ENDINGS)("who %s fails with not_signed_in and writes nothing", async (_, end) => {
    const [{ caller }, carId] = [await person("SALES"), await car()];
    await end(caller);
    expect(violationOf(await paint(carId, caller).catch((error) => error))).toBe("not_signed_in");
    expect(await colorOf(carId)).toBe("Blue");
  });

  test("who names the session of somebody else fails with not_signed_in and writes nothing", async () => {
    const [{ caller }, other, carId] = [await person("SALES"), await person("SALES"), await car()];
    const mixed = { ...caller, sessionId: other.caller.sessionId };
    expect(violationOf(await paint(carId, mixed).catch((error) => error))).toBe("not_signed_in");
    expect(await colorOf(carId)).toBe("Blue");
  });
});

test.each(["anonymous", "system"] as const)("a commit for %s verifies nobody", async (actor) => {
  const carId = await car();
  expect(await paint(carId, actor)).toEqual([[{ color: "Red" }]]);
  expect(await colorOf(carId)).toBe("Red");
});

describe("a fault of D1", () => {
  const failing = (message: string) => databaseWith(() => Promise.reject(new Error(message)));
  const errorsOf = async (message: string) => {
    const opened = () => database(failing(message));
    return [
      await opened()
        .ask(query`SELECT 1`)
        .catch((error) => error),
      await paint("none", "system", opened()).catch((error) => error),
    ];
  };

  test.each([
    "D1_ERROR: Network connection lost.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: D1 DB reset because its code was updated.",
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
    "D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.",
    "D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.",
    "D1_ERROR: D1 DB exceeded its CPU time limit and was reset.",
    "D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset.",
  ])("that passes is an outage, for a read and for a write: %s", async (message) => {
    for (const error of await errorsOf(message)) {
      expect(error).toBeInstanceOf(DependencyDown);
      expect(error.cause.message).toBe(message);
    }
  });

  test.each([
    "D1_ERROR: no such column: colour at offset 7: SQLITE_ERROR",
    "D1_ERROR: UNIQUE constraint failed: cars.vin: SQLITE_CONSTRAINT",
    "D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'",
  ])("that does not pass is none: %s", async (message) => {
    for (const error of await errorsOf(message)) {
      expect(error).not.toBeInstanceOf(DependencyDown);
      expect(error.message).toBe(message);
    }
  });
});

describe("a repetition", () => {
  const LOST = "D1_ERROR: Network connection lost.";

  /** A session whose first batches fail, and how many were sent. */
  function failingFirst(failures: number, message: string) {
    const sent = { batches: 0 };
    const d1 = databaseWith((batch, index) => {
      sent.batches = index;
      return index <= failures ? Promise.reject(new Error(message)) : batch();
    });
    return { opened: database(d1), sent };
  }

  test("of a read follows a transient fault, twice at most, and the caller notices nothing", async () => {
    const { opened, sent } = failingFirst(2, LOST);
    expect(await opened.ask(query<{ n: number }>`SELECT 1 AS n`)).toEqual([[{ n: 1 }]]);
    expect(sent.batches).toBe(3);
    const longer = failingFirst(3, LOST);
    await expect(longer.opened.ask(query`SELECT 1`)).rejects.toBeInstanceOf(DependencyDown);
    expect(longer.sent.batches).toBe(3);
  });

  test.each([
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: D1 DB exceeded its CPU time limit and was reset.",
    "D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset.",
    "D1_ERROR: no such column: colour at offset 7: SQLITE_ERROR",
  ])("of a read never follows %s", async (message) => {
    const { opened, sent } = failingFirst(1, message);
    await expect(opened.ask(query`SELECT 1`)).rejects.toThrow();
    expect(sent.batches).toBe(1);
  });

  test("of a commit is left to those who know whether it happened", async () => {
    const { opened, sent } = failingFirst(1, LOST);
    await expect(paint("none", "system", opened)).rejects.toBeInstanceOf(DependencyDown);
    expect(sent.batches).toBe(1);
  });
});

test("a bookmark that the database does not reach delays a read by two seconds, not for ever", async () => {
  const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
  const starts: string[] = [];
  const d1 = new Proxy(env.DB, {
    get: (real, name) =>
      name !== "withSession"
        ? Reflect.get(real, name)
        : (start: string) => {
            starts.push(start);
            const session = real.withSession("first-primary");
            if (start === "first-primary") return session;
            return { prepare: session.prepare.bind(session), batch: () => new Promise(() => {}) };
          },
  });
  const fromTheFuture = "ffffffff-ffffffff-ffffffff-ffffffffffffffffffffffffffffffff";
  const opened = openDatabase(d1, fromTheFuture, "trace-43");
  const began = Date.now();
  const one = () => opened.ask(query<{ n: number }>`SELECT 1 AS n`);
  expect(await Promise.all([one(), one()])).toEqual([[[{ n: 1 }]], [[{ n: 1 }]]]);
  expect(Date.now() - began).toBeLessThan(4000);
  const asked = Date.now();
  await one();
  expect(Date.now() - asked).toBeLessThan(1000);
  expect(starts[0]).toBe(fromTheFuture);
  expect(new Set(starts.slice(1))).toEqual(new Set(["first-primary"]));
  expect(warned.mock.calls.flat().join()).toContain('"event":"bookmark.not_reached","request":"trace-43"');
  warned.mockRestore();
});

describe("the log", () => {
  afterEach(() => void vi.restoreAllMocks());

  test("names the action, its subject and the request of a commit that failed", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const d1 = databaseWith(() => Promise.reject(new Error("D1_ERROR: Network connection lost.")));
    await expect(paint("c1", "system", database(d1, "trace-42"))).rejects.toThrow();
    expect(error.mock.calls.map(([line]) => JSON.parse(String(line)))).toEqual([
      {
        event: "commit.failed",
        action: "car.update",
        subject: "car:c1",
        request: "trace-42",
        error: "Error: D1_ERROR: Network connection lost.",
        version: env.VERSION.id,
      },
    ]);
  });

  test("says nothing of a commit that a rule refused: that is an answer", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const [{ caller }, carId] = [await person("SALES"), await car()];
    const refused = paint(carId, { ...caller, role: "ADMIN" });
    expect(violationOf(await refused.catch((thrown) => thrown))).toBe("not_signed_in");
    expect(error).not.toHaveBeenCalled();
  });
});
