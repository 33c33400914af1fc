import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { MAX_CHANGES_PER_HOUR } from "../../src/bookings/store.ts";
import { CarWriter } from "../../src/car-coordinator/car-writer.ts";
import type { Command } from "../../src/car-coordinator/commands.ts";
import {
  bookingChanges,
  bookings,
  calendars,
  cars,
  FIRST_SHOWROOM,
  idempotencyKeys,
  notifications,
  sales,
  sessions,
} from "../../src/db/schema.ts";
import type { Sale } from "../../src/sales/store.ts";
import { databaseWith, storeOf, writerOf } from "../support/faults.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

/** The database, and how many batches were sent to it. */
function countingDatabase() {
  const counted = {
    batches: 0,
    d1: databaseWith((batch) => {
      counted.batches += 1;
      return batch();
    }),
  };
  return counted;
}

const bookingsOf = (carId: string) => db.select().from(bookings).where(eq(bookings.carId, carId));

async function stage() {
  const [{ id: customerId, token, caller }, carId] = [await person(), await car()];
  const book = (startAt = slot(2)): Command => ({ type: "book", customerId, startAt, notes: "" });
  return { customerId, carId, token, book, context: { caller } };
}

const codes = (
  outcomes: ({ ok: true } | { ok: false; refusal: { code: string } })[],
): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    const code = outcome.ok ? "ok" : outcome.refusal.code;
    counts[code] = (counts[code] ?? 0) + 1;
  }
  return counts;
};

describe("the store of a car", () => {
  test("loads only the active bookings", async () => {
    const { carId, customerId } = await stage();
    const at = (hour: number) => ({ carId, customerId, startAt: slot(2, hour) });
    const active = [
      await booking({ ...at(0), status: "PENDING" }),
      await booking({ ...at(1), status: "APPROVED" }),
    ];
    for (const status of ["CANCELLED", "DECLINED", "COMPLETED", "NO_SHOW"] as const)
      await booking({ ...at(2), status });
    const state = await storeOf(carId).load();
    expect([...state.active.keys()].sort()).toEqual(active.sort());
  });

  test("refuses a commit that was decided before the last load by any writer", async () => {
    const { carId, customerId, context } = await stage();
    const row = { carId, customerId, startAt: slot(2), endAt: slot(2, 1), notes: "" };
    const change = {
      type: "booked",
      booking: {
        ...row,
        id: crypto.randomUUID(),
        status: "PENDING",
        reason: "",
        handledBy: null,
        sequence: 0,
        createdAt: 1,
        updatedAt: 1,
        showroomId: FIRST_SHOWROOM,
        localDate: "2026-12-01",
        footprintStartAt: null,
        footprintEndAt: null,
        heldUntil: null,
        salespersonId: null,
        assignedBy: null,
        source: "ONLINE",
      },
    } as const;
    const [displaced, successor] = [storeOf(carId), storeOf(carId)];
    await displaced.load();
    await successor.load();
    expect(await displaced.commit(change, context)).toMatchObject({ type: "refused", isFinal: false });
    expect(await bookingsOf(carId)).toEqual([]);
    expect(
      await db.select().from(notifications).where(eq(notifications.bookingId, change.booking.id)),
    ).toEqual([]);
    expect(await successor.commit(change, context)).toMatchObject({ type: "committed" });
  });

  test("loads nothing for an unknown car, and writes nothing for it", async () => {
    const carId = crypto.randomUUID();
    expect(await storeOf(carId).load()).toEqual({
      status: undefined,
      schedule: undefined,
      active: new Map(),
    });
    expect(await db.select().from(calendars).where(eq(calendars.carId, carId))).toEqual([]);
  });
});

test("a command of a caller who has signed out is refused as their token is elsewhere, and changes nothing", async () => {
  const { carId, book, context } = await stage();
  await db.update(sessions).set({ endedAt: 1 }).where(eq(sessions.id, context.caller.sessionId));
  expect(await writerOf(carId).execute(book(), context)).toEqual({
    ok: false,
    refusal: { code: "invalid_token" },
  });
  expect(await bookingsOf(carId)).toEqual([]);
});

test("the bookings of a car that is removed are cancelled under a higher sequence, and the customer learns why", async () => {
  const { carId, customerId, context } = await stage();
  const id = await booking({ carId, customerId, startAt: slot(2), status: "APPROVED", sequence: 3 });
  const command: Command = { type: "set_status", to: "REMOVED" };
  expect(await writerOf(carId).execute(command, context)).toMatchObject({ ok: true });
  expect(await bookingsOf(carId)).toMatchObject([{ id, status: "CANCELLED", sequence: 4 }]);
  const notices = await db.select().from(notifications).where(eq(notifications.bookingId, id));
  expect(notices).toMatchObject([
    { kind: "booking_cancelled", facts: { reason: "car_removed", status: "CANCELLED", sequence: 4 } },
  ]);
});

test("a loaded coordinator refuses what is taken after one question to the database, and does not load again", async () => {
  const { carId, book, context } = await stage();
  const counted = countingDatabase();
  const writer = writerOf(carId, counted.d1);
  expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
  for (let i = 0; i < 10; i += 1)
    expect(await writer.execute(book(), context)).toMatchObject({ refusal: { code: "slot_taken" } });
  // One to load, one to book, and one for each refusal, because they do not wait at the same time.
  expect(counted.batches).toBe(12);
  expect(await db.select().from(calendars).where(eq(calendars.carId, carId))).toEqual([{ carId, epoch: 1 }]);
});

describe("a coordinator whose car was changed in the database by another writer", () => {
  /** Cancels the bookings of the car and begins a new epoch, as the deactivation of their customer does. */
  const cancelAll = (carId: string) =>
    env.DB.batch([
      env.DB.prepare("UPDATE calendars SET epoch = epoch + 1 WHERE car_id = ?").bind(carId),
      env.DB.prepare(
        "UPDATE bookings SET status = 'CANCELLED', sequence = sequence + 1 WHERE car_id = ? AND status IN ('PENDING', 'APPROVED')",
      ).bind(carId),
    ]);

  test.each([
    ["books a slot that was freed", (book: Command) => book, "ok"],
    [
      "does not approve a booking that was cancelled",
      (_: Command, bookingId: string): Command => ({ type: "transition", bookingId, to: "APPROVED" }),
      "illegal_transition",
    ],
    [
      "does not move a booking that was cancelled",
      (_: Command, bookingId: string): Command => ({
        type: "reschedule",
        bookingId,
        startAt: slot(4),
        confirmed: true,
      }),
      "illegal_transition",
    ],
    [
      "does not confirm the present time of a booking that was cancelled",
      (_: Command, bookingId: string): Command => ({
        type: "reschedule",
        bookingId,
        startAt: slot(2),
        confirmed: true,
      }),
      "illegal_transition",
    ],
  ])("%s", async (_, next, code) => {
    const { carId, book, context } = await stage();
    const writer = writerOf(carId);
    const first = await writer.execute(book(), context);
    await cancelAll(carId);
    const outcome = await writer.execute(next(book(), (first.ok && first.booking?.id) || ""), context);
    expect(codes([outcome])).toEqual({ [code]: 1 });
  });

  test("asks the database once for all refusals that wait at the same time", async () => {
    const { carId, book, context } = await stage();
    const counted = countingDatabase();
    const writer = writerOf(carId, counted.d1);
    await writer.execute(book(), context);
    counted.batches = 0;
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => writer.execute(book(), context)));
    expect(codes(outcomes)).toEqual({ slot_taken: 100 });
    expect(counted.batches).toBe(1);
  });
});

test("a refusal from memory does not rest on a commit that has not looked at the schedule", async () => {
  const showroomId = crypto.randomUUID();
  const hours = JSON.stringify({ mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] });
  await env.DB.prepare(
    "INSERT INTO showrooms (id, code, hours, created_at, updated_at) VALUES (?1, ?1, ?2, 0, 0)",
  )
    .bind(showroomId, hours)
    .run();
  const [customer, staff, carId] = [await person(), await person("SALES"), await car({ showroomId })];
  const writer = writerOf(carId);
  const book: Command = { type: "book", customerId: customer.id, startAt: slot(3), notes: "" };
  const closed = await writer.execute(book, { caller: customer.caller });
  expect(closed).toMatchObject({ refusal: { code: "invalid_request" } });
  // It opens meanwhile. The booking arrives before the change of the status is committed.
  await env.DB.prepare(
    "UPDATE showrooms SET hours = (SELECT hours FROM showrooms WHERE id = ?2) WHERE id = ?1",
  )
    .bind(showroomId, FIRST_SHOWROOM)
    .run();
  const [reserved, booked] = await Promise.all([
    writer.execute({ type: "set_status", to: "RESERVED" }, { caller: staff.caller }),
    writer.execute(book, { caller: customer.caller }),
  ]);
  expect([reserved.ok, booked.ok]).toEqual([true, true]);
});

describe("the bookmark of an answer", () => {
  const isBookmark = expect.stringMatching(/^[0-9a-f]{8}-/);

  test("names the commit, and after a repetition that changes nothing the state that was found", async () => {
    const { carId, book, context } = await stage();
    const writer = writerOf(carId);
    const booked = await writer.execute(book(), context);
    const bookingId = booked.ok ? (booked.booking?.id ?? "") : "";
    expect(booked).toMatchObject({ bookmark: isBookmark });
    const again: Command = { type: "reschedule", bookingId, startAt: slot(2), confirmed: true };
    expect(await writer.execute(again, context)).toMatchObject({ change: undefined, bookmark: isBookmark });
  });

  test("is there after a commit whose outcome had to be looked up", async () => {
    const { carId, book, context } = await stage();
    const lost = databaseWith(async (batch, index) => {
      const results = await batch();
      if (index === 2) throw new Error("D1_ERROR: Network connection lost.");
      return results;
    });
    expect(await writerOf(carId, lost).execute(book(), context)).toMatchObject({
      ok: true,
      bookmark: isBookmark,
    });
  });
});

describe("a failure of the database", () => {
  const LOST = "D1_ERROR: Network connection lost.";
  const UNAVAILABLE = { ok: false, refusal: { code: "unavailable" } };

  /** A writer whose batches of these numbers fail: 1 loads, 2 commits; then 3 loads, 4 looks, 5 commits, and so on. */
  async function failing(message: string, ...failed: number[]) {
    const staged = await stage();
    let batches = 0;
    const d1 = databaseWith((batch, index) => {
      batches = index;
      return failed.includes(index) ? Promise.reject(new Error(message)) : batch();
    });
    return { ...staged, writer: writerOf(staged.carId, d1), batches: () => batches };
  }

  test("before the commit is not noticed by the caller: the change can never arrive, so it is decided again", async () => {
    const { carId, book, context, writer, batches } = await failing(LOST, 2);
    expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
    expect(await bookingsOf(carId)).toHaveLength(1);
    expect(batches()).toBe(5);
  });

  test("before each of three commits books nothing and refuses the caller, and the next one is served", async () => {
    const { carId, book, context, writer, batches } = await failing(LOST, 2, 5, 8);
    expect(await writer.execute(book(), context)).toEqual(UNAVAILABLE);
    expect(await bookingsOf(carId)).toEqual([]);
    expect(batches()).toBe(10);
    expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
  });

  test("for too much work is not answered by more of it", async () => {
    const message = "D1_ERROR: D1 DB is overloaded. Too many requests queued.";
    const { carId, book, context, writer, batches } = await failing(message, 2);
    expect(await writer.execute(book(), context)).toEqual(UNAVAILABLE);
    expect(await bookingsOf(carId)).toEqual([]);
    expect(batches()).toBe(4);
  });

  test("by a bug of ours is no outage: it passes through, and the next command loads again", async () => {
    const message = "D1_ERROR: no such column: colour at offset 7: SQLITE_ERROR";
    for (const at of [1, 2]) {
      const { carId, book, context, writer } = await failing(message, at);
      await expect(writer.execute(book(), context)).rejects.toThrow(message);
      expect(await bookingsOf(carId)).toEqual([]);
      expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
    }
  });

  test("after the commit does not prevent the answer, because the booking is found", async () => {
    const { carId, book, context } = await stage();
    const writer = writerOf(
      carId,
      databaseWith(async (batch, index) => {
        const results = await batch();
        if (index === 2) throw new Error(LOST);
        return results;
      }),
    );
    expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
    expect(await bookingsOf(carId)).toHaveLength(1);
    expect(await writer.execute(book(), context)).toMatchObject({
      ok: false,
      refusal: { code: "slot_taken" },
    });
  });

  test("after the commit of a sale does not hide it, although the car was changed again since", async () => {
    const [seller, buyer, carId] = [await person("SALES"), await person(), await car()];
    const writer = writerOf(
      carId,
      databaseWith(async (batch, index) => {
        const results = await batch();
        if (index !== 2) return results;
        await db.update(cars).set({ description: "Sold as seen", updatedAt: 7 }).where(eq(cars.id, carId));
        throw new Error(LOST);
      }),
    );
    const by = { salespersonId: seller.id, createdAt: Date.now() };
    const sale: Sale = {
      id: crypto.randomUUID(),
      carId,
      customerId: buyer.id,
      ...by,
      salePriceCents: 100,
      currency: "EUR",
      paymentMethod: "CASH",
      saleAt: by.createdAt,
      contractNumber: "",
      remarks: "",
      voidedAt: null,
      voidReason: null,
      voidedBy: null,
    };
    const commission = {
      id: crypto.randomUUID(),
      saleId: sale.id,
      ...by,
      rate: 250,
      amountCents: 2,
      reverses: null,
    };
    const sell: Command = { type: "sell", sale, commission };
    expect(await writer.execute(sell, { caller: seller.caller })).toMatchObject({ ok: true });
    expect(await db.select().from(sales).where(eq(sales.carId, carId))).toHaveLength(1);
  });

  test("makes a commit that arrives after the failure was reported ineffective", async () => {
    const { carId, book, context } = await stage();
    let late: (() => Promise<D1Result[]>) | undefined;
    const writer = writerOf(
      carId,
      databaseWith((batch, index) => {
        if (index !== 2) return batch();
        late = batch;
        return Promise.reject(new Error(LOST));
      }),
    );
    expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
    await expect(late?.()).rejects.toThrow("fenced");
    expect(await bookingsOf(carId)).toHaveLength(1);
  });

  test("during a load refuses the callers, and the next command loads again", async () => {
    const { book, context, writer } = await failing(LOST, 1);
    expect(await writer.execute(book(), context)).toEqual(UNAVAILABLE);
    expect(await writer.execute(book(), context)).toMatchObject({ ok: true });
  });
});

describe("five hundred bookings of one slot", () => {
  test("that are concurrent cost one commit: one succeeds and the others are answered from memory", async () => {
    const { carId, book, context } = await stage();
    const counted = countingDatabase();
    const writer = writerOf(carId, counted.d1);
    const outcomes = await Promise.all(Array.from({ length: 500 }, () => writer.execute(book(), context)));
    expect(codes(outcomes)).toEqual({ ok: 1, slot_taken: 499 });
    // One to load, one to book.
    expect(counted.batches).toBe(2);
    expect(await bookingsOf(carId)).toHaveLength(1);
  });

  test("through the API get one 201 and 499 times 409, with one row, one load and two notifications", async () => {
    const { carId, token } = await stage();
    const json = { car: carId, start_at: iso(slot(2)) };
    const answers = await Promise.all(
      Array.from({ length: 500 }, () => call("POST", "/api/bookings/", { token, json })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(499);
    const [row, ...others] = await bookingsOf(carId);
    expect(others).toEqual([]);
    expect(await db.select().from(calendars).where(eq(calendars.carId, carId))).toEqual([
      { carId, epoch: 1 },
    ]);
    const notified = await db
      .select()
      .from(notifications)
      .where(eq(notifications.bookingId, row?.id ?? ""));
    expect(notified).toHaveLength(2);
  });
});

describe("more commands than the queue of a car can hold", () => {
  test("are refused immediately, and those that wait are served", async () => {
    const CAPACITY = 100;
    const [carId, { caller }] = [await car(), await person("SALES")];
    const decisionContext = () => ({ carId, now: Date.now(), newId: crypto.randomUUID() });
    const writer = new CarWriter(storeOf(carId), decisionContext, () => {}, CAPACITY);
    const finished: string[] = [];
    const reserve: Command = { type: "set_status", to: "RESERVED" };
    const outcomes = await Promise.all(
      Array.from({ length: CAPACITY * 2 }, async () => {
        const outcome = await writer.execute(reserve, { caller });
        finished.push(outcome.ok ? "ok" : outcome.refusal.code);
        return outcome;
      }),
    );
    const counts = codes(outcomes);
    expect(Object.keys(counts).sort()).toEqual(["busy", "ok"]);
    expect(counts["ok"]).toBeGreaterThanOrEqual(CAPACITY);
    // None of the refused waited for the queue to empty.
    expect(finished.lastIndexOf("busy")).toBeLessThan(finished.length - CAPACITY / 2);
  });

  test("get 503 with Retry-After", async () => {
    const { carId, token } = await stage();
    const full = { execute: async () => ({ ok: false, refusal: { code: "busy" } }) };
    const CAR_COORDINATOR = { getByName: () => full } as unknown as Env["CAR_COORDINATOR"];
    const request = new Request("http://dealership.test/api/bookings/", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ car: carId, start_at: iso(slot(2)) }),
    });
    const refused = await answer(Promise.resolve(createApp().fetch(request, { ...env, CAR_COORDINATOR })));
    expect([refused.status, refused.body.code]).toEqual([503, "busy"]);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
  });
});

test("the Idempotency-Key is committed with the booking: a batch that fails writes neither", async () => {
  const { carId, book, context } = await stage();
  const key = { id: crypto.randomUUID(), fingerprint: "f" };
  const keyed = { ...context, idempotency: { key } };
  const keys = () => db.select().from(idempotencyKeys).where(eq(idempotencyKeys.id, key.id));
  const lost = await writerOf(carId).execute({ ...book(), customerId: "nobody" } as Command, keyed);
  expect(lost).toEqual({ ok: false, refusal: { code: "unavailable" } });
  expect(await keys()).toEqual([]);
  expect(await writerOf(carId).execute(book(), keyed)).toMatchObject({ ok: true });
  expect(await keys()).toHaveLength(1);
  expect(await writerOf(carId).execute(book(slot(3)), keyed)).toEqual({
    ok: false,
    refusal: { code: "duplicate_request" },
  });
  expect(await bookingsOf(carId)).toHaveLength(1);
});

describe("the changes of a customer", () => {
  /** The middle of an hour, so that the whole test is in one. */
  const NOW = Math.floor(Date.now() / 3_600_000) * 3_600_000 + 1_800_000;
  const counting = (carId: string) =>
    new CarWriter(
      storeOf(carId, env.DB, { limitChanges: true }),
      () => ({ carId, now: NOW, newId: crypto.randomUUID() }),
      () => {},
    );
  const book = (customerId: string, startAt: number): Command => ({
    type: "book",
    customerId,
    startAt,
    notes: "",
  });

  test("are twenty an hour, moves and cancellations included, and no more on another car", async () => {
    const [customer, staff] = [await person(), await person("SALES")];
    const [writer, other] = [counting(await car()), counting(await car())];
    const context = { caller: customer.caller };
    const booked = await writer.execute(book(customer.id, slot(20)), context);
    if (!booked.ok || !booked.booking) throw new Error("not booked");
    const move = (by: typeof customer, at: number) =>
      writer.execute(
        { type: "reschedule", bookingId: booked.booking?.id ?? "", startAt: at, confirmed: false },
        { caller: by.caller },
      );
    for (let n = 1; n < MAX_CHANGES_PER_HOUR; n += 1)
      expect((await move(customer, slot(20 + n))).ok, `move ${n}`).toBe(true);
    const refusal = { code: "too_many_changes", retryAfter: 1800 };
    expect(await move(customer, slot(50))).toEqual({ ok: false, refusal });
    expect(await other.execute(book(customer.id, slot(51)), context)).toEqual({ ok: false, refusal });
    const cancel: Command = { type: "transition", bookingId: booked.booking.id, to: "CANCELLED" };
    expect(await writer.execute(cancel, context)).toEqual({ ok: false, refusal });
    // Staff are not limited, and their change does not count for the customer.
    expect((await move(staff, slot(52))).ok).toBe(true);
    const another = await person();
    expect((await other.execute(book(another.id, slot(51)), { caller: another.caller })).ok).toBe(true);
  });

  test("that are refused do not count", async () => {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const writer = counting(carId);
    expect((await writer.execute(book(staff.id, slot(60)), { caller: staff.caller })).ok).toBe(true);
    const refused = await writer.execute(book(customer.id, slot(60)), { caller: customer.caller });
    expect(refused.ok).toBe(false);
    expect(await db.select().from(bookingChanges).where(eq(bookingChanges.customerId, customer.id))).toEqual(
      [],
    );
  });
});
