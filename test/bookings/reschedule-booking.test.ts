import { and, eq, inArray } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookingSchema } from "../../src/bookings/schemas.ts";
import { bookings, notifications } from "../../src/db/schema.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

type Status = typeof bookings.$inferSelect.status;

const move = (token: string | undefined, id: string, startAt: number) =>
  answer(call("PATCH", `/api/bookings/${id}/reschedule/`, { token, json: { start_at: iso(startAt) } }));

/** A customer with a booking in two days at the first hour. */
async function booked(status: Status = "PENDING", startAt = slot(2)) {
  const [customer, carId] = [await person(), await car()];
  const id = await booking({ carId, customerId: customer.id, startAt, status });
  return { customer, carId, id, startAt };
}

const freeStarts = async (carId: string, startAt: number): Promise<number[]> => {
  const date = iso(startAt).slice(0, 10);
  const { body } = await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`));
  return body.map((free: { start_at: string }) => Date.parse(free.start_at));
};

describe("rescheduling a test drive", () => {
  test("by the customer makes an approved one PENDING again, and frees the old slot immediately", async () => {
    const { customer, carId, id, startAt } = await booked("APPROVED");
    const moved = await move(customer.token, id, slot(2, 3));
    expect(moved.status).toBe(200);
    expect(moved.headers.get("X-D1-Bookmark")).toBeTruthy();
    expect(bookingSchema.parse(moved.body)).toMatchObject({
      id,
      status: "PENDING",
      start_at: iso(slot(2, 3)).replace(".000", ""),
      end_at: iso(slot(2, 4)).replace(".000", ""),
    });
    const free = await freeStarts(carId, startAt);
    expect(free).toContain(startAt);
    expect(free).not.toContain(slot(2, 3));
  });

  test("by staff keeps an approved one APPROVED", async () => {
    const [{ id }, staff] = [await booked("APPROVED"), await person("SALES")];
    expect((await move(staff.token, id, slot(2, 1))).body.status).toBe("APPROVED");
  });

  test("writes the notifications to the customer and the staff in the same commit", async () => {
    const { customer, id } = await booked();
    await move(customer.token, id, slot(3));
    const notified = await db.select().from(notifications).where(eq(notifications.bookingId, id));
    expect(notified.map(({ kind }) => kind).sort()).toEqual(["booking_rescheduled", "staff_booking"]);
  });

  test("to a taken slot fails, keeps the old slot, and offers free slots", async () => {
    const { customer, carId, id, startAt } = await booked();
    const other = await person();
    await booking({ carId, customerId: other.id, startAt: slot(2, 1), status: "APPROVED" });
    const refused = await move(customer.token, id, slot(2, 1));
    expect([refused.status, refused.body.code]).toEqual([409, "slot_taken"]);
    expect(refused.body.alternatives).toHaveLength(3);
    expect(await db.select().from(bookings).where(eq(bookings.id, id)).get()).toMatchObject({
      startAt,
      status: "PENDING",
    });
  });

  test("moves the booking once when the request is repeated after a lost answer", async () => {
    const { customer, id } = await booked();
    const [first, second] = [
      await move(customer.token, id, slot(2, 2)),
      await move(customer.token, id, slot(2, 2)),
    ];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toEqual(first.body);
    expect((await db.select().from(bookings).where(eq(bookings.id, id)).get())?.sequence).toBe(1);
  });

  test("of twenty bookings to the same free slot moves one, and the others keep their slots", async () => {
    const carId = await car();
    const own = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const customer = await person();
        const startAt = slot(2 + Math.floor(index / 8), index % 8);
        return {
          customer,
          id: await booking({ carId, customerId: customer.id, startAt, status: "PENDING" }),
        };
      }),
    );
    const answers = await Promise.all(own.map(({ customer, id }) => move(customer.token, id, slot(6))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)]);
    const active = await db
      .select()
      .from(bookings)
      .where(and(eq(bookings.carId, carId), inArray(bookings.status, ["PENDING", "APPROVED"])));
    expect(active).toHaveLength(20);
    expect(new Set(active.map(({ startAt }) => startAt)).size).toBe(20);
  });

  test.each<Status>(["DECLINED", "CANCELLED", "COMPLETED", "NO_SHOW"])(
    "does not move a booking that is %s",
    async (status) => {
      const { customer, id } = await booked(status);
      const refused = await move(customer.token, id, slot(3));
      expect([refused.status, refused.body.code]).toEqual([409, "illegal_transition"]);
    },
  );

  test("does not move a booking that is over, for anybody, and moves one that is under way", async () => {
    const staff = await person("SALES");
    const { customer, id } = await booked("APPROVED", slot(-1));
    for (const { token } of [customer, staff]) {
      const refused = await move(token, id, slot(3));
      expect([refused.status, refused.body.code]).toEqual([409, "too_late"]);
    }
    const begun = await booked("APPROVED", Date.now() - 59 * 60_000);
    expect((await move(begun.customer.token, begun.id, slot(3))).status).toBe(200);
  });

  test("of another customer's booking gets 404, and an anonymous caller gets 401", async () => {
    const [{ id }, other] = [await booked(), await person()];
    expect((await move(other.token, id, slot(3))).status).toBe(404);
    expect((await move(undefined, id, slot(3))).status).toBe(401);
    expect((await move(other.token, "abc", slot(3))).status).toBe(404);
  });

  test.each([
    [{ start_at: iso(slot(-2)) }, "start_at", "in_the_past"],
    [{ start_at: iso(slot(367)) }, "start_at", "too_far_ahead"],
    [{ start_at: iso(slot(2) + 60_000) }, "start_at", "not_a_slot"],
    [{ start_at: "2026-02-30T09:00" }, "start_at", "invalid_instant"],
    [{ start_at: 5 }, "start_at", "invalid_type"],
    [{}, "start_at", "required"],
    [{ start_at: iso(slot(3)), status: "APPROVED" }, "status", "unknown_field"],
  ])("to %j is refused with the field named", async (json, field, code) => {
    const { customer, id } = await booked();
    const refused = await answer(
      call("PATCH", `/api/bookings/${id}/reschedule/`, { token: customer.token, json }),
    );
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ field, code }]);
  });
});

describe("the staff's list of bookings", () => {
  const list = async (query: string) => {
    const staff = await person("SALES");
    const page = await answer(call("GET", `/api/bookings/${query}`, { token: staff.token }));
    return { ...page, ids: page.body.results?.map((row: { id: string }) => row.id) };
  };

  test("can be filtered by car, customer, status and local day, newest start first", async () => {
    const { customer, carId, id } = await booked("APPROVED", slot(5, 7));
    const earlier = await booking({ carId, customerId: customer.id, startAt: slot(5), status: "CANCELLED" });
    const nextDay = await booking({ carId, customerId: customer.id, startAt: slot(6), status: "PENDING" });
    const date = iso(slot(5)).slice(0, 10);
    expect((await list(`?car=${carId}`)).ids).toEqual([nextDay, id, earlier]);
    expect((await list(`?customer=${customer.id}&status=PENDING`)).ids).toEqual([nextDay]);
    expect((await list(`?car=${carId}&date=${date}`)).ids).toEqual([id, earlier]);
    expect((await list(`?car=${carId}&date=${date}&status=APPROVED`)).ids).toEqual([id]);
    expect((await list(`?car=${crypto.randomUUID()}`)).body).toMatchObject({ count: 0, results: [] });
  });

  test("has each booking on exactly one page, also when many start together", async () => {
    const customer = await person();
    const ids = await Promise.all(
      Array.from({ length: 7 }, async () =>
        booking({ carId: await car(), customerId: customer.id, startAt: slot(4), status: "DECLINED" }),
      ),
    );
    const pages = await Promise.all(
      [1, 2, 3].map((page) => list(`?customer=${customer.id}&page_size=3&page=${page}`)),
    );
    expect(pages.flatMap((page) => page.ids).sort()).toEqual(ids.sort());
    expect((await list(`?customer=${customer.id}&page_size=3&page=4`)).status).toBe(404);
  });

  test.each([
    ["?status=MAYBE", "status"],
    ["?car=7", "car"],
    ["?customer=", "customer"],
    ["?date=2026-02-30", "date"],
    ["?day=2026-02-01", "day"],
    ["?page=0", "page"],
  ])("refuses the query %s with the parameter named", async (query, field) => {
    const refused = await list(query);
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0].field).toBe(field);
  });

  test("is forbidden for customers", async () => {
    const customer = await person();
    expect((await call("GET", "/api/bookings/", { token: customer.token })).status).toBe(403);
    expect((await call("GET", "/api/bookings/")).status).toBe(401);
  });
});

describe("the free slots of several days", () => {
  test("are the slots of each day, in one answer", async () => {
    const { carId } = await booked("PENDING", slot(5, 2));
    const [from, to] = [iso(slot(4)).slice(0, 10), iso(slot(6)).slice(0, 10)];
    const { status, body } = await answer(
      call("GET", `/api/cars/${carId}/available-slots/?from=${from}&to=${to}`),
    );
    expect(status).toBe(200);
    const starts = body.map((free: { start_at: string }) => Date.parse(free.start_at));
    expect(starts).toHaveLength(23);
    expect(starts).toEqual(starts.toSorted((a: number, b: number) => a - b));
    expect(starts).not.toContain(slot(5, 2));
  });

  test.each([
    ["?from=2026-12-01&to=2026-12-31", 200],
    ["?from=9999-12-31&to=9999-12-31", 200],
    ["?date=9999-12-31", 200],
  ])("get %2$d for the query %1$s", async (query, status) => {
    expect((await call("GET", `/api/cars/${await car()}/available-slots/${query}`)).status).toBe(status);
  });

  test.each([
    ["?from=2026-12-01&to=2027-01-01", "to"],
    ["?from=2026-12-02&to=2026-12-01", "to"],
    ["?from=2026-12-01", "to"],
    ["?to=2026-12-01", "from"],
    ["?date=2026-12-01&from=2026-12-01&to=2026-12-02", "date"],
    ["?date=2026-12-01&to=2026-12-02", "date"],
    ["?from=2026-02-30&to=2026-03-01", "from"],
    ["?from=2026-12-01&to=x", "to"],
  ])("are refused for the query %s with the parameter named", async (query, field) => {
    const refused = await answer(call("GET", `/api/cars/${await car()}/available-slots/${query}`));
    expect(refused.status).toBe(400);
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });
});
