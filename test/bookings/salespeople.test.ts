/** Salespeople of test drives: chosen in the batch that books, in a fair order, never in two cars at once. */
import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import type { Booking } from "../../src/bookings/booking.ts";
import { insertBooking } from "../../src/bookings/store.ts";
import { allocations, bookings, driveShares, idempotencyKeys, notifications } from "../../src/db/schema.ts";
import { DAY_MS } from "../../src/shared/showroom-time.ts";
import { daily, openShowroom, salesperson, work } from "../support/showroom.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const ABSENCE_ROUNDS = Number(env.ABSENCE_ROUNDS ?? "25");
const CROWD = Number(env.CROWD ?? "120");

const admin = await person("ADMIN");

const book = (token: string, carId: string, at: number, headers: Record<string, string> = {}) =>
  answer(call("POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(at) }, headers }));
const bookAs = async (carId: string, at: number) => book((await person()).token, carId, at);
const assign = (id: string, who: string | null) =>
  answer(call("PATCH", `/api/bookings/${id}/assign/`, { token: admin.token, json: { salesperson: who } }));
const move = (token: string, id: string, at: number) =>
  answer(call("PATCH", `/api/bookings/${id}/reschedule/`, { token, json: { start_at: iso(at) } }));
const slotsOf = async (carId: string, day: number): Promise<string[]> => {
  const date = iso(slot(day)).slice(0, 10);
  const { body } = await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`));
  return body.map(({ start_at }: { start_at: string }) => iso(Date.parse(start_at)));
};
const rowOf = async (id: string) => (await db.select().from(bookings).where(eq(bookings.id, id)))[0];
const mailsAbout = (id: string) =>
  db
    .select()
    .from(notifications)
    .where(and(eq(notifications.bookingId, id), eq(notifications.kind, "staff_booking")))
    .orderBy(notifications.id);

describe("a booking in a showroom that assigns salespeople", () => {
  test("gets somebody who is in shift, is stored with them, and is answered and repeated with them", async () => {
    const room = await openShowroom(admin);
    const [sam, early] = [await salesperson(admin, room), await person("SALES")];
    await work(admin, early, daily(room, "09:00", "10:00"));
    const [customer, carId] = [await person(), await car({ showroomId: room })];
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const booked = await book(customer.token, carId, slot(3, 4), headers);
    expect(booked.body).toMatchObject({ salesperson: sam.id, assigned_by: "AUTO", showroom: room });
    const repeated = await book(customer.token, carId, slot(3, 4), headers);
    expect(repeated.headers.get("Idempotency-Replayed")).toBe("true");
    expect(repeated.body).toEqual(booked.body);
    expect(
      await db
        .select()
        .from(idempotencyKeys)
        .where(eq(idempotencyKeys.body, JSON.stringify(booked.body))),
    ).toHaveLength(1);
    expect(await rowOf(booked.body.id)).toMatchObject({ salespersonId: sam.id, assignedBy: "AUTO" });
    // What memory answers next is what was committed.
    const approved = await answer(
      call("PATCH", `/api/bookings/${booked.body.id}/approve/`, { token: sam.token }),
    );
    expect(approved.body).toMatchObject({ status: "APPROVED", salesperson: sam.id });
  });

  test("is refused while nobody is free, with alternatives that can be booked", async () => {
    const room = await openShowroom(admin);
    await salesperson(admin, room);
    const [first, second] = [await car({ showroomId: room }), await car({ showroomId: room })];
    expect((await bookAs(first, slot(3, 2))).status).toBe(201);
    expect(await slotsOf(second, 3)).not.toContain(iso(slot(3, 2)));
    const refused = await bookAs(second, slot(3, 2));
    expect([refused.status, refused.body.code]).toEqual([409, "no_salesperson_free"]);
    expect(refused.body.alternatives).toHaveLength(3);
    for (const { start_at } of refused.body.alternatives)
      expect((await bookAs(second, Date.parse(start_at))).status).toBe(201);
  });

  test("leaves the buffers of its salesperson free, and not those of its customer", async () => {
    const room = await openShowroom(admin, { buffer_after_minutes: 30 });
    await salesperson(admin, room);
    const [first, second] = [await car({ showroomId: room }), await car({ showroomId: room })];
    expect((await bookAs(first, slot(3, 2))).status).toBe(201);
    expect((await bookAs(second, slot(3, 3))).body.code).toBe("no_salesperson_free");
    expect(await slotsOf(second, 3)).not.toContain(iso(slot(3, 3)));
    expect((await bookAs(second, slot(3, 4))).status).toBe(201);
  });

  test("is refused out of all shifts, and such slots are not offered", async () => {
    const room = await openShowroom(admin);
    await work(admin, await person("SALES"), daily(room, "09:30", "12:00"));
    const carId = await car({ showroomId: room });
    expect(await slotsOf(carId, 3)).toEqual([iso(slot(3, 1)), iso(slot(3, 2))]);
    expect((await bookAs(carId, slot(3, 0))).body.code).toBe("no_salesperson_free");
    expect((await bookAs(carId, slot(3, 3))).body.code).toBe("no_salesperson_free");
    expect((await bookAs(carId, slot(3, 1))).status).toBe(201);
  });

  test("has no salesperson where the showroom assigns none", async () => {
    const booked = await bookAs(await car(), slot(3));
    expect(booked.body).toMatchObject({ salesperson: null, assigned_by: null });
  });

  test(`is one of exactly three, when ${CROWD} people want the same hour of five cars and three salespeople`, async () => {
    const room = await openShowroom(admin);
    const people = [];
    for (let n = 0; n < 3; n += 1) people.push((await salesperson(admin, room)).id);
    const cars: string[] = [];
    for (let n = 0; n < 5; n += 1) cars.push(await car({ showroomId: room }));
    const customers = [];
    for (let n = 0; n < CROWD; n += 1) customers.push(await person());
    const answers = await Promise.all(
      customers.map(({ token }, n) => book(token, cars[n % 5] ?? "", slot(4, 1))),
    );
    const won = answers.filter(({ status }) => status === 201);
    expect(won.map(({ body }) => body.salesperson).sort()).toEqual(people.sort());
    const lost = answers.filter(({ status }) => status !== 201);
    expect(new Set(lost.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(["409 no_salesperson_free", "409 slot_taken"]),
    );
    const one = lost.findIndex(({ body }) => body.code === "no_salesperson_free");
    const { alternatives } = lost[one]?.body ?? {};
    const which = answers.indexOf(lost[one] as (typeof answers)[number]);
    const { token } = customers[which] ?? (await person());
    expect((await book(token, cars[which % 5] ?? "", Date.parse(alternatives[0].start_at))).status).toBe(201);
  });

  test("tells the salesperson, with the showroom's address for what has none", async () => {
    const room = await openShowroom(admin, {}, { email: "mitte@example.com" });
    const sam = await salesperson(admin, room);
    const booked = await bookAs(await car({ showroomId: room }), slot(3));
    expect(await mailsAbout(booked.body.id)).toMatchObject([{ recipient: sam.email, userId: sam.id }]);
    const manual = await openShowroom(admin, { assignment: "NONE" }, { email: "mitte@example.com" });
    const other = await bookAs(await car({ showroomId: manual }), slot(3));
    expect(await mailsAbout(other.body.id)).toMatchObject([{ recipient: "mitte@example.com", userId: null }]);
  });
});

describe("a moved booking", () => {
  test("keeps its salesperson when they are free then, and else gets another one", async () => {
    const room = await openShowroom(admin);
    await salesperson(admin, room);
    await salesperson(admin, room);
    const [carId, other] = [await car({ showroomId: room }), await car({ showroomId: room })];
    const customer = await person();
    const { body } = await book(customer.token, carId, slot(3, 0));
    const kept = await move(customer.token, body.id, slot(3, 1));
    expect(kept.body).toMatchObject({ salesperson: body.salesperson, assigned_by: "AUTO" });
    const taken = (await bookAs(other, slot(3, 5))).body;
    if (taken.salesperson !== body.salesperson) await assign(taken.id, body.salesperson);
    const moved = await move(customer.token, body.id, slot(3, 5));
    expect(moved.status).toBe(200);
    expect(moved.body.salesperson).not.toBe(body.salesperson);
    const refused = await bookAs(await car({ showroomId: room }), slot(3, 5));
    expect(refused.body.code).toBe("no_salesperson_free");
    const still = await move((await person("SALES")).token, moved.body.id, slot(3, 0));
    expect(still.body.salesperson).toBe(moved.body.salesperson);
  });

  test("is refused when nobody is free then, and stays as it was", async () => {
    const room = await openShowroom(admin);
    await salesperson(admin, room);
    const customer = await person();
    const { body } = await book(customer.token, await car({ showroomId: room }), slot(3, 0));
    await bookAs(await car({ showroomId: room }), slot(3, 5));
    const refused = await move(customer.token, body.id, slot(3, 5));
    expect([refused.status, refused.body.code]).toEqual([409, "no_salesperson_free"]);
    expect(await rowOf(body.id)).toMatchObject({ startAt: slot(3, 0), salespersonId: body.salesperson });
  });

  test("is unassigned where the showroom assigns none and its salesperson is not free then", async () => {
    const sam = await person("SALES");
    const [one, other] = [await bookAs(await car(), slot(3, 0)), await bookAs(await car(), slot(3, 5))];
    for (const { body } of [one, other]) expect((await assign(body.id, sam.id)).status).toBe(200);
    const moved = await move(sam.token, one.body.id, slot(3, 5));
    expect(moved.body).toMatchObject({ salesperson: null, assigned_by: null });
  });
});

describe("staff who say who drives along", () => {
  test("may name anybody active, out of their shifts too, by the id of user or profile, and nobody again", async () => {
    const sue = await person("SALES");
    const { body } = await bookAs(await car(), slot(3, 2));
    const { body: profile } = await answer(call("GET", `/api/staff/${sue.id}/`, { token: admin.token }));
    const assigned = await assign(body.id, profile.id);
    expect(assigned.body).toMatchObject({ salesperson: sue.id, assigned_by: "STAFF" });
    expect((await assign(body.id, sue.id)).body).toEqual(assigned.body);
    const path = `/api/bookings/?salesperson=${sue.id}`;
    const { body: list } = await answer(call("GET", path, { token: sue.token }));
    expect(list.results).toMatchObject([{ id: body.id }]);
    expect((await assign(body.id, null)).body).toMatchObject({ salesperson: null, assigned_by: null });
    const told = await mailsAbout(body.id);
    expect(
      told.map(({ recipient, facts }) => [recipient, (facts as { handover?: string }).handover]),
    ).toEqual([
      [env.EMAIL_STAFF, undefined],
      [sue.email, "given"],
      [env.EMAIL_STAFF, "given"],
      [sue.email, "taken"],
    ]);
  });

  test.each([
    ["who has another drive then", 409, "salesperson_busy"],
    ["who is absent then", 409, "salesperson_absent"],
    ["who is not active", 400, "invalid_request"],
    ["who is a customer", 400, "invalid_request"],
  ])("cannot name somebody %s", async (why, status, code) => {
    const inactive = why === "who is not active";
    const sue = await person(
      why === "who is a customer" ? "CUSTOMER" : "SALES",
      inactive ? { isActive: false } : {},
    );
    if (why === "who has another drive then")
      await assign((await bookAs(await car(), slot(3, 2))).body.id, sue.id);
    if (why === "who is absent then") {
      const json = { from: iso(slot(3, 2) - HOUR_MS), to: iso(slot(3, 2) + 1) };
      expect((await call("POST", `/api/staff/${sue.id}/absences/`, { token: sue.token, json })).status).toBe(
        201,
      );
    }
    const { body } = await bookAs(await car(), slot(3, 2));
    const refused = await assign(body.id, sue.id);
    expect([refused.status, refused.body.code]).toEqual([status, code]);
    expect(await rowOf(body.id)).toMatchObject({ salespersonId: null, sequence: 0 });
  });

  test("cannot leave a drive without anybody where the showroom assigns, nor change one that is over or cancelled", async () => {
    const room = await openShowroom(admin);
    await salesperson(admin, room);
    const { body } = await bookAs(await car({ showroomId: room }), slot(3));
    expect((await assign(body.id, null)).body.code).toBe("no_salesperson_free");
    await call("PATCH", `/api/bookings/${body.id}/cancel/`, { token: admin.token });
    expect((await assign(body.id, admin.id)).body.code).toBe("illegal_transition");
  });
});

describe("the fair order", () => {
  /** Books `count` drives of one showroom, each at a time of its own; returns how many each person got. */
  async function share(room: string, count: number, from = 0): Promise<Map<string, number>> {
    const [carId, customer] = [await car({ showroomId: room }), await person()];
    const people = (await db.select().from(driveShares).where(eq(driveShares.showroomId, room))).map(
      ({ userId }) => userId,
    );
    const got = new Map<string, number>();
    for (let n = 0; n < count; n += 1) {
      const startAt = Date.now() + (from + n + 1) * 2 * HOUR_MS;
      const row: Booking = {
        id: uuidv7(),
        carId,
        customerId: customer.id,
        startAt,
        endAt: startAt + HOUR_MS,
        status: "PENDING",
        notes: "",
        reason: "",
        handledBy: null,
        sequence: 0,
        createdAt: Date.now(),
        updatedAt: Date.now() + n,
        showroomId: room,
        localDate: null,
        footprintStartAt: null,
        footprintEndAt: null,
        heldUntil: null,
        salespersonId: null,
        assignedBy: null,
        source: "ONLINE",
      };
      const { sql, params } = insertBooking(row, people);
      const { results } = await env.DB.prepare(sql)
        .bind(...params)
        .all<{ salespersonId: string }>();
      const id = results[0]?.salespersonId ?? "";
      got.set(id, (got.get(id) ?? 0) + 1);
    }
    return got;
  }

  test("gives equal people equally many, and after 1,000 drives nobody is more than one from their share", async () => {
    const room = await openShowroom(admin);
    const people = [];
    for (let n = 0; n < 7; n += 1) people.push(await salesperson(admin, room));
    const got = await share(room, 1000);
    for (const { id } of people) expect(Math.abs((got.get(id) ?? 0) - 1000 / 7)).toBeLessThanOrEqual(1);
  });

  test("holds weights within one at every moment", async () => {
    const room = await openShowroom(admin);
    const weights = [100, 100, 50, 25, 300];
    const people = [];
    for (const weight of weights) people.push(await salesperson(admin, room, weight));
    const sum = weights.reduce((a, b) => a + b);
    const so = new Map<string, number>();
    for (let n = 0; n < 120; n += 10) {
      for (const [id, count] of await share(room, 10, n)) so.set(id, (so.get(id) ?? 0) + count);
      for (const [i, { id }] of people.entries())
        expect(Math.abs((so.get(id) ?? 0) - ((n + 10) * (weights[i] ?? 0)) / sum)).toBeLessThanOrEqual(1);
    }
  });

  test("begins a newcomer at the average: they do not get every drive", async () => {
    const room = await openShowroom(admin);
    for (let n = 0; n < 3; n += 1) await salesperson(admin, room);
    await share(room, 60);
    const newcomer = await salesperson(admin, room);
    const got = await share(room, 40, 60);
    expect(Math.abs((got.get(newcomer.id) ?? 0) - 10)).toBeLessThanOrEqual(1);
  });

  test("does not give somebody who comes back more than a few at once, and takes a cancelled drive back", async () => {
    const room = await openShowroom(admin);
    const [back] = [await salesperson(admin, room), await salesperson(admin, room)];
    await share(room, 10);
    // As after weeks without drives.
    await db.update(driveShares).set({ drives: 100 }).where(eq(driveShares.showroomId, room));
    const theirs = and(eq(driveShares.showroomId, room), eq(driveShares.userId, back?.id ?? ""));
    await db.update(driveShares).set({ drives: 10 }).where(theirs);
    const got = await share(room, 20, 10);
    expect(got.get(back?.id ?? "")).toBeLessThanOrEqual(13);
    const before = (await db.select().from(driveShares).where(theirs))[0]?.drives ?? 0;
    const [one] = await db
      .select()
      .from(bookings)
      .where(and(eq(bookings.showroomId, room), eq(bookings.salespersonId, back?.id ?? "")))
      .limit(1);
    await db
      .update(bookings)
      .set({ status: "CANCELLED", sequence: 1 })
      .where(eq(bookings.id, one?.id ?? ""));
    expect((await db.select().from(driveShares).where(theirs))[0]?.drives).toBeCloseTo(before - 1);
  });
});

describe("an absence and a booking at the same moment", () => {
  test(`never leave a drive with an absent person, in ${ABSENCE_ROUNDS} rounds`, async () => {
    const room = await openShowroom(admin);
    const sam = await salesperson(admin, room);
    const carId = await car({ showroomId: room });
    let won = 0;
    for (let round = 0; round < ABSENCE_ROUNDS; round += 1) {
      const at = slot(3 + Math.floor(round / 8), round % 8);
      const customer = await person();
      const json = { from: iso(at), to: iso(at + HOUR_MS) };
      const absent = () => call("POST", `/api/staff/${sam.id}/absences/`, { token: sam.token, json });
      const both = [() => book(customer.token, carId, at), absent];
      const [one, two] = await Promise.all((round % 2 ? both : both.toReversed()).map((each) => each()));
      const statuses = [one?.status, two?.status].sort();
      expect(statuses).toEqual([201, 409]);
      won += (await slotsOf(carId, 3 + Math.floor(round / 8))).includes(iso(at)) ? 1 : 0;
    }
    expect(won).toBe(0);
    const held = await db
      .select()
      .from(allocations)
      .where(and(eq(allocations.kind, "SALESPERSON"), eq(allocations.resourceId, sam.id)));
    for (const { startAt, endAt } of held) expect(endAt - startAt).toBeLessThanOrEqual(DAY_MS);
  });
});
