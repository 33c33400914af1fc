/** Staff who book for a customer who rang up or walked in. */
import { and, eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookings, notifications } from "../../src/db/schema.ts";
import { openShowroom, salesperson } from "../support/showroom.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");
const seller = await person("SALES");

const book = (json: object, token = seller.token, headers: Record<string, string> = {}) =>
  answer(call("POST", "/api/bookings/", { token, json, headers }));
const bookingsOf = (customerId: string) =>
  db.select().from(bookings).where(eq(bookings.customerId, customerId));

describe("staff who book for a customer", () => {
  test("get an approved booking of that customer, who reads that it is confirmed", async () => {
    const customer = await person();
    const json = { car: await car(), start_at: iso(slot(3)), customer: customer.id, notes: "Rang up" };
    const { status, body, headers } = await book(json);
    expect([status, headers.get("Location")?.endsWith(`/api/bookings/${body.id}/`)]).toEqual([201, true]);
    expect(body).toMatchObject({
      customer: customer.id,
      status: "APPROVED",
      source: "STAFF",
      notes: "Rang up",
      salesperson: null,
    });
    const about = and(eq(notifications.bookingId, body.id), eq(notifications.userId, customer.id));
    expect(await db.select().from(notifications).where(about)).toMatchObject([{ kind: "booking_approved" }]);
    const { body: mine } = await answer(call("GET", "/api/bookings/me/", { token: customer.token }));
    expect(mine.results).toMatchObject([{ id: body.id }]);
  });

  test("book within the lead time and beyond the horizon, but never at a time that is no slot", async () => {
    const room = await openShowroom(admin, { assignment: "NONE", lead_minutes: 20_000, horizon_days: 14 });
    const [carId, customer] = [await car({ showroomId: room }), await person()];
    const at = (start: number) => ({ car: carId, start_at: iso(start), customer: customer.id });
    expect((await book(at(slot(1)))).status).toBe(201);
    expect((await book(at(slot(30)))).status).toBe(201);
    expect((await book({ car: carId, start_at: iso(slot(1, 3)) }, customer.token)).status).toBe(400);
    expect((await book(at(slot(1) + 1))).body.errors).toMatchObject([{ code: "not_a_slot" }]);
    expect((await book(at(slot(-1)))).body.errors).toMatchObject([{ code: "in_the_past" }]);
  });

  test("are refused what is taken, by the car and by the customer, with alternatives that are free", async () => {
    const [customer, carId] = [await person(), await car()];
    const at = (id: string, start: number) => ({ car: id, start_at: iso(start), customer: customer.id });
    expect((await book(at(carId, slot(3)))).status).toBe(201);
    const taken = await book({ ...at(carId, slot(3)), customer: (await person()).id });
    expect([taken.status, taken.body.code]).toEqual([409, "slot_taken"]);
    const busy = await book(at(await car(), slot(3)));
    expect([busy.status, busy.body.code, busy.body.alternatives.length]).toEqual([409, "customer_busy", 3]);
    expect((await book(at(carId, Date.parse(busy.body.alternatives[0].start_at)))).status).toBe(201);
  });

  test("may say who drives along; otherwise the showroom's order decides", async () => {
    const room = await openShowroom(admin);
    const [first, second] = [await salesperson(admin, room), await person("SALES")];
    const json = async (start: number) => ({
      car: await car({ showroomId: room }),
      start_at: iso(start),
      customer: (await person()).id,
    });
    const fair = await book(await json(slot(3)));
    expect(fair.body).toMatchObject({ salesperson: first.id, assigned_by: "AUTO" });
    const named = await book({ ...(await json(slot(3))), salesperson: second.id });
    expect(named.body).toMatchObject({ salesperson: second.id, assigned_by: "STAFF" });
    const busy = await book({ ...(await json(slot(3))), salesperson: second.id });
    expect([busy.status, busy.body.code]).toEqual([409, "salesperson_busy"]);
  });

  test("have one effect for one key, also at once", async () => {
    const customer = await person();
    const json = { car: await car(), start_at: iso(slot(3)), customer: customer.id };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const answers = await Promise.all([1, 2, 3].map(() => book(json, seller.token, headers)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(await bookingsOf(customer.id)).toHaveLength(1);
  });

  test.each([
    ["no customer", { customer: undefined }, "customer", "required"],
    ["a customer who does not exist", { customer: crypto.randomUUID() }, "customer", "unknown"],
    ["a colleague as the customer", { customer: admin.id }, "customer", "unknown"],
    [
      "a salesperson who does not exist",
      { salesperson: crypto.randomUUID() },
      "salesperson",
      "not_active_staff",
    ],
    ["a start that does not exist", { start_at: "2030-02-30T10:00" }, "start_at", "invalid_instant"],
  ])("are refused for %s, and nothing is written", async (_, wrong, field, code) => {
    const customer = await person();
    const json = { car: await car(), start_at: iso(slot(3)), customer: customer.id, ...wrong };
    const { status, body } = await book(json);
    expect([status, body.errors]).toMatchObject([400, [{ field, code }]]);
    expect(await bookingsOf(customer.id)).toEqual([]);
  });

  test("are refused for a deactivated customer and an unknown car", async () => {
    const gone = await person("CUSTOMER", { isActive: false });
    const json = { car: await car(), start_at: iso(slot(3)), customer: gone.id };
    expect((await book(json)).body.errors).toMatchObject([{ field: "customer", code: "unknown" }]);
    const nowhere = { ...json, car: crypto.randomUUID(), customer: (await person()).id };
    expect([(await book(nowhere)).status]).toEqual([404]);
  });
});

test("a customer can book neither for another one nor choose who drives along", async () => {
  const [customer, other] = [await person(), await person()];
  const json = { car: await car(), start_at: iso(slot(3)) };
  for (const more of [{ customer: other.id }, { customer: customer.id }, { salesperson: seller.id }]) {
    const { status, body } = await book({ ...json, ...more }, customer.token);
    expect([status, body.errors]).toMatchObject([400, [{ code: "only_for_staff" }]]);
  }
});
