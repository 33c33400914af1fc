import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, eq, inArray } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { bookingSchema } from "../../src/bookings/schemas.ts";
import { bookings, cars, notifications, users } from "../../src/db/schema.ts";
import { writerOf } from "../support/faults.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const book = (
  token: string,
  carId: string,
  startAt: number,
  more: Record<string, unknown> = {},
  headers = {},
) =>
  answer(
    call("POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(startAt), ...more }, headers }),
  );

const activeBookings = (carId: string) =>
  db
    .select()
    .from(bookings)
    .where(and(eq(bookings.carId, carId), inArray(bookings.status, ["PENDING", "APPROVED"])));

describe("booking a test drive", () => {
  test("a customer books a free slot and finds it among their own", async () => {
    const [customer, carId] = [await person(), await car()];
    const made = await book(customer.token, carId, slot(2), { notes: "with a child seat" });
    expect(made.status).toBe(201);
    expect(bookingSchema.parse(made.body)).toMatchObject({
      car: carId,
      customer: customer.id,
      status: "PENDING",
      notes: "with a child seat",
    });
    expect(made.headers.get("Location")).toBe(`${env.PUBLIC_URL}/api/bookings/${made.body.id}/`);
    expect(made.headers.get("X-D1-Bookmark")).toBeTruthy();
    const mine = await answer(call("GET", "/api/bookings/me/", { token: customer.token }));
    expect(mine.body).toMatchObject({ count: 1, results: [made.body] });
  });

  test("one commit writes the booking and its notifications", async () => {
    const [customer, carId] = [await person(), await car()];
    const made = await book(customer.token, carId, slot(2));
    const notified = await db.select().from(notifications).where(eq(notifications.bookingId, made.body.id));
    expect(notified.map((row) => [row.kind, row.recipient]).sort()).toEqual([
      ["booking_received", customer.email],
      ["staff_booking", env.EMAIL_STAFF],
    ]);
  });

  test("a customer without an e-mail address can book, and only the staff is notified", async () => {
    const [customer, carId] = [await person("CUSTOMER", { email: null, emailKey: null }), await car()];
    const made = await book(customer.token, carId, slot(2));
    expect(made.status).toBe(201);
    const notified = await db.select().from(notifications).where(eq(notifications.bookingId, made.body.id));
    expect(notified.map((row) => row.kind)).toEqual(["staff_booking"]);
  });

  test("when fifty customers book one slot concurrently, exactly one gets it and the others are offered free slots", async () => {
    const [carId, customers] = [await car(), await Promise.all(Array.from({ length: 50 }, () => person()))];
    const answers = await Promise.all(customers.map(({ token }) => book(token, carId, slot(3))));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(49);
    for (const { body } of answers.filter(({ status }) => status === 409)) {
      expect(body.code).toBe("slot_taken");
      expect(body.alternatives).toHaveLength(3);
      expect(body.alternatives.map((free: { start_at: string }) => Date.parse(free.start_at))).not.toContain(
        slot(3),
      );
    }
    expect(await activeBookings(carId)).toHaveLength(1);
  });

  test("evicting the Durable Object while the customers book changes nothing", async () => {
    const [carId, customers] = [await car(), await Promise.all(Array.from({ length: 50 }, () => person()))];
    const stub = env.CAR_COORDINATOR.getByName(carId);
    const rush = customers.map(({ token }, index) => {
      const made = book(token, carId, slot(3));
      return index % 10 === 5 ? made.finally(() => evictDurableObject(stub).catch(() => {})) : made;
    });
    const statuses = (await Promise.all(rush)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(49);
    expect(await activeBookings(carId)).toHaveLength(1);
  });

  test.each(["cancel", "decline"])("a slot that %s frees is listed and can be booked again", async (verb) => {
    const [customer, other, staff, carId] = [
      await person(),
      await person(),
      await person("SALES"),
      await car(),
    ];
    const first = await book(customer.token, carId, slot(4));
    expect((await book(other.token, carId, slot(4))).status).toBe(409);
    const freed = await answer(
      call("PATCH", `/api/bookings/${first.body.id}/${verb}/`, { token: staff.token }),
    );
    expect(freed.status).toBe(200);
    const date = iso(slot(4)).slice(0, 10);
    const slots = await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`));
    expect(slots.body.map((free: { start_at: string }) => Date.parse(free.start_at))).toContain(slot(4));
    expect((await book(other.token, carId, slot(4))).status).toBe(201);
  });

  test("a sold or removed car cannot be booked, an unknown car is not found, and a reserved car can be booked", async () => {
    const customer = await person();
    const removed = await car({ status: "REMOVED" });
    expect((await book(customer.token, removed, slot(2))).body.code).toBe("car_not_bookable");
    expect((await book(customer.token, crypto.randomUUID(), slot(2))).body.code).toBe("car_not_found");
    expect((await book(customer.token, await car({ status: "RESERVED" }), slot(2))).status).toBe(201);
  });

  test.each([
    ["half past the hour", () => slot(2) + 30 * 60_000, "not_a_slot"],
    ["with seconds", () => slot(2) + 1000, "not_a_slot"],
    ["before opening", () => slot(2) - 3_600_000, "not_a_slot"],
    ["after the last start", () => slot(2, 7) + 3_600_000, "not_a_slot"],
    ["in the past", () => slot(-2), "in_the_past"],
    ["more than a year ahead", () => slot(367), "too_far_ahead"],
  ])("a start %s is refused with the field named", async (_, start, code) => {
    const [customer, carId] = [await person(), await car()];
    const refused = await book(customer.token, carId, start());
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toMatchObject([{ field: "start_at", code }]);
  });

  test.each([
    "2026-02-30T09:00:00Z",
    "99999-01-01T09:00:00Z",
    "2026-12-01",
    "tomorrow",
    "",
    "2026-12-01T25:00:00Z",
    "2026-12-01T09:00:00+99:00",
    "9999-12-31T23:00:00Z",
    "2026-12-01T09:00:00Z\u0000",
  ])("the start %j is refused with the field named", async (start_at) => {
    const [customer, carId] = [await person(), await car()];
    const refused = await answer(
      call("POST", "/api/bookings/", { token: customer.token, json: { car: carId, start_at } }),
    );
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0].field).toBe("start_at");
  });

  test("a start without an offset is the showroom's local time", async () => {
    const [customer, carId] = [await person(), await car()];
    const date = iso(slot(2)).slice(0, 10);
    const made = await answer(
      call("POST", "/api/bookings/", {
        token: customer.token,
        json: { car: carId, start_at: `${date}T09:00` },
      }),
    );
    expect(Date.parse(made.body.start_at)).toBe(slot(2));
  });

  test("staff cannot book for themselves, and anonymous callers get 401", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const { status, body } = await book(staff.token, carId, slot(2));
    expect([status, body.errors]).toMatchObject([400, [{ field: "customer", code: "required" }]]);
    const stranger = await answer(
      call("POST", "/api/bookings/", { json: { car: carId, start_at: iso(slot(2)) } }),
    );
    expect(stranger.status).toBe(401);
    expect(stranger.headers.get("WWW-Authenticate")).toContain("Bearer");
  });
});

describe("an Idempotency-Key", () => {
  test("gives the same request the same answer, and books once", async () => {
    const [customer, carId] = [await person(), await car()];
    const headers = { "Idempotency-Key": "once" };
    const first = await book(customer.token, carId, slot(2), {}, headers);
    const second = await book(customer.token, carId, slot(2), {}, headers);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get("Idempotency-Replayed")).toBe("true");
    expect(second.headers.get("Location")).toBe(first.headers.get("Location"));
    expect(await activeBookings(carId)).toHaveLength(1);
  });

  test("books once when twenty equal requests arrive concurrently", async () => {
    const [customer, carId] = [await person(), await car()];
    const headers = { "Idempotency-Key": "at once".replace(" ", "-") };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => book(customer.token, carId, slot(2), {}, headers)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await activeBookings(carId)).toHaveLength(1);
  });

  test("is refused for another request, and is separate for each caller", async () => {
    const [customer, other, carId] = [await person(), await person(), await car()];
    const headers = { "Idempotency-Key": "mine" };
    expect((await book(customer.token, carId, slot(2), {}, headers)).status).toBe(201);
    const reused = await book(customer.token, carId, slot(3), {}, headers);
    expect([reused.status, reused.body.code]).toEqual([422, "idempotency_key_reused"]);
    expect((await book(other.token, carId, slot(3), {}, headers)).status).toBe(201);
  });

  test("is refused when it is malformed", async () => {
    const [customer, carId] = [await person(), await car()];
    const refused = await book(customer.token, carId, slot(2), {}, { "Idempotency-Key": "x".repeat(256) });
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, "Idempotency-Key"]);
  });
});

describe("the status of a booking", () => {
  const ALLOWED: Record<string, string[]> = {
    PENDING: ["approve", "decline", "cancel"],
    APPROVED: ["complete", "no-show", "cancel"],
    DECLINED: [],
    CANCELLED: [],
    COMPLETED: [],
    NO_SHOW: [],
  };
  const VERBS = {
    approve: "APPROVED",
    decline: "DECLINED",
    complete: "COMPLETED",
    "no-show": "NO_SHOW",
    cancel: "CANCELLED",
  };

  test.each(
    Object.keys(ALLOWED).flatMap((from) =>
      Object.entries(VERBS).map(([verb, to]) => [from, verb, to] as const),
    ),
  )("in %s has the result of the contract for %s", async (from, verb, to) => {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const id = await booking({
      carId,
      customerId: customer.id,
      // Under way: begun, so that it can be completed, and not over, so that it can be cancelled.
      startAt: Date.now() - 60_000,
      status: from as typeof bookings.$inferSelect.status,
    });
    const result = await answer(call("PATCH", `/api/bookings/${id}/${verb}/`, { token: staff.token }));
    if (ALLOWED[from]?.includes(verb)) {
      expect(result.status).toBe(200);
      expect(bookingSchema.parse(result.body).status).toBe(to);
    } else {
      expect([result.status, result.body.code]).toEqual([409, "illegal_transition"]);
    }
  });

  test("the staff member who decides is on record, until another one decides", async () => {
    const [customer, first, second, carId] = [
      await person(),
      await person("SALES"),
      await person("SALES"),
      await car(),
    ];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(-1), status: "PENDING" });
    const handledBy = async () =>
      (await db.select().from(bookings).where(eq(bookings.id, id)).get())?.handledBy;
    expect(await handledBy()).toBeNull();
    await call("PATCH", `/api/bookings/${id}/approve/`, { token: first.token });
    expect(await handledBy()).toBe(first.id);
    await call("PATCH", `/api/bookings/${id}/complete/`, { token: second.token });
    expect(await handledBy()).toBe(second.id);
  });

  test.each(["complete", "no-show"])("cannot become that of %s before the drive begins", async (verb) => {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const startAt = Math.max(slot(0, 7), Date.now()) + 60_000;
    const id = await booking({ carId, customerId: customer.id, startAt, status: "APPROVED" });
    const refused = await answer(call("PATCH", `/api/bookings/${id}/${verb}/`, { token: staff.token }));
    expect([refused.status, refused.body.code]).toEqual([409, "too_early"]);
    expect(await db.select().from(bookings).where(eq(bookings.id, id)).get()).toMatchObject({
      status: "APPROVED",
      sequence: 0,
    });
  });

  test("cannot be cancelled by anybody once the drive is over, but staff can still complete or decline it", async () => {
    const [customer, staff, carId] = [await person(), await person("ADMIN"), await car()];
    const over = async (status: "PENDING" | "APPROVED", hour: number) => {
      const startAt = slot(-2, hour);
      return `/api/bookings/${await booking({ carId, customerId: customer.id, startAt, status })}/`;
    };
    const [asked, approved, missed] = [
      await over("PENDING", 0),
      await over("APPROVED", 1),
      await over("APPROVED", 2),
    ];
    for (const path of [asked, approved])
      for (const { token } of [customer, staff]) {
        const refused = await answer(call("PATCH", `${path}cancel/`, { token }));
        expect([refused.status, refused.body.code]).toEqual([409, "too_late"]);
      }
    const { token } = staff;
    expect((await answer(call("PATCH", `${asked}decline/`, { token }))).body.status).toBe("DECLINED");
    expect((await answer(call("PATCH", `${approved}complete/`, { token }))).body.status).toBe("COMPLETED");
    expect((await answer(call("PATCH", `${missed}no-show/`, { token }))).body.status).toBe("NO_SHOW");
  });

  test("can become APPROVED and then COMPLETED after an unanswered drive, without a mail that confirms it", async () => {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(-1), status: "PENDING" });
    for (const verb of ["approve", "complete"])
      expect((await call("PATCH", `/api/bookings/${id}/${verb}/`, { token: staff.token })).status).toBe(200);
    expect(await db.select().from(notifications).where(eq(notifications.bookingId, id))).toEqual([]);
  });

  test("can be cancelled by its customer, and by no other customer", async () => {
    const [customer, other, carId] = [await person(), await person(), await car()];
    const made = await book(customer.token, carId, slot(2));
    const path = `/api/bookings/${made.body.id}/`;
    const unknown = await answer(
      call("GET", `/api/bookings/${crypto.randomUUID()}/`, { token: other.token }),
    );
    const hidden = await answer(call("GET", path, { token: other.token }));
    expect([hidden.status, hidden.body.code, hidden.body.detail]).toEqual([
      404,
      unknown.body.code,
      unknown.body.detail,
    ]);
    expect((await call("PATCH", `${path}cancel/`, { token: other.token })).status).toBe(404);
    expect((await call("PATCH", `${path}approve/`, { token: customer.token })).status).toBe(403);
    const cancelled = await answer(call("PATCH", `${path}cancel/`, { token: customer.token }));
    expect([cancelled.status, cancelled.body.status]).toEqual([200, "CANCELLED"]);
  });

  test("is CANCELLED once when the customer cancels an approved booking, which frees the slot", async () => {
    const [customer, other, carId] = [await person(), await person(), await car()];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(2), status: "APPROVED" });
    const cancel = () => answer(call("PATCH", `/api/bookings/${id}/cancel/`, { token: customer.token }));
    expect((await cancel()).body.status).toBe("CANCELLED");
    expect([(await cancel()).status, (await cancel()).body.code]).toEqual([409, "illegal_transition"]);
    expect((await book(other.token, carId, slot(2))).status).toBe(201);
  });

  test("changes once, with one notification, in twenty concurrent approvals", async () => {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const made = await book(customer.token, carId, slot(2));
    const path = `/api/bookings/${made.body.id}/approve/`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => call("PATCH", path, { token: staff.token })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)]);
    const notified = await db.select().from(notifications).where(eq(notifications.bookingId, made.body.id));
    expect(notified.filter((row) => row.kind === "booking_approved")).toHaveLength(1);
  });
});

describe("the reason of a decline or a cancellation", () => {
  const REASON = "The car is in the workshop.\nAny day next week is fine 🚗";

  async function booked() {
    const [customer, staff, carId] = [await person(), await person("SALES"), await car()];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(2), status: "PENDING" });
    const path = `/api/bookings/${id}/`;
    const send = (verb: string, token: string, more: Parameters<typeof call>[2] = {}) =>
      answer(call("PATCH", `${path}${verb}/`, { token, ...more }));
    return { customer, staff, id, path, send };
  }

  const noticesOf = async (id: string) =>
    (await db.select().from(notifications).where(eq(notifications.bookingId, id)))
      .map(({ kind, recipient, facts }) => [kind, recipient, (facts as { by?: string }).by])
      .sort();

  test.each([
    ["decline", "booking_declined"],
    ["cancel", "booking_cancelled"],
  ])("by staff (%s) is on the booking, and reaches the customer", async (verb, kind) => {
    const { customer, staff, id, path, send } = await booked();
    const done = await send(verb, staff.token, { json: { reason: REASON } });
    expect([done.status, bookingSchema.parse(done.body).reason]).toEqual([200, REASON]);
    expect((await answer(call("GET", path, { token: customer.token }))).body.reason).toBe(REASON);
    const mine = await answer(call("GET", "/api/bookings/me/", { token: customer.token }));
    expect(mine.body.results[0].reason).toBe(REASON);
    expect(await noticesOf(id)).toEqual([[kind, customer.email, "staff"]]);
  });

  test("by the customer reaches staff", async () => {
    const { customer, id, send } = await booked();
    const done = await send("cancel", customer.token, { json: { reason: REASON } });
    expect([done.status, done.body.reason]).toEqual([200, REASON]);
    expect(await noticesOf(id)).toEqual([
      ["booking_cancelled", customer.email, "customer"],
      ["staff_booking", env.EMAIL_STAFF, "customer"],
    ]);
  });

  test.each<[string, Parameters<typeof call>[2]]>([
    ["no body", {}],
    ["an empty object", { json: {} }],
    ["a media type without a body", { headers: { "Content-Type": "application/json" } }],
    [
      "a media type of forms without a body",
      { headers: { "Content-Type": "application/x-www-form-urlencoded" } },
    ],
    ["an empty body", { body: "", headers: { "Content-Type": "application/json" } }],
    ["an empty reason", { json: { reason: "" } }],
  ])("may be missing: %s", async (_, more) => {
    for (const verb of ["decline", "cancel"]) {
      const { staff, send } = await booked();
      const done = await send(verb, staff.token, more);
      expect([done.status, done.body.reason]).toEqual([200, ""]);
    }
  });

  test("may have 500 characters", async () => {
    const { staff, send } = await booked();
    expect((await send("decline", staff.token, { json: { reason: "é".repeat(500) } })).status).toBe(200);
  });

  test.each<[string, Parameters<typeof call>[2], number, string | undefined]>([
    ["of 501 characters", { json: { reason: "x".repeat(501) } }, 400, "reason"],
    ["that is no text", { json: { reason: 5 } }, 400, "reason"],
    ["that turns the text around", { json: { reason: "a\u202eb" } }, 400, "reason"],
    ["with another member beside it", { json: { reason: "x", status: "APPROVED" } }, 400, "status"],
    ["in an array", { json: ["x"] }, 400, "(body)"],
    ["in broken JSON", { body: "{", headers: { "Content-Type": "application/json" } }, 400, undefined],
    ["in plain text", { body: "x", headers: { "Content-Type": "text/plain" } }, 415, undefined],
  ])("is refused %s, and nothing changes", async (_, more, status, field) => {
    for (const verb of ["decline", "cancel"]) {
      const { staff, id, send } = await booked();
      const refused = await send(verb, staff.token, more);
      expect([refused.status, refused.body.errors?.[0].field]).toEqual([status, field]);
      expect((await db.select().from(bookings).where(eq(bookings.id, id)).get())?.status).toBe("PENDING");
      expect(await noticesOf(id)).toEqual([]);
    }
  });

  test.each(["approve", "complete", "no-show"])("is refused by %s, which takes no body", async (verb) => {
    const { staff, id, send } = await booked();
    const refused = await send(verb, staff.token, { json: { reason: "x", note: "y" } });
    expect([refused.status, refused.body.errors]).toEqual([
      400,
      [
        { field: "reason", code: "unknown_field", message: "Unknown; allowed are none" },
        { field: "note", code: "unknown_field", message: "Unknown" },
      ],
    ]);
    for (const body of ["[]", "7", "null", "not JSON"]) {
      const odd = await send(verb, staff.token, { body });
      expect([odd.status, odd.body.errors[0].field]).toEqual([400, "(body)"]);
    }
    expect((await db.select().from(bookings).where(eq(bookings.id, id)).get())?.status).toBe("PENDING");
    // The status refuses two of them, and no more the body.
    expect((await send(verb, staff.token, { json: {} })).status).toBe(verb === "approve" ? 200 : 409);
  });
});

describe("the available slots", () => {
  test("are the eight slots of the day without those that are taken", async () => {
    const [customer, carId] = [await person(), await car()];
    const date = iso(slot(5)).slice(0, 10);
    const ask = () => answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`));
    expect((await ask()).body).toHaveLength(8);
    await book(customer.token, carId, slot(5, 2));
    const starts = (await ask()).body.map((free: { start_at: string }) => Date.parse(free.start_at));
    expect(starts).toEqual([0, 1, 3, 4, 5, 6, 7].map((index) => slot(5, index)));
  });

  test("are empty on a past day and beyond the horizon", async () => {
    const carId = await car();
    for (const days of [-1, 400]) {
      const date = iso(slot(days)).slice(0, 10);
      expect((await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`))).body).toEqual(
        [],
      );
    }
  });

  test("of a removed or unknown car are not found", async () => {
    const removed = await car();
    await db.update(cars).set({ status: "REMOVED" }).where(eq(cars.id, removed));
    for (const id of [removed, crypto.randomUUID(), "abc"])
      expect((await call("GET", `/api/cars/${id}/available-slots/?date=2026-12-01`)).status).toBe(404);
  });

  test.each([
    "",
    "?date=",
    "?date=2026-02-30",
    "?date=2026-13-01",
    "?date=26-1-1",
    "?date=99999-01-01",
    "?day=2026-12-01",
  ])("are refused for the query %j with the parameter named", async (query) => {
    const refused = await answer(call("GET", `/api/cars/${await car()}/available-slots/${query}`));
    expect(refused.status).toBe(400);
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain("date");
  });
});

describe("the cap on active bookings", () => {
  /** The app with a cap of three. Commands go to a writer with the same cap. */
  function capped(customerToken: string, mostUnverified = 3) {
    const CAR_COORDINATOR = {
      getByName: (carId: string) => writerOf(carId, env.DB, { activeBookings: { most: 3, mostUnverified } }),
    } as unknown as Env["CAR_COORDINATOR"];
    return (carId: string, startAt: number) =>
      answer(
        Promise.resolve(
          createApp().fetch(
            new Request("http://dealership.test/api/bookings/", {
              method: "POST",
              headers: { "Content-Type": "application/json", Authorization: `Bearer ${customerToken}` },
              body: JSON.stringify({ car: carId, start_at: iso(startAt) }),
            }),
            { ...env, CAR_COORDINATOR },
          ),
        ),
      );
  }

  test("refuses one booking more with 409, also when many are requested at once", async () => {
    const customer = await person();
    const cars = await Promise.all(Array.from({ length: 8 }, () => car()));
    const book = capped(customer.token);
    const answers = await Promise.all(cars.map((carId, hour) => book(carId, slot(3, hour))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 409, 409, 409, 409, 409]);
    expect(new Set(answers.filter(({ status }) => status === 409).map(({ body }) => body.code))).toEqual(
      new Set(["too_many_bookings"]),
    );
    expect(await db.select().from(bookings).where(eq(bookings.customerId, customer.id))).toHaveLength(3);
  });

  test("is lower while the e-mail address is not verified, and the refusal says so", async () => {
    const customer = await person();
    const book = capped(customer.token, 1);
    expect((await book(await car(), slot(3))).status).toBe(201);
    const refused = await book(await car(), slot(3, 1));
    expect([refused.status, refused.body.code, refused.body.detail]).toEqual([
      409,
      "too_many_bookings",
      "A customer may have 3 active bookings at a time, and 1 until their e-mail address is verified",
    ]);
    await db.update(users).set({ emailVerifiedAt: 1 }).where(eq(users.id, customer.id));
    for (const hour of [1, 2]) expect((await book(await car(), slot(3, hour))).status).toBe(201);
    expect((await book(await car(), slot(3, 3))).body.code).toBe("too_many_bookings");
  });

  test("is zero without a verified address where verification is required: 403 says what to do", async () => {
    const [customer, carId] = [await person(), await car()];
    const book = capped(customer.token, 0);
    const refused = await book(carId, slot(3));
    expect([refused.status, refused.body.code]).toEqual([403, "email_not_verified"]);
    expect(refused.body.detail).toContain("/api/auth/email/resend");
    expect(await activeBookings(carId)).toEqual([]);
    const notified = db.select().from(notifications).where(eq(notifications.userId, customer.id));
    expect(await notified).toEqual([]);
    await db.update(users).set({ emailVerifiedAt: 1 }).where(eq(users.id, customer.id));
    expect((await book(carId, slot(3))).status).toBe(201);
  });

  test("does not count bookings that are over or cancelled, nor those of others", async () => {
    const [customer, other, carId] = [await person(), await person(), await car()];
    const past = Date.now() - 10 * 3_600_000;
    for (const [hour, status] of (["PENDING", "APPROVED", "PENDING"] as const).entries())
      await booking({ carId, customerId: customer.id, startAt: past + hour * 3_600_000, status });
    for (const hour of [0, 1, 2]) {
      await booking({ carId, customerId: customer.id, startAt: slot(4, hour), status: "CANCELLED" });
      await booking({ carId, customerId: other.id, startAt: slot(4, hour), status: "PENDING" });
    }
    expect((await capped(customer.token)(await car(), slot(5))).status).toBe(201);
  });
});
