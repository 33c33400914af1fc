import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { carSchema, carsQuery } from "../../src/cars/schemas.ts";
import { priceRanges } from "../../src/cars/search/facets.ts";
import { carList } from "../../src/cars/search/list.ts";
import { openDatabase } from "../../src/db/client.ts";
import { bookings, cars, notifications, sales } from "../../src/db/schema.ts";
import { answer, booking, call, car, db, person, slot } from "../support/world.ts";

let vins = 0;
const described = (more: Record<string, unknown> = {}) => {
  vins += 1;
  return {
    vin: `catalog-${vins}`,
    make: "Škoda",
    model: "Octavia",
    year: 2024,
    fuel_type: "PETROL",
    transmission: "MANUAL",
    body_type: "WAGON",
    base_price: "25990.00",
    ...more,
  };
};

const create = (token: string, json: unknown, headers: Record<string, string> = {}) =>
  answer(call("POST", "/api/cars/", { token, json, headers }));
const change = (token: string, id: string, json: unknown, headers: Record<string, string> = {}) =>
  answer(call("PATCH", `/api/cars/${id}/`, { token, json, headers }));
const show = (id: string, token?: string) => answer(call("GET", `/api/cars/${id}/`, { token }));

/** Sells a car without its coordinator; returns its id. */
async function sold(carId: string): Promise<string> {
  const [customer, seller] = [await person(), await person("SALES")];
  await db.insert(sales).values({
    id: crypto.randomUUID(),
    carId,
    customerId: customer.id,
    salespersonId: seller.id,
    salePriceCents: 100,
    currency: "EUR",
    paymentMethod: "CASH",
    saleAt: 0,
    createdAt: 0,
  });
  await db.update(cars).set({ status: "SOLD" }).where(eq(cars.id, carId));
  return carId;
}

describe("adding a car to the stock", () => {
  test("gets 201 with the car, its path and its tag, and the car is listed immediately", async () => {
    const { token } = await person("SALES");
    const made = await create(token, described({ vin: "wvwzzz1kzaw000001", discount_price: 24000.5 }));
    expect(made.status).toBe(201);
    expect(carSchema.parse(made.body)).toMatchObject({
      vin: "WVWZZZ1KZAW000001",
      mileage: 0,
      color: "",
      engine_cc: null,
      drive_type: null,
      base_price: "25990.00",
      discount_price: "24000.50",
      price: "24000.50",
      currency: "EUR",
      status: "AVAILABLE",
      location: "SHOWROOM",
      description: "",
      photos: [],
    });
    expect(made.headers.get("Location")).toBe(`${env.PUBLIC_URL}/api/cars/${made.body.id}/`);
    expect(made.headers.get("X-D1-Bookmark")).toBeTruthy();
    const shown = await show(made.body.id);
    expect(shown.body).toEqual(made.body);
    expect(shown.headers.get("ETag")).toBe(made.headers.get("ETag"));
    const found = await answer(call("GET", "/api/cars/?search=wvwzzz1kzaw0000"));
    expect(found.body.results).toEqual([made.body]);
  });

  test("is only for staff", async () => {
    const customer = await person();
    expect((await create(customer.token, described())).status).toBe(403);
    expect((await answer(call("POST", "/api/cars/", { json: described() }))).status).toBe(401);
  });

  test.each([
    ["a missing VIN", { vin: undefined }, "vin", "required"],
    ["an empty VIN", { vin: " " }, "vin", "too_small"],
    ["a VIN of 33 characters", { vin: "A".repeat(33) }, "vin", "too_big"],
    ["a VIN that is longer in capitals", { vin: "ß".repeat(32) }, "vin", "too_big"],
    ["a 17-character VIN with an O", { vin: "WVWZZZ1KZAO000001" }, "vin", "invalid_vin"],
    ["a 17-character VIN with a blank", { vin: "WVWZZZ1KZ W000001" }, "vin", "invalid_vin"],
    ["an empty make", { make: "" }, "make", "too_small"],
    ["a make of 51 characters", { make: "M".repeat(51) }, "make", "too_big"],
    ["a model with a line break", { model: "X\n3" }, "model", "invalid_characters"],
    ["a colour of 31 characters", { color: "c".repeat(31) }, "color", "too_big"],
    ["the year 1885", { year: 1885 }, "year", "too_small"],
    ["the year after next", { year: new Date().getUTCFullYear() + 2 }, "year", "too_far_ahead"],
    ["half a year", { year: 2020.5 }, "year", "invalid_type"],
    ["a year as text", { year: "2020" }, "year", "invalid_type"],
    ["a negative mileage", { mileage: -1 }, "mileage", "too_small"],
    ["an unknown fuel", { fuel_type: "COAL" }, "fuel_type", "invalid_value"],
    ["a fuel in lower case", { fuel_type: "petrol" }, "fuel_type", "invalid_value"],
    ["a negative price", { base_price: "-1" }, "base_price", "invalid_amount"],
    ["three decimals", { base_price: 1.234 }, "base_price", "invalid_amount"],
    ["an exponent", { base_price: "1e3" }, "base_price", "invalid_amount"],
    ["a price of null", { base_price: null }, "base_price", "invalid_value"],
    ["too large a price", { base_price: "99999999999.00" }, "base_price", "invalid_amount"],
    ["a discount above the base", { discount_price: "25990.01" }, "discount_price", "above_base_price"],
    ["a currency that is none", { currency: "XXY" }, "currency", "unknown_currency"],
    ["a currency in lower case", { currency: "eur" }, "currency", "unknown_currency"],
    ["SOLD by hand", { status: "SOLD" }, "status", "sold_needs_sale"],
    ["an unknown status", { status: "STOLEN" }, "status", "invalid_value"],
    ["a description with a NUL", { description: "a\u0000" }, "description", "invalid_characters"],
    ["an endless description", { description: "d".repeat(10_001) }, "description", "too_big"],
    ["an unknown field", { colour: "red" }, "colour", "unknown_field"],
  ])("is refused for %s", async (_, wrong, field, code) => {
    const { token } = await person("SALES");
    const refused = await create(token, described(wrong));
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field, code }]]);
  });

  test("accepts cars of next year, with a price of zero, and in another currency", async () => {
    const { token } = await person("SALES");
    const year = new Date().getUTCFullYear() + 1;
    const made = await create(
      token,
      described({ year, base_price: 0, discount_price: "0", currency: "CHF" }),
    );
    expect([made.status, made.body.price, made.body.currency]).toEqual([201, "0.00", "CHF"]);
  });

  test("accepts a VIN once, in any case, also from concurrent requests", async () => {
    const { token } = await person("SALES");
    const vin = `Twice-${crypto.randomUUID().slice(0, 8)}`;
    const answers = await Promise.all(
      [vin, vin.toLowerCase(), vin.toUpperCase(), vin].map((each) => create(token, described({ vin: each }))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400]);
    for (const { status, body } of answers)
      if (status === 400) expect(body.errors).toMatchObject([{ field: "vin", code: "taken" }]);
  });

  test("ten times concurrently with the same key and body creates one car; another body is refused", async () => {
    const { token } = await person("SALES");
    const [json, headers] = [described(), { "Idempotency-Key": "car-1" }];
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(token, json, headers)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const again = await create(token, json, headers);
    expect([again.headers.get("Idempotency-Replayed"), again.headers.get("Location")]).toEqual([
      "true",
      `${env.PUBLIC_URL}/api/cars/${again.body.id}/`,
    ]);
    expect((await create(token, described(), headers)).status).toBe(422);
  });
});

describe("changing a car", () => {
  test("accepts the read car with changes", async () => {
    const { token } = await person("SALES");
    const { body: made } = await create(token, described({ doors: 5, discount_price: "20000" }));
    const sent = { ...made, color: "Red", id: "ignored", price: "1.00", photos: "ignored" };
    const put = await answer(call("PUT", `/api/cars/${made.id}/`, { token, json: sent }));
    expect(put.status).toBe(200);
    expect(put.body).toEqual({ ...made, color: "Red", updated_at: put.body.updated_at });
    expect((await show(made.id)).body).toEqual(put.body);
  });

  test("by PUT resets omitted members except status and currency, and by PATCH keeps them", async () => {
    const { token } = await person("SALES");
    const full = described({
      doors: 5,
      discount_price: "20000",
      currency: "CHF",
      description: "Fine",
      status: "RESERVED",
    });
    const { body: made } = await create(token, full);
    const patched = await change(token, made.id, { mileage: 7 });
    expect(patched.body).toMatchObject({ ...made, mileage: 7, updated_at: patched.body.updated_at });
    const put = await answer(
      call("PUT", `/api/cars/${made.id}/`, { token, json: { ...described(), vin: made.vin } }),
    );
    expect(put.body).toMatchObject({
      doors: null,
      discount_price: null,
      description: "",
      mileage: 0,
      currency: "CHF",
      status: "RESERVED",
    });
    expect((await answer(call("PUT", `/api/cars/${made.id}/`, { token, json: { vin: "x" } }))).status).toBe(
      400,
    );
  });

  test("compares a new discount with the stored price, and a new VIN with those of other cars", async () => {
    const { token } = await person("SALES");
    const [{ body: one }, { body: two }] = [
      await create(token, described()),
      await create(token, described()),
    ];
    const above = await change(token, one.id, { discount_price: "30000" });
    expect(above.body.errors).toMatchObject([{ field: "discount_price", code: "above_base_price" }]);
    expect((await change(token, one.id, { discount_price: "20000" })).status).toBe(200);
    const below = await change(token, one.id, { base_price: "100" });
    expect(below.body.errors).toMatchObject([{ field: "discount_price", code: "above_base_price" }]);
    const taken = await change(token, one.id, { vin: two.vin.toLowerCase(), status: "RESERVED" });
    expect(taken.body.errors).toMatchObject([{ field: "vin", code: "taken" }]);
    expect((await show(one.id)).body).toMatchObject({ vin: one.vin, status: "AVAILABLE" });
  });

  test("makes the search find the car by its new words, and no longer by the old ones", async () => {
    const { token } = await person("SALES");
    const { body: made } = await create(token, described({ description: "zebrawood" }));
    await change(token, made.id, { description: "rosewood", make: "Bugatti" });
    const find = async (query: string) => (await answer(call("GET", `/api/cars/?${query}`))).body.count;
    expect([
      await find("search=zebrawood"),
      await find("search=rosewood"),
      await find("make=BUGATTI"),
    ]).toEqual([0, 1, 1]);
  });

  test("is refused for an unknown car, a customer and an anonymous caller", async () => {
    const [staff, customer, carId] = [await person("SALES"), await person(), await car()];
    expect((await change(staff.token, crypto.randomUUID(), {})).body.code).toBe("car_not_found");
    expect((await change(staff.token, "abc", {})).status).toBe(404);
    expect((await change(customer.token, carId, {})).status).toBe(403);
    expect((await call("DELETE", `/api/cars/${carId}/`)).status).toBe(401);
  });
});

describe("the tag of a car", () => {
  test("gets 304 when the caller's copy is current, and changes with every change", async () => {
    const { token } = await person("SALES");
    const carId = await car();
    const tag = (await show(carId)).headers.get("ETag") ?? "";
    const ask = (known: string) =>
      call("GET", `/api/cars/${carId}/`, { headers: { "If-None-Match": known } });
    for (const known of [tag, `W/${tag}`, `"0", ${tag}`, "*"]) {
      const same = await ask(known);
      expect([same.status, await same.text(), same.headers.get("ETag")]).toEqual([304, "", tag]);
    }
    await change(token, carId, { mileage: 1 });
    expect((await ask(tag)).status).toBe(200);
  });

  test("makes every write with a stale value fail with 412 and change nothing", async () => {
    const { token } = await person("SALES");
    const carId = await car();
    const stale = { "If-Match": (await show(carId)).headers.get("ETag") ?? "" };
    const now = await change(token, carId, { mileage: 1 }, stale);
    expect(now.status).toBe(200);
    for (const json of [{ mileage: 2 }, { status: "RESERVED", mileage: 2 }]) {
      const refused = await change(token, carId, json, stale);
      expect([refused.status, refused.body.code]).toEqual([412, "precondition_failed"]);
    }
    expect((await call("DELETE", `/api/cars/${carId}/`, { token, headers: stale })).status).toBe(412);
    const weak = { "If-Match": `W/${now.headers.get("ETag")}` };
    expect((await change(token, carId, { mileage: 2 }, weak)).status).toBe(412);
    expect((await show(carId)).body).toEqual(now.body);
    expect((await change(token, carId, { mileage: 3 }, { "If-Match": "*" })).status).toBe(200);
    const fresh = { "If-Match": `"0", ${(await show(carId)).headers.get("ETag")}` };
    expect((await change(token, carId, { status: "RESERVED", mileage: 4 }, fresh)).body).toMatchObject({
      status: "RESERVED",
      mileage: 4,
    });
  });

  test("lets one of ten writers with the same value succeed, also when some change the status", async () => {
    const { token } = await person("SALES");
    const carId = await car();
    const headers = { "If-Match": (await show(carId)).headers.get("ETag") ?? "" };
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        change(
          token,
          carId,
          index % 2 ? { mileage: index } : { status: "RESERVED", mileage: index },
          headers,
        ),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)]);
    const winner = answers.find(({ status }) => status === 200);
    expect((await show(carId)).body.mileage).toBe(winner?.body.mileage);
  });
});

describe("removing a car from the stock", () => {
  test.each(["DELETE", "PATCH"])(
    "by %s cancels its future test drives and notifies the customers",
    async (method) => {
      const [staff, customer, carId] = [await person("SALES"), await person(), await car()];
      const facts = { carId, customerId: customer.id };
      const coming = await booking({ ...facts, startAt: slot(2), status: "APPROVED" });
      const past = await booking({ ...facts, startAt: slot(-2), status: "APPROVED" });
      const sent =
        method === "DELETE"
          ? await call("DELETE", `/api/cars/${carId}/`, { token: staff.token })
          : await call("PATCH", `/api/cars/${carId}/`, { token: staff.token, json: { status: "REMOVED" } });
      expect(sent.status).toBe(method === "DELETE" ? 204 : 200);
      const rows = await db.select().from(bookings).where(eq(bookings.carId, carId));
      expect(new Map(rows.map((row) => [row.id, row.status]))).toEqual(
        new Map([
          [coming, "CANCELLED"],
          [past, "APPROVED"],
        ]),
      );
      const notified = await db.select().from(notifications).where(eq(notifications.bookingId, coming));
      expect(notified.map(({ kind, recipient }) => [kind, recipient])).toEqual([
        ["booking_cancelled", customer.email],
      ]);
    },
  );

  test("hides the car from everybody except staff, who can make it AVAILABLE again", async () => {
    const [staff, customer, carId] = [await person("SALES"), await person(), await car()];
    expect((await call("DELETE", `/api/cars/${carId}/`, { token: staff.token })).status).toBe(204);
    expect((await call("DELETE", `/api/cars/${carId}/`, { token: staff.token })).status).toBe(204);
    for (const token of [undefined, customer.token]) {
      expect((await show(carId, token)).body.code).toBe("car_not_found");
      expect((await answer(call("GET", "/api/cars/?status=REMOVED", { token }))).body.count).toBe(0);
    }
    expect((await show(carId, staff.token)).body.status).toBe("REMOVED");
    expect((await change(staff.token, carId, { status: "AVAILABLE" })).status).toBe(200);
    expect((await show(carId)).status).toBe(200);
  });

  test("is refused for a sold car, and no write but a sale sets SOLD", async () => {
    const [{ token }, gone, unsold] = [await person("SALES"), await sold(await car()), await car()];
    for (const status of ["AVAILABLE", "RESERVED", "REMOVED"]) {
      const refused = await change(token, gone, { status, color: "Gold" });
      expect([refused.status, refused.body.code]).toEqual([409, "car_sold"]);
    }
    const removed = await answer(call("DELETE", `/api/cars/${gone}/`, { token }));
    expect([removed.status, removed.body.code]).toEqual([409, "car_sold"]);
    const byHand = await change(token, unsold, { status: "SOLD" });
    expect([byHand.status, byHand.body.errors]).toMatchObject([400, [{ field: "status" }]]);
    const sentBack = await change(token, gone, { ...(await show(gone)).body, description: "Sold with love" });
    expect(sentBack.body).toMatchObject({ status: "SOLD", description: "Sold with love" });
  });

  test("respects a sale that is not yet in the coordinator's memory", async () => {
    const { token } = await person("SALES");
    const carId = await car();
    await change(token, carId, { status: "RESERVED" });
    await sold(carId);
    const answers = await Promise.all([
      change(token, carId, { status: "AVAILABLE" }),
      answer(call("DELETE", `/api/cars/${carId}/`, { token })),
    ]);
    expect(answers.map(({ body }) => body.code)).toEqual(["car_sold", "car_sold"]);
  });
});

describe("the list of cars", () => {
  test("costs one round trip to the database, and few rows on the first and on a deep page", async () => {
    const ids = await Promise.all(Array.from({ length: 150 }, () => car({ make: "Roundtrip" })));
    expect(ids).toHaveLength(150);
    let [trips, rowsRead] = [0, 0];
    const session = env.DB.withSession("first-primary");
    const counting = {
      withSession: () => ({
        prepare: (text: string) => session.prepare(text),
        async batch(statements: D1PreparedStatement[]) {
          trips += 1;
          const results = await session.batch(statements);
          for (const { meta } of results) rowsRead += meta.rows_read;
          return results;
        },
      }),
    } as unknown as D1Database;
    for (const page of ["1", "14"]) {
      [trips, rowsRead] = [0, 0];
      const query = carsQuery.parse({ make: "roundtrip", page, page_size: "10" });
      const [rows, total] = await openDatabase(counting, "first-primary").ask(...carList(query, false));
      expect([total, rows.length, trips]).toEqual([[{ count: 150 }], 10, 1]);
      expect(rowsRead).toBeLessThan(250);
    }
  });

  test("has facets with about a dozen price ranges of one round width", () => {
    const steps = Array.from({ length: 200 }, (_, step) => ({ step, n: 1 }));
    expect(priceRanges(steps)).toMatchObject([
      { min: "0.00", max: "9999.99", count: 20 },
      ...Array(9).fill({ count: 20 }),
    ]);
    expect(priceRanges([])).toEqual([]);
    expect(priceRanges([{ step: 19_999_999, n: 2 }])).toHaveLength(1);
  });
});
