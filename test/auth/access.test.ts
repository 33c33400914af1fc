import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookings, cars, sessions, users } from "../../src/db/schema.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

type Customer = Awaited<ReturnType<typeof person>>;

/** What ends somebody's say between one request and the next, and what they are answered then. */
const ENDINGS: Array<
  [title: string, end: (customer: Customer) => Promise<unknown>, status: number, code: string]
> = [
  [
    "was deactivated",
    ({ id }) => db.update(users).set({ isActive: false }).where(eq(users.id, id)),
    401,
    "invalid_token",
  ],
  [
    "signed out",
    ({ id }) => db.update(sessions).set({ endedAt: Date.now() }).where(eq(sessions.userId, id)),
    401,
    "invalid_token",
  ],
  [
    "became staff",
    ({ id }) => db.update(users).set({ role: "SALES" }).where(eq(users.id, id)),
    403,
    "forbidden",
  ],
];

const DAY = iso(slot(3)).slice(0, 10);

const bookingsOf = (id: string) => db.select().from(bookings).where(eq(bookings.customerId, id));

describe.each(ENDINGS)("a caller who %s", (_, end, status, code) => {
  test("books nothing with the next request, although that request is verified only in its commit", async () => {
    const [customer, carId] = [await person(), await car()];
    await call("GET", `/api/cars/${carId}/available-slots/?date=2030-01-01`);
    await end(customer);
    for (const headers of [{}, { "Idempotency-Key": "one" }] as Record<string, string>[]) {
      const json = { car: carId, start_at: iso(slot(3)) };
      const refused = await answer(call("POST", "/api/bookings/", { token: customer.token, json, headers }));
      expect(refused).toMatchObject({ status, body: { code } });
    }
    expect(await bookingsOf(customer.id)).toEqual([]);
    // The coordinator's memory does not contain it either.
    const other = await person();
    const json = { car: carId, start_at: iso(slot(3)) };
    expect((await call("POST", "/api/bookings/", { token: other.token, json })).status).toBe(201);
  });

  test("learns nothing from a request that is refused for another reason", async () => {
    const [customer, carId] = [await person(), await car()];
    await booking({ carId, customerId: (await person()).id, startAt: slot(3) });
    await end(customer);
    for (const json of [
      { car: carId, start_at: iso(slot(3)) },
      { car: carId, start_at: "yesterday" },
      { car: crypto.randomUUID(), start_at: iso(slot(3)) },
      // Staff may book as well, so what a body needs is theirs to know.
      ...(code === "forbidden" ? [] : [{}]),
    ]) {
      const refused = await answer(call("POST", "/api/bookings/", { token: customer.token, json }));
      expect(refused).toMatchObject({ status, body: { code } });
    }
  });

  test("does not get a stored answer by its Idempotency-Key", async () => {
    const [customer, carId] = [await person(), await car()];
    const request = () =>
      answer(
        call("POST", "/api/bookings/", {
          token: customer.token,
          json: { car: carId, start_at: iso(slot(3)) },
          headers: { "Idempotency-Key": "again" },
        }),
      );
    const made = await request();
    expect(made.status).toBe(201);
    expect(await request()).toMatchObject({ status: 201, body: made.body });
    await end(customer);
    expect(await request()).toMatchObject({ status, body: { code } });
  });

  test("reads nothing", async () => {
    const [customer, carId] = [await person(), await car()];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(3) });
    await end(customer);
    const refused = await answer(call("GET", "/api/bookings/me/", { token: customer.token }));
    expect(refused).toMatchObject({ status, body: { code } });
    const cancelled = await answer(call("PATCH", `/api/bookings/${id}/cancel/`, { token: customer.token }));
    // Staff may cancel what a customer may.
    expect(cancelled.status).toBe(status === 403 ? 200 : 401);
  });
});

describe("what anybody may read", () => {
  const read = (path: string, token?: string) => answer(call("GET", path, { token }));

  test("is answered to a customer whose session has ended as to anybody", async () => {
    const [customer, carId] = [await person(), await car()];
    await db.update(sessions).set({ endedAt: 1 }).where(eq(sessions.userId, customer.id));
    for (const path of [`/api/cars/${carId}/`, `/api/cars/${carId}/available-slots/?date=${DAY}`]) {
      const anybody = await read(path);
      expect(await read(path, customer.token)).toMatchObject({ status: 200, body: anybody.body });
    }
  });

  test("is refused to staff whose session has ended, and answered as to anybody once they are no longer staff", async () => {
    const [gone, moved] = [await person("SALES"), await person("SALES")];
    const carId = await car({ status: "REMOVED" });
    const paths = ["/api/cars/", "/api/cars/facets/", `/api/cars/${carId}/`];
    expect((await read(`/api/cars/${carId}/`, moved.token)).status).toBe(200);
    await db.update(sessions).set({ endedAt: 1 }).where(eq(sessions.userId, gone.id));
    await db.update(users).set({ role: "CUSTOMER" }).where(eq(users.id, moved.id));
    for (const path of paths) {
      expect(await read(path, gone.token)).toMatchObject({ status: 401, body: { code: "invalid_token" } });
      const anybody = await read(path);
      const seen = await read(path, moved.token);
      expect([seen.status, seen.body.results, seen.body.status]).toEqual([
        anybody.status,
        anybody.body.results,
        anybody.body.status,
      ]);
    }
    const slots = await read(`/api/cars/${await car()}/available-slots/?date=${DAY}`, gone.token);
    expect(slots.status).toBe(401);
  });
});

test("the database accepts the write of a signed-in caller and of no other caller", async () => {
  const customer = await person();
  const session = await db.select().from(sessions).where(eq(sessions.userId, customer.id)).get();
  const check = (role: string) =>
    env.DB.prepare("INSERT INTO signed_in (user_id, session_id, role) VALUES (?, ?, ?)")
      .bind(customer.id, session?.id ?? "", role)
      .run();
  await expect(check("CUSTOMER")).resolves.toMatchObject({ success: true });
  await expect(check("ADMIN")).rejects.toThrow(/not_signed_in/);
});

test("a repeated request of a caller who has signed out is refused without a header of the stored answer", async () => {
  const [customer, carId] = [await person(), await car()];
  const request = {
    token: customer.token,
    json: { car: carId, start_at: iso(slot(2)) },
    headers: { "Idempotency-Key": crypto.randomUUID() },
  };
  expect((await call("POST", "/api/bookings/", request)).status).toBe(201);
  await db.update(sessions).set({ endedAt: 1 }).where(eq(sessions.userId, customer.id));
  const refused = await call("POST", "/api/bookings/", request);
  expect(refused.status).toBe(401);
  expect([refused.headers.get("Location"), refused.headers.get("Idempotency-Replayed")]).toEqual([
    null,
    null,
  ]);
});

describe("a member of staff whose role changed after their token was issued", () => {
  const add = (token: string, vin: string) =>
    answer(
      call("POST", "/api/cars/", {
        token,
        json: {
          vin,
          make: "Audi",
          model: "A4",
          year: 2022,
          mileage: 1,
          fuel_type: "PETROL",
          transmission: "MANUAL",
          color: "Grey",
          body_type: "WAGON",
          base_price: "20000.00",
        },
      }),
    );
  const stocked = (vin: string) => db.select().from(cars).where(eq(cars.vin, vin));

  test("writes what the new role may write, in a transaction that verifies that role", async () => {
    const { id, token } = await person("SALES");
    await db.update(users).set({ role: "ADMIN" }).where(eq(users.id, id));
    expect((await add(token, "PROMOTED")).status).toBe(201);
    expect(await stocked("PROMOTED")).toHaveLength(1);
  });

  test("writes nothing when the new role may not", async () => {
    const { id, token } = await person("SALES");
    await db.update(users).set({ role: "CUSTOMER" }).where(eq(users.id, id));
    expect(await add(token, "DEMOTED")).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await stocked("DEMOTED")).toEqual([]);
  });

  test("sees the sales that the new role may see", async () => {
    const [admin, seller] = [await person("ADMIN"), await person("SALES")];
    await person("ADMIN");
    const json = { customer: (await person()).id, sale_price: "100.00", payment_method: "CASH" };
    const sold = await call("POST", "/api/sales/", {
      token: seller.token,
      json: { ...json, car: await car() },
    });
    expect(sold.status).toBe(201);
    const count = async (token: string) => (await answer(call("GET", "/api/sales/", { token }))).body.count;
    expect(await count(admin.token)).toBeGreaterThan(0);
    await db.update(users).set({ role: "SALES" }).where(eq(users.id, admin.id));
    expect(await count(admin.token)).toBe(0);
  });
});
