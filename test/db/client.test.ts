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
