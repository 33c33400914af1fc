import { env } from "cloudflare:workers";
import { and, eq, gt, inArray } from "drizzle-orm";
import { afterEach, describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import {
  bookings,
  cars,
  commissions,
  idempotencyKeys,
  notifications,
  sales,
  staffProfiles,
  users,
} from "../../src/db/schema.ts";
import { saleSchema } from "../../src/sales/schemas.ts";
import { databaseWith, writerOf } from "../support/faults.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const sell = (
  token: string,
  carId: string,
  customer: string,
  more: Record<string, unknown> = {},
  headers = {},
) =>
  answer(
    call("POST", "/api/sales/", {
      token,
      json: { car: carId, customer, sale_price: "20000.00", payment_method: "CASH", ...more },
      headers,
    }),
  );

const voidSale = (token: string, id: string, headers = {}) =>
  answer(
    call("POST", `/api/sales/${id}/void/`, { token, json: { reason: "the loan fell through" }, headers }),
  );

const statusOf = async (carId: string) =>
  (await db.select().from(cars).where(eq(cars.id, carId)).get())?.status;
const salesOf = (carId: string) => db.select().from(sales).where(eq(sales.carId, carId));
const entriesOf = (userId: string) =>
  db.select().from(commissions).where(eq(commissions.salespersonId, userId));

async function metricsOf(who: { id: string; token: string }) {
  const profile = await db.select().from(staffProfiles).where(eq(staffProfiles.userId, who.id)).get();
  return (await answer(call("GET", `/api/staff/${profile?.id}/metrics/`, { token: who.token }))).body;
}

describe("selling a car", () => {
  test("changes car, commission, bookings, notifications and metrics in one transaction", async () => {
    const [sam, buyer, other, carId] = [await person("SALES"), await person(), await person(), await car()];
    const future = await booking({ carId, customerId: other.id, startAt: slot(2), status: "APPROVED" });
    const past = await booking({ carId, customerId: other.id, startAt: slot(-2), status: "APPROVED" });
    const sold = await sell(sam.token, carId, buyer.id, {
      contract_number: "C-1",
      remarks: "with winter tyres",
    });
    expect(sold.status).toBe(201);
    expect(saleSchema.parse(sold.body)).toMatchObject({
      car: carId,
      customer: buyer.id,
      salesperson: sam.id,
      sale_price: "20000.00",
      currency: "EUR",
      payment_method: "CASH",
      contract_number: "C-1",
      remarks: "with winter tyres",
      voided_at: null,
      commissions: [{ salesperson: sam.id, rate: "2.50", amount: "500.00" }],
    });
    expect(sold.headers.get("X-D1-Bookmark")).toBeTruthy();
    const found = await answer(call("GET", sold.headers.get("Location") ?? "", { token: sam.token }));
    expect(found.body).toEqual(sold.body);

    expect(await statusOf(carId)).toBe("SOLD");
    const drives = await db.select().from(bookings).where(eq(bookings.carId, carId));
    expect(new Map(drives.map(({ id, status }) => [id, status]))).toEqual(
      new Map([
        [future, "CANCELLED"],
        [past, "APPROVED"],
      ]),
    );
    const notified = await db
      .select()
      .from(notifications)
      .where(inArray(notifications.recipient, [buyer.email, other.email]));
    expect(
      notified.map(({ kind, recipient, saleId, bookingId }) => [kind, recipient, saleId, bookingId]).sort(),
    ).toEqual([
      ["booking_cancelled", other.email, null, future],
      ["sale_confirmed", buyer.email, sold.body.id, null],
    ]);
    expect(notified.find(({ kind }) => kind === "booking_cancelled")?.facts).toMatchObject({
      reason: "car_sold",
    });
    expect(await metricsOf(sam)).toMatchObject({
      total_sales_count: 1,
      total_revenue: "20000.00",
      total_commission: "500.00",
    });
  });

  test("leaves no free slot, and a past booking of the sold car can still be completed (the Django service answered 500)", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    const past = await booking({ carId, customerId: buyer.id, startAt: slot(-2), status: "APPROVED" });
    await sell(sam.token, carId, buyer.id);
    const date = iso(slot(3)).slice(0, 10);
    expect((await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`))).body).toEqual([]);
    const json = { car: carId, start_at: iso(slot(3)) };
    const refused = await answer(call("POST", "/api/bookings/", { token: buyer.token, json }));
    expect([refused.status, refused.body.code]).toEqual([409, "car_not_bookable"]);
    expect((await call("PATCH", `/api/bookings/${past}/complete/`, { token: sam.token })).status).toBe(200);
  });

  test.each([2, 20])(
    "concurrently by %i people makes one sale and one commission, and the others get 409",
    async (people) => {
      const [buyer, carId] = [await person(), await car()];
      const sellers = await Promise.all(Array.from({ length: people }, () => person("SALES")));
      const answers = await Promise.all(sellers.map(({ token }) => sell(token, carId, buyer.id)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(people - 1).fill(409)]);
      for (const { body } of answers.filter(({ status }) => status === 409))
        expect(body.code).toBe("car_not_sellable");
      const [sale, ...more] = await salesOf(carId);
      expect(more).toEqual([]);
      const entries = await db
        .select()
        .from(commissions)
        .where(eq(commissions.saleId, sale?.id ?? ""));
      expect(entries).toHaveLength(1);
    },
  );

  test("during a stream of bookings leaves no future booking of the sold car, and notifies each customer once", async () => {
    const [sam, buyer] = [await person("SALES"), await person()];
    const customers = await Promise.all(Array.from({ length: 4 }, () => person()));
    for (let round = 0; round < 60; round += 1) {
      const carId = await car();
      const stream = customers.map(({ token }, index) =>
        answer(
          call("POST", "/api/bookings/", {
            token,
            json: { car: carId, start_at: iso(slot(2 + (round % 3), index)) },
          }),
        ),
      );
      const sale = sell(sam.token, carId, buyer.id);
      const [sold, ...booked] = await Promise.all([sale, ...stream]);
      expect(sold?.status).toBe(201);
      for (const { status } of booked) expect([201, 409]).toContain(status);
      const made = booked.filter(({ status }) => status === 201).map(({ body }) => body.id as string);
      const left = await db
        .select()
        .from(bookings)
        .where(
          and(
            eq(bookings.carId, carId),
            inArray(bookings.status, ["PENDING", "APPROVED"]),
            gt(bookings.startAt, Date.now()),
          ),
        );
      expect(left).toEqual([]);
      const notified = made.length
        ? await db
            .select({ bookingId: notifications.bookingId })
            .from(notifications)
            .where(and(inArray(notifications.bookingId, made), eq(notifications.kind, "booking_cancelled")))
        : [];
      expect(notified.map(({ bookingId }) => bookingId).sort()).toEqual(made.sort());
    }
  }, 120_000);

  test("again with the same key makes one sale, also concurrently", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    const headers = { "Idempotency-Key": "sale" };
    const both = await Promise.all([1, 2, 3].map(() => sell(sam.token, carId, buyer.id, {}, headers)));
    const later = await sell(sam.token, carId, buyer.id, {}, headers);
    expect([...both, later].map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set([...both, later].map(({ body }) => body.id)).size).toBe(1);
    expect(later.headers.get("Idempotency-Replayed")).toBe("true");
    expect(await salesOf(carId)).toHaveLength(1);
  });

  test("is credited by ADMIN to any staff member, by user or profile id", async () => {
    const [admin, sam, buyer] = [await person("ADMIN"), await person("SALES"), await person()];
    const profile = await db.select().from(staffProfiles).where(eq(staffProfiles.userId, sam.id)).get();
    for (const salesperson of [sam.id, profile?.id]) {
      const sold = await sell(admin.token, await car(), buyer.id, { salesperson });
      expect([sold.status, sold.body.salesperson]).toEqual([201, sam.id]);
    }
    const own = await sell(admin.token, await car(), buyer.id);
    expect(own.body.salesperson).toBe(admin.id);
  });
});

describe("a sale is refused for", () => {
  const refusal = async (more: Record<string, unknown>) => {
    const [sam, buyer] = [await person("SALES"), await person()];
    const refused = await sell(sam.token, await car(), buyer.id, more);
    return [refused.status, refused.body.errors?.[0]?.field ?? refused.body.code];
  };

  test.each([
    ["a price of zero", { sale_price: 0 }, "sale_price"],
    ["a negative price", { sale_price: "-1.00" }, "sale_price"],
    ["a price with three decimals", { sale_price: "1.005" }, "sale_price"],
    ["a price beyond all bounds", { sale_price: "99999999999" }, "sale_price"],
    ["an unknown currency", { currency: "XXQ" }, "currency"],
    ["another currency than the car's", { currency: "IRR" }, "currency"],
    ["an unknown way to pay", { payment_method: "SHELLS" }, "payment_method"],
    ["a day in the future", { sale_datetime: iso(Date.now() + 60_000) }, "sale_datetime"],
    ["a day that does not exist", { sale_datetime: "2026-02-30T10:00:00Z" }, "sale_datetime"],
    ["a day in the year 0", { sale_datetime: "0000-01-01T00:00:00+23:00" }, "sale_datetime"],
    ["an unknown customer", { customer: crypto.randomUUID() }, "customer"],
    ["no car", { car: undefined }, "car"],
    ["a field that is none", { status: "SOLD" }, "status"],
  ])("%s", async (_, more, field) => {
    expect(await refusal(more)).toEqual([400, field]);
  });

  test("a time before the car was in stock, in any zone, but not the second in which it came", async () => {
    const [sam, buyer] = [await person("SALES"), await person()];
    const createdAt = Date.parse("2026-03-01T10:00:00.900Z");
    const sellAt = async (sale_datetime: string) => {
      const sold = await sell(sam.token, await car({ createdAt }), buyer.id, { sale_datetime });
      return sold.status === 201 ? sold.body.sale_datetime : sold.body.errors;
    };
    const refused = [{ field: "sale_datetime", code: "before_stock", message: expect.any(String) }];
    for (const early of [
      "1900-01-01T00:00:00Z",
      "2026-03-01T09:59:59Z",
      "2026-03-01T10:59:59+01:00",
      "2026-03-01T04:59:59-05:00",
    ])
      expect(await sellAt(early)).toEqual(refused);
    for (const first of ["2026-03-01T10:00:00Z", "2026-03-01T23:00:00+13:00", "2026-03-01T05:00:00-05:00"])
      expect(await sellAt(first)).toBe("2026-03-01T10:00:00Z");
  });

  test("a car whose currency is changed between the reading and the writing", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    const d1 = databaseWith(async (batch) => {
      await db.update(cars).set({ currency: "USD" }).where(eq(cars.id, carId));
      return batch();
    });
    const CAR_COORDINATOR = { getByName: () => writerOf(carId, d1) } as unknown as Env["CAR_COORDINATOR"];
    const refused = await answer(
      Promise.resolve(
        createApp().fetch(
          new Request("http://dealership.test/api/sales/", {
            method: "POST",
            headers: { "Content-Type": "application/json", Authorization: `Bearer ${sam.token}` },
            body: JSON.stringify({
              car: carId,
              customer: buyer.id,
              sale_price: "20000.00",
              payment_method: "CASH",
            }),
          }),
          { ...env, CAR_COORDINATOR },
        ),
      ),
    );
    expect([refused.status, refused.body.errors]).toMatchObject([
      400,
      [{ field: "currency", code: "not_the_cars" }],
    ]);
    expect(await salesOf(carId)).toEqual([]);
  });

  test("a buyer who is staff, a seller who is gone, and a seller who is a customer", async () => {
    const [admin, sam, sue, buyer] = [
      await person("ADMIN"),
      await person("SALES"),
      await person("SALES"),
      await person(),
    ];
    const asStaff = await sell(sam.token, await car(), sue.id);
    expect(asStaff.body.errors).toMatchObject([{ field: "customer", code: "not_a_customer" }]);
    await db.update(users).set({ isActive: false }).where(eq(users.id, sue.id));
    for (const salesperson of [sue.id, buyer.id, crypto.randomUUID()]) {
      const gone = await sell(admin.token, await car(), buyer.id, { salesperson });
      expect([gone.status, gone.body.errors[0].code]).toEqual([400, "not_active_staff"]);
    }
  });

  test("SALES who credits somebody else, a customer who sells, a stranger", async () => {
    const [sam, sue, buyer, carId] = [
      await person("SALES"),
      await person("SALES"),
      await person(),
      await car(),
    ];
    expect((await sell(sam.token, carId, buyer.id, { salesperson: sue.id })).status).toBe(403);
    expect((await sell(buyer.token, carId, buyer.id)).status).toBe(403);
    expect((await answer(call("POST", "/api/sales/", { json: {} }))).status).toBe(401);
    expect(await statusOf(carId)).toBe("AVAILABLE");
  });

  test("a sold, a removed and an unknown car", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    expect((await sell(sam.token, carId, buyer.id)).status).toBe(201);
    const again = await sell(sam.token, carId, buyer.id);
    expect([again.status, again.body.code]).toEqual([409, "car_not_sellable"]);
    const removed = await sell(sam.token, await car({ status: "REMOVED" }), buyer.id);
    expect([removed.status, removed.body.code]).toEqual([409, "car_not_sellable"]);
    const unknown = await sell(sam.token, crypto.randomUUID(), buyer.id);
    expect([unknown.status, unknown.body.code]).toEqual([404, "car_not_found"]);
  });
});

describe("voiding a sale", () => {
  test("makes the car AVAILABLE, reverses the commission, corrects the metrics and keeps the record", async () => {
    const [admin, sam, buyer, carId] = [
      await person("ADMIN"),
      await person("SALES"),
      await person(),
      await car(),
    ];
    const sold = await sell(sam.token, carId, buyer.id);
    const undone = await voidSale(admin.token, sold.body.id);
    expect(undone.status).toBe(200);
    expect(saleSchema.parse(undone.body)).toMatchObject({
      id: sold.body.id,
      void_reason: "the loan fell through",
    });
    expect(undone.body.commissions.map(({ amount }: { amount: string }) => amount)).toEqual([
      "500.00",
      "-500.00",
    ]);
    expect((await answer(call("GET", `/api/sales/${sold.body.id}/`, { token: sam.token }))).body).toEqual(
      undone.body,
    );
    expect(await statusOf(carId)).toBe("AVAILABLE");
    expect(await metricsOf(sam)).toMatchObject({
      total_sales_count: 0,
      total_revenue: "0.00",
      total_commission: "0.00",
    });
    expect((await sell(sam.token, carId, buyer.id)).status).toBe(201);
    const again = await voidSale(admin.token, sold.body.id);
    expect([again.status, again.body.code]).toEqual([409, "already_void"]);
    expect(await statusOf(carId)).toBe("SOLD");
  });

  test("concurrently by five administrators happens once", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    const admins = await Promise.all(Array.from({ length: 5 }, () => person("ADMIN")));
    const sold = await sell(sam.token, carId, buyer.id);
    const answers = await Promise.all(admins.map(({ token }) => voidSale(token, sold.body.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    expect((await entriesOf(sam.id)).map(({ amountCents }) => amountCents)).toEqual([50_000, -50_000]);
  });

  test("again with the same key gets the same answer", async () => {
    const [admin, sam, buyer] = [await person("ADMIN"), await person("SALES"), await person()];
    const sold = await sell(sam.token, await car(), buyer.id);
    const headers = { "Idempotency-Key": "undo" };
    const [first, second] = [
      await voidSale(admin.token, sold.body.id, headers),
      await voidSale(admin.token, sold.body.id, headers),
    ];
    expect([first.status, second.status, second.body]).toEqual([200, 200, first.body]);
  });

  test("is only for ADMIN, and needs a reason and an existing sale", async () => {
    const [admin, sam, buyer] = [await person("ADMIN"), await person("SALES"), await person()];
    const sold = await sell(sam.token, await car(), buyer.id);
    expect((await voidSale(sam.token, sold.body.id)).status).toBe(403);
    expect((await voidSale(admin.token, crypto.randomUUID())).status).toBe(404);
    for (const json of [{}, { reason: "" }, { reason: "  " }, { reason: 5 }])
      expect(
        (await call("POST", `/api/sales/${sold.body.id}/void/`, { token: admin.token, json })).status,
      ).toBe(400);
  });
});

describe("the list of sales", () => {
  test("shows SALES their own and ADMIN all, filtered", async () => {
    const [admin, sam, sue, buyer] = [
      await person("ADMIN"),
      await person("SALES"),
      await person("SALES"),
      await person(),
    ];
    const [mine, hers] = [await car({ createdAt: Date.UTC(2025, 0, 1) }), await car()];
    const first = await sell(sam.token, mine, buyer.id, { sale_datetime: "2025-05-05T12:00:00Z" });
    await sell(sue.token, hers, buyer.id);
    const list = async (token: string, query: string) =>
      (await answer(call("GET", `/api/sales/?customer=${buyer.id}&${query}`, { token }))).body;
    expect((await list(admin.token, "")).count).toBe(2);
    expect((await list(sam.token, "")).results).toEqual([first.body]);
    expect((await list(admin.token, `salesperson=${sue.id}`)).count).toBe(1);
    expect((await list(sam.token, `salesperson=${sue.id}`)).count).toBe(0);
    expect((await list(admin.token, `car=${mine}`)).count).toBe(1);
    expect((await list(admin.token, "from=2025-05-05&to=2025-05-05")).results).toEqual([first.body]);
    expect((await list(admin.token, "to=2025-05-04")).count).toBe(0);
    const hidden = await answer(call("GET", `/api/sales/${first.body.id}/`, { token: sue.token }));
    expect([hidden.status, hidden.body.code]).toEqual([404, "not_found"]);
  });
});

describe("a database that fails during a sale", () => {
  const STATEMENTS = [
    ["the sale", "BEFORE INSERT ON sales"],
    ["the commission", "BEFORE INSERT ON commissions"],
    ["the buyer's confirmation", "BEFORE INSERT ON notifications WHEN NEW.kind = 'sale_confirmed'"],
    ["the stored answer", "BEFORE INSERT ON idempotency_keys"],
    ["the bookings", "BEFORE UPDATE ON bookings"],
    ["the car", "BEFORE UPDATE ON cars"],
    ["the cancellation notice", "BEFORE INSERT ON notifications WHEN NEW.kind = 'booking_cancelled'"],
  ] as const;

  afterEach(async () => {
    await env.DB.prepare("DROP TRIGGER IF EXISTS fault").run();
  });

  test.each(STATEMENTS)(
    "at %s stores nothing, and the retry with the same key makes the only sale",
    async (_, where) => {
      const [sam, buyer, other, carId] = [await person("SALES"), await person(), await person(), await car()];
      const drive = await booking({ carId, customerId: other.id, startAt: slot(2), status: "APPROVED" });
      const headers = { "Idempotency-Key": crypto.randomUUID() };
      const keys = await db.$count(idempotencyKeys);
      await env.DB.prepare(`CREATE TRIGGER fault ${where} BEGIN SELECT RAISE(ABORT, 'fault'); END`).run();
      const failed = await sell(sam.token, carId, buyer.id, {}, headers);
      expect([failed.status, failed.headers.get("Retry-After")]).toEqual([503, "2"]);
      expect(await salesOf(carId)).toEqual([]);
      expect(await entriesOf(sam.id)).toEqual([]);
      expect(await statusOf(carId)).toBe("AVAILABLE");
      expect((await db.select().from(bookings).where(eq(bookings.id, drive)).get())?.status).toBe("APPROVED");
      expect(
        await db.$count(notifications, inArray(notifications.recipient, [buyer.email, other.email])),
      ).toBe(0);
      expect(await db.$count(idempotencyKeys)).toBe(keys);

      await env.DB.prepare("DROP TRIGGER fault").run();
      const sold = await sell(sam.token, carId, buyer.id, {}, headers);
      const again = await sell(sam.token, carId, buyer.id, {}, headers);
      expect([sold.status, again.status, again.body]).toEqual([201, 201, sold.body]);
      expect(await salesOf(carId)).toHaveLength(1);
      expect(await entriesOf(sam.id)).toHaveLength(1);
    },
  );
});

describe("an answer of the database that is lost after the commit of a sale", () => {
  /** The Worker, with this database for the coordinator. */
  function workerWith(carId: string, around: Parameters<typeof databaseWith>[0]) {
    const writer = writerOf(carId, databaseWith(around));
    const surroundings = { ...env, CAR_COORDINATOR: { getByName: () => writer } } as unknown as Env;
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    return (request: Request) => Promise.resolve(createApp().fetch(request, surroundings, context));
  }

  const request = (token: string, carId: string, customer: string, key: string) =>
    new Request("http://dealership.test/api/sales/", {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${token}`,
        "Idempotency-Key": key,
      },
      body: JSON.stringify({ car: carId, customer, sale_price: "20000.00", payment_method: "CASH" }),
    });

  test("does not prevent the answer, because the sale is found", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    // The first batch loads the car, the second is the sale.
    const worker = workerWith(carId, async (batch, index) => {
      const result = await batch();
      if (index === 2) throw new Error("D1_ERROR: Network connection lost.");
      return result;
    });
    const sold = await answer(worker(request(sam.token, carId, buyer.id, "lost-1")));
    expect([sold.status, (await salesOf(carId)).map(({ id }) => id)]).toEqual([201, [sold.body.id]]);
  });

  test("gets 503 when the database cannot be read, and the retry with the same key gets the only sale", async () => {
    const [sam, buyer, carId] = [await person("SALES"), await person(), await car()];
    const worker = workerWith(carId, async (batch, index) => {
      const result = await batch();
      if (index >= 2) throw new Error("D1_ERROR: Network connection lost.");
      return result;
    });
    const first = await answer(worker(request(sam.token, carId, buyer.id, "lost-2")));
    // The stored answer proves more than the coordinator can: that an equal request, this one, was committed.
    const retried = await answer(worker(request(sam.token, carId, buyer.id, "lost-2")));
    expect([201, 503]).toContain(first.status);
    const [sale, ...more] = await salesOf(carId);
    expect([retried.status, retried.body.id, more]).toEqual([201, sale?.id, []]);
    expect(await entriesOf(sam.id)).toHaveLength(1);
  });
});
