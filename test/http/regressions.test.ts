/** Faults that an attack on the running API found, one test each. */
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { commissions, idempotencyKeys, staffProfiles } from "../../src/db/schema.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { foldCase } from "../../src/shared/text.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const unique = () => crypto.randomUUID().slice(0, 8);
const register = (json: object, headers = {}) =>
  answer(call("POST", "/api/auth/register/", { json, headers }));

describe("names", () => {
  test("nobody takes as a username what is somebody else's e-mail, nor the reverse", async () => {
    const email = `victim-${unique()}@example.org`;
    expect((await register({ username: `v-${unique()}`, password: PASSWORD, email })).status).toBe(201);
    const thief = await register({ username: email.toUpperCase(), password: PASSWORD });
    expect([thief.status, thief.body.errors[0].field]).toEqual([400, "username"]);

    const named = `named-${unique()}@example.org`;
    expect((await register({ username: named, password: PASSWORD, email: named })).status).toBe(201);
    const other = await register({ username: `o-${unique()}`, password: PASSWORD, email: named });
    expect([other.status, other.body.errors[0].field]).toEqual([400, "email"]);
    const { token } = await person();
    const moved = await answer(call("PATCH", "/api/auth/me/", { token, json: { email: named } }));
    expect([moved.status, moved.body.errors[0].field]).toEqual([400, "email"]);
    expect(
      (await call("POST", "/api/auth/login/", { json: { username: email, password: PASSWORD } })).status,
    ).toBe(200);
  });

  test.each([
    ["Straße", "STRASSE"],
    ["Σας", "ΣΑΣ"],
    ["ＡＢＣ", "abc"],
  ])("%s and %s are the same but for case", (one, two) => expect(foldCase(one)).toBe(foldCase(two)));
});

describe("an Idempotency-Key row", () => {
  test("holds no plain hash of the password", async () => {
    const body = { username: `hashed-${unique()}`, password: PASSWORD };
    const key = crypto.randomUUID();
    await register(body, { "Idempotency-Key": key });
    const rows = await db.select().from(idempotencyKeys);
    const guess = await sha256(`POST /api/auth/register/\n${JSON.stringify(body)}`);
    expect(rows.map(({ fingerprint }) => fingerprint)).not.toContain(guess);
    expect((await register(body, { "Idempotency-Key": key })).headers.get("Idempotency-Replayed")).toBe(
      "true",
    );
  });
});

describe("input", () => {
  test("a VIN that grows as capitals is refused by name", async () => {
    const { token } = await person("SALES");
    const json = {
      vin: "ß".repeat(32),
      make: "Fiat",
      model: "500",
      year: 2024,
      fuel_type: "HYBRID",
      transmission: "MANUAL",
      body_type: "HATCHBACK",
      base_price: "1.00",
    };
    const refused = await answer(call("POST", "/api/cars/", { token, json }));
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, "vin"]);
  });

  test("an id is the same in capitals", async () => {
    const [{ token }, id] = [await person(), (await car()).toUpperCase()];
    expect((await call("GET", `/api/cars/${id}/`)).status).toBe(200);
    const json = { car: id, start_at: iso(slot(2)) };
    expect((await call("POST", "/api/bookings/", { token, json })).status).toBe(201);
  });

  test.each(["/api/auth/me/?x=1", "/api/cars/01936f7e-8a3b-7c4d-9e5f-123456789abc/?x=1"])(
    "an unknown parameter is refused where none is known: %s",
    async (path) => {
      const { token } = await person();
      const refused = await answer(call("GET", path, { token }));
      expect(refused.body.errors).toEqual([
        { field: "x", code: "unknown_field", message: "Unknown; allowed are none" },
      ]);
    },
  );

  test("a sale in the year 0 and a hire in the year 0 are refused by name", async () => {
    const [admin, buyer, carId] = [await person("ADMIN"), await person(), await car()];
    const sale = await answer(
      call("POST", "/api/sales/", {
        token: admin.token,
        json: {
          car: carId,
          customer: buyer.id,
          sale_price: 1,
          payment_method: "CASH",
          sale_datetime: "0000-01-01T00:00:00+23:00",
        },
      }),
    );
    expect([sale.status, sale.body.errors[0].field]).toEqual([400, "sale_datetime"]);
    const json = {
      username: `z-${unique()}`,
      password: PASSWORD,
      salary: 1,
      commission_rate: 1,
      hire_date: "0000-01-01",
    };
    const staff = await answer(call("POST", "/api/staff/", { token: admin.token, json }));
    expect([staff.status, staff.body.errors[0].field]).toEqual([400, "hire_date"]);
  });

  test("a missing amount is called required", async () => {
    const admin = await person("ADMIN");
    const json = { username: `m-${unique()}`, password: PASSWORD, commission_rate: 1 };
    const refused = await answer(call("POST", "/api/staff/", { token: admin.token, json }));
    expect(refused.body.errors).toEqual([{ field: "salary", code: "required", message: "Required" }]);
  });
});

describe("SALES", () => {
  test("reaches its own profile and metrics by the id it knows, its user's", async () => {
    const [sam, sue] = [await person("SALES"), await person("SALES")];
    const own = await answer(call("GET", `/api/staff/${sam.id}/`, { token: sam.token }));
    expect([own.status, own.body.user]).toEqual([200, sam.id]);
    expect((await call("GET", `/api/staff/${sam.id}/metrics/`, { token: sam.token })).status).toBe(200);
    expect((await call("GET", `/api/staff/${sam.id}/`, { token: sue.token })).status).toBe(404);
  });
});

describe("metrics of a span", () => {
  test("count sales and their commission by the same day, that of the sale", async () => {
    const [sam, buyer] = [await person("SALES"), await person()];
    await call("POST", "/api/sales/", {
      token: sam.token,
      json: {
        car: await car(),
        customer: buyer.id,
        sale_price: "1000.00",
        payment_method: "CASH",
        sale_datetime: "2025-10-15T12:00:00Z",
      },
    });
    expect(await db.$count(commissions, eq(commissions.salespersonId, sam.id))).toBe(1);
    const profile = await db.select().from(staffProfiles).where(eq(staffProfiles.userId, sam.id)).get();
    const path = `/api/staff/${profile?.id}/metrics/?from=2025-10-01&to=2025-10-31`;
    expect((await answer(call("GET", path, { token: sam.token }))).body).toMatchObject({
      total_sales_count: 1,
      total_revenue: "1000.00",
      total_commission: "25.00",
    });
  });
});

describe("paths outside the API", () => {
  test.each(["/healthz/", "/readyz/", "/openapi.json/", "/docs/", "/reset-password/"])(
    "%s answers",
    async (path) => {
      expect((await call("GET", path)).status).toBe(200);
    },
  );

  test.each(["/healthz", "/openapi.json", "/docs", "/"])("POST %s is 405 with Allow", async (path) => {
    const refused = await call("POST", path);
    expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });
});

describe("what was said to one caller", () => {
  test("is not for caches", async () => {
    const { token } = await person();
    expect((await call("GET", "/api/auth/me/", { token })).headers.get("Cache-Control")).toBe("no-store");
  });
});

describe("a write of the catalog", () => {
  test("that the car's calendar carried out answers the bookmark of the calendar's session", async () => {
    const [{ token }, id] = [await person("SALES"), await car()];
    const calendar = { execute: async () => ({ ok: true, committed: true, bookmark: "the-calendars-own" }) };
    const surroundings = { ...env, CAR_COORDINATOR: { getByName: () => calendar } } as unknown as Env;
    const request = new Request(`http://dealership.test/api/cars/${id}/`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${token}` },
    });
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const removed = await createApp().fetch(request, surroundings, context);
    expect([removed.status, removed.headers.get("X-D1-Bookmark")]).toEqual([204, "the-calendars-own"]);
  });
});
