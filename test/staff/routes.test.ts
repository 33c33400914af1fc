import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookings, commissions, staffProfiles, users } from "../../src/db/schema.ts";
import { BOOKING_STATUSES } from "../../src/shared/enums.ts";
import { metricsSchema, staffSchema } from "../../src/staff/schemas.ts";
import { answer, booking, call, car, db, person, slot } from "../support/world.ts";

let made = 0;
const newStaff = (more: { email?: string; [member: string]: unknown } = {}) => ({
  username: `seller-${++made}-${crypto.randomUUID().slice(0, 6)}`,
  password: "a quiet engine",
  salary: "3500.00",
  commission_rate: "2.50",
  ...more,
});

const create = (token: string, json: unknown, headers = {}) =>
  answer(call("POST", "/api/staff/", { token, json, headers }));

const profileOf = async (userId: string) =>
  (await db.select().from(staffProfiles).where(eq(staffProfiles.userId, userId)).get())?.id ?? "";

describe("creating a staff member", () => {
  test("makes a profile and a user who can sign in as SALES", async () => {
    const admin = await person("ADMIN");
    const input = newStaff({ first_name: "Sue", hire_date: "2024-04-01" });
    const made = await create(admin.token, input);
    expect(made.status).toBe(201);
    expect(staffSchema.parse(made.body)).toMatchObject({
      username: input.username,
      first_name: "Sue",
      role: "SALES",
      salary: "3500.00",
      commission_rate: "2.50",
      hire_date: "2024-04-01",
      total_sales_count: 0,
      is_active: true,
    });
    const { username, password } = input;
    const session = await answer(call("POST", "/api/auth/login/", { json: { username, password } }));
    expect(session.body.user).toMatchObject({ id: made.body.user, role: "SALES" });
    const found = await answer(call("GET", made.headers.get("Location") ?? "", { token: admin.token }));
    expect(found.body).toEqual(made.body);
  });

  test("without a hire date uses today (the Django service answered 500 and kept the user)", async () => {
    const admin = await person("ADMIN");
    const made = await create(admin.token, newStaff());
    expect(made.body.hire_date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  });

  test("with a taken name or e-mail is refused and stores nothing", async () => {
    const admin = await person("ADMIN");
    const first = newStaff({ email: `${crypto.randomUUID()}@example.com` });
    await create(admin.token, first);
    const before = await db.$count(users);
    const name = await create(admin.token, newStaff({ username: first.username.toUpperCase() }));
    expect([name.status, name.body.errors[0].field]).toEqual([400, "username"]);
    const email = await create(admin.token, newStaff({ email: first.email }));
    expect([email.status, email.body.errors[0].field]).toEqual([400, "email"]);
    expect(await db.$count(users)).toBe(before);
  });

  test.each([
    ["a rate of 150", { commission_rate: "150" }, "commission_rate"],
    ["a rate of -5", { commission_rate: -5 }, "commission_rate"],
    ["a rate with three decimals", { commission_rate: "2.555" }, "commission_rate"],
    ["a negative salary", { salary: "-1" }, "salary"],
    ["a salary in exponents", { salary: "1e3" }, "salary"],
    ["a salary of eleven digits", { salary: "12345678901" }, "salary"],
    ["no salary", { salary: undefined }, "salary"],
    ["the password 1", { password: "1" }, "password"],
    ["the role CUSTOMER", { role: "CUSTOMER" }, "role"],
    ["a day that does not exist", { hire_date: "2026-02-30" }, "hire_date"],
    ["a day in the year 0", { hire_date: "0000-01-01" }, "hire_date"],
  ])("with %s is refused with the field named", async (_, change, field) => {
    const admin = await person("ADMIN");
    const refused = await create(admin.token, newStaff(change));
    expect(refused.status).toBe(400);
    expect(refused.body.errors.map((error: { field: string }) => error.field)).toContain(field);
  });

  test("again with the same key gets the same answer", async () => {
    const admin = await person("ADMIN");
    const [input, headers] = [newStaff(), { "Idempotency-Key": crypto.randomUUID() }];
    const [first, second] = [
      await create(admin.token, input, headers),
      await create(admin.token, input, headers),
    ];
    expect([first.status, second.status, second.body]).toEqual([201, 201, first.body]);
    expect(second.headers.get("Location")).toBe(first.headers.get("Location"));
  });
});

describe("salaries", () => {
  test("are visible to ADMIN and to the staff member; another SALES does not find the profile", async () => {
    const [admin, sam, sue] = [await person("ADMIN"), await person("SALES"), await person("SALES")];
    const path = `/api/staff/${await profileOf(sam.id)}/`;
    expect((await answer(call("GET", path, { token: admin.token }))).body.salary).toBe("1.00");
    expect((await answer(call("GET", path, { token: sam.token }))).body.salary).toBe("1.00");
    for (const hidden of [path, `${path}metrics/`, `/api/staff/${crypto.randomUUID()}/`])
      expect((await answer(call("GET", hidden, { token: sue.token }))).body.code).toBe("not_found");
    expect((await call("GET", "/api/staff/", { token: sue.token })).status).toBe(403);
    expect((await call("GET", path, { token: (await person()).token })).status).toBe(403);
  });

  test("and metrics are also found by the id of the user", async () => {
    const [sam, sue] = [await person("SALES"), await person("SALES")];
    const own = await answer(call("GET", `/api/staff/${sam.id}/`, { token: sam.token }));
    expect([own.status, own.body.user]).toEqual([200, sam.id]);
    expect((await call("GET", `/api/staff/${sam.id}/metrics/`, { token: sam.token })).status).toBe(200);
    expect((await call("GET", `/api/staff/${sam.id}/`, { token: sue.token })).status).toBe(404);
  });

  test("and rates can be changed only by ADMIN", async () => {
    const [admin, sam] = [await person("ADMIN"), await person("SALES")];
    const path = `/api/staff/${await profileOf(sam.id)}/`;
    const json = { salary: 4000, commission_rate: "3.00", total_sales_count: 99, username: "x" };
    expect((await call("PATCH", path, { token: sam.token, json })).status).toBe(403);
    const changed = await answer(call("PATCH", path, { token: admin.token, json }));
    expect(changed.body).toMatchObject({ salary: "4000.00", commission_rate: "3.00", total_sales_count: 0 });
  });
});

describe("the access of a staff member", () => {
  test("ends with the next request after a deactivation, and they cannot sign in again", async () => {
    const admin = await person("ADMIN");
    const input = newStaff();
    const made = await create(admin.token, input);
    const credentials = { username: input.username, password: input.password };
    const session = await answer(call("POST", "/api/auth/login/", { json: credentials }));
    const token = session.body.access;
    expect((await call("GET", `/api/staff/${made.body.id}/`, { token })).status).toBe(200);
    const left = await answer(
      call("PATCH", `/api/staff/${made.body.id}/`, { token: admin.token, json: { is_active: false } }),
    );
    expect(left.body.is_active).toBe(false);
    expect((await call("GET", `/api/staff/${made.body.id}/`, { token })).status).toBe(401);
    expect((await call("POST", "/api/auth/login/", { json: credentials })).status).toBe(401);
    const { refresh } = session.body;
    expect((await call("POST", "/api/auth/refresh/", { json: { refresh } })).status).toBe(401);
    // Coming back does not bring the old session back.
    await call("PATCH", `/api/staff/${made.body.id}/`, { token: admin.token, json: { is_active: true } });
    expect((await call("GET", `/api/staff/${made.body.id}/`, { token })).status).toBe(401);
    expect((await call("POST", "/api/auth/login/", { json: credentials })).status).toBe(200);
  });

  test("becomes that of SALES with the next request after a demotion", async () => {
    const [boss, admin] = [await person("ADMIN"), await person("ADMIN")];
    const path = `/api/staff/${await profileOf(admin.id)}/`;
    expect((await call("GET", "/api/staff/", { token: admin.token })).status).toBe(200);
    await call("PATCH", path, { token: boss.token, json: { role: "SALES" } });
    expect((await call("GET", "/api/staff/", { token: admin.token })).status).toBe(403);
  });

  test("cannot be taken from the last active administrator, even when two are deactivated concurrently", async () => {
    await db
      .update(users)
      .set({ role: "SALES" })
      .where(eq(users.role, "ADMIN"))
      .catch(() => {});
    const [one, two] = [await person("ADMIN"), await person("ADMIN")];
    const others = await db.select({ id: users.id }).from(users).where(eq(users.role, "ADMIN"));
    for (const { id } of others.filter(({ id }) => id !== one.id && id !== two.id))
      await db.update(users).set({ isActive: false }).where(eq(users.id, id));
    const leave = async (who: { id: string; token: string }, json: unknown) =>
      answer(call("PATCH", `/api/staff/${await profileOf(who.id)}/`, { token: who.token, json }));
    const both = await Promise.all([leave(one, { is_active: false }), leave(two, { role: "SALES" })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body.code).toBe("last_admin");
  });
});

test("the sales of a staff member are counted while they stand: one that is void is not", async () => {
  const [admin, sam, customer, carId] = [
    await person("ADMIN"),
    await person("SALES"),
    await person(),
    await car(),
  ];
  const json = { car: carId, customer: customer.id, sale_price: "100.00", payment_method: "CASH" };
  const sale = await answer(call("POST", "/api/sales/", { token: sam.token, json }));
  const count = async () =>
    (await answer(call("GET", `/api/staff/${sam.id}/`, { token: sam.token }))).body.total_sales_count;
  expect(await count()).toBe(1);
  const voided = { token: admin.token, json: { reason: "the loan fell through" } };
  expect((await call("POST", `/api/sales/${sale.body.id}/void/`, voided)).status).toBe(200);
  expect(await count()).toBe(0);
});

describe("metrics", () => {
  test("are strings for money and cover the requested days", async () => {
    const [sam, customer] = [await person("SALES"), await person()];
    const id = await booking({
      carId: await car(),
      customerId: customer.id,
      startAt: slot(-2),
      status: "COMPLETED",
    });
    await db.update(bookings).set({ handledBy: sam.id }).where(eq(bookings.id, id));
    const path = `/api/staff/${await profileOf(sam.id)}/metrics/`;
    const all = await answer(call("GET", path, { token: sam.token }));
    expect(metricsSchema.parse(all.body)).toEqual({
      total_sales_count: 0,
      total_revenue: "0.00",
      total_commission: "0.00",
      totals: [],
      test_drives_completed: 1,
    });
    const day = (days: number) => new Date(slot(days)).toISOString().slice(0, 10);
    const within = async (query: string) =>
      (await answer(call("GET", `${path}?${query}`, { token: sam.token }))).body.test_drives_completed;
    expect(await within(`from=${day(-2)}&to=${day(-2)}`)).toBe(1);
    expect(await within(`from=${day(-1)}`)).toBe(0);
    expect(await within(`to=${day(-3)}`)).toBe(0);
  });

  test("include a sale and its commission by the day of the sale", async () => {
    const [sam, buyer] = [await person("SALES"), await person()];
    await call("POST", "/api/sales/", {
      token: sam.token,
      json: {
        car: await car({ createdAt: Date.UTC(2025, 8, 1) }),
        customer: buyer.id,
        sale_price: "1000.00",
        payment_method: "CASH",
        sale_datetime: "2025-10-15T12:00:00Z",
      },
    });
    expect(await db.$count(commissions, eq(commissions.salespersonId, sam.id))).toBe(1);
    const path = `/api/staff/${await profileOf(sam.id)}/metrics/?from=2025-10-01&to=2025-10-31`;
    expect((await answer(call("GET", path, { token: sam.token }))).body).toMatchObject({
      total_sales_count: 1,
      total_revenue: "1000.00",
      total_commission: "25.00",
    });
  });

  test("have the sums of each currency, and never add different ones", async () => {
    const [admin, sam, buyer] = [await person("ADMIN"), await person("SALES"), await person()];
    const sell = async (currency: string, sale_price: string) =>
      answer(
        call("POST", "/api/sales/", {
          token: sam.token,
          json: {
            car: await car({ currency }),
            customer: buyer.id,
            sale_price,
            payment_method: "CASH",
          },
        }),
      );
    await sell("USD", "9999999999.99");
    await sell("EUR", "100.00");
    await sell("EUR", "200.00");
    await sell("IRR", "9000000000.00");
    const mistake = await sell("CHF", "5.00");
    await call("POST", `/api/sales/${mistake.body.id}/void/`, {
      token: admin.token,
      json: { reason: "a typing error" },
    });
    const metrics = await answer(call("GET", `/api/staff/${sam.id}/metrics/`, { token: sam.token }));
    expect(metricsSchema.parse(metrics.body)).toEqual({
      total_sales_count: 4,
      total_revenue: "300.00",
      total_commission: "7.50",
      totals: [
        { currency: "EUR", sales_count: 2, revenue: "300.00", commission: "7.50" },
        { currency: "IRR", sales_count: 1, revenue: "9000000000.00", commission: "225000000.00" },
        { currency: "USD", sales_count: 1, revenue: "9999999999.99", commission: "250000000.00" },
      ],
      test_drives_completed: 0,
    });
  });

  test("count no test drive that is not completed", async () => {
    const [sam, customer] = [await person("SALES"), await person()];
    const row = { carId: await car(), customerId: customer.id, handledBy: sam.id };
    for (const [index, status] of BOOKING_STATUSES.entries())
      await booking({ ...row, startAt: slot(-2, index), status });
    const path = `/api/staff/${await profileOf(sam.id)}/metrics/`;
    expect((await answer(call("GET", path, { token: sam.token }))).body.test_drives_completed).toBe(1);
  });

  test("are refused for days that do not exist and for spans that end before they begin", async () => {
    const sam = await person("SALES");
    const path = `/api/staff/${await profileOf(sam.id)}/metrics/`;
    for (const query of ["from=2026-02-30", "from=2026-02-02&to=2026-02-01", "since=2026-01-01"])
      expect((await call("GET", `${path}?${query}`, { token: sam.token })).status).toBe(400);
  });
});
