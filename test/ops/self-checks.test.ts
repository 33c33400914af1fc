/** Each rule is broken by SQL, past the trigger or index that keeps it, and the self-check says so. */
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { runCron } from "../../src/cron.ts";
import { openDatabase } from "../../src/db/client.ts";
import { absences, bookings, cars, jobRuns, notifications, sales, users } from "../../src/db/schema.ts";
import { CHECKS, type CheckName, facetAt, isCheckTime, runSelfChecks } from "../../src/ops/self-checks.ts";
import { databaseWith } from "../support/faults.ts";
import { watchLog } from "../support/logs.ts";
import { booked, HOUR_MS, mailbox, noticeOf, notify, queueOf, session, tools } from "../support/outbox.ts";
import { booking, car, db, person, slot } from "../support/world.ts";

const NAMES = Object.keys(CHECKS) as CheckName[];
const NONE = Object.fromEntries(NAMES.map((name) => [name, 0]));
const MINUTE_MS = 60_000;

let log: ReturnType<typeof watchLog>;
beforeEach(() => {
  log = watchLog();
});
afterEach(() => log.end());

const check = (more: { most?: number; now?: number } = {}) => {
  const config = readConfig(env);
  const most = more.most ?? config.activeBookings.most;
  const now = more.now ?? Date.now();
  return runSelfChecks(session(), { ...config, activeBookings: { most, mostUnverified: most } }, () => now);
};

/** Runs SQL while a trigger or index does not exist, and makes it again. */
async function without(name: string, work: () => Promise<unknown>): Promise<() => Promise<void>> {
  const [found] = (
    await env.DB.prepare("SELECT type, sql FROM sqlite_master WHERE name = ?").bind(name).all()
  ).results as { type: string; sql: string }[];
  if (!found) throw new Error(`there is no ${name}`);
  await env.DB.prepare(`DROP ${found.type} ${name}`).run();
  await work();
  return async () => {
    await env.DB.prepare(found.sql).run();
  };
}

/** A time at which a facet is recounted, after all that the tests do. */
function timeOf(facet: string): number {
  const hours = Array.from({ length: 24 }, (_, hour) => Date.now() + hour * HOUR_MS);
  const found = hours.find((now) => facetAt(now).facet === facet);
  if (!found) throw new Error(`${facet} is not recounted`);
  return found;
}

const run = (sql: string, ...values: unknown[]) =>
  env.DB.prepare(sql)
    .bind(...values)
    .run();

/** Expects that this check alone fails, and that it is logged. */
async function expectFailure(name: CheckName, failures: number, more: Parameters<typeof check>[0] = {}) {
  expect(await check(more)).toEqual({ ...NONE, [name]: failures });
  expect(log.lines("selfcheck.")).toEqual([
    expect.objectContaining({ event: "selfcheck.failed", check: name, failures }),
  ]);
}

async function sale(carId: string): Promise<string> {
  const [buyer, seller, id] = [await person(), await person("SALES"), crypto.randomUUID()];
  await db.insert(sales).values({
    id,
    carId,
    customerId: buyer.id,
    salespersonId: seller.id,
    salePriceCents: 1,
    currency: "EUR",
    paymentMethod: "CASH",
    saleAt: 1,
    createdAt: 1,
  });
  return id;
}

async function soldCar() {
  const carId = await car();
  const saleId = await sale(carId);
  await db.update(cars).set({ status: "SOLD" }).where(eq(cars.id, carId));
  return { carId, saleId };
}

describe("the self-checks", () => {
  test("find nothing in a sound database, and record that", async () => {
    const { id: customerId } = await person();
    const carId = await car();
    await booking({ carId, customerId, startAt: slot(2), status: "APPROVED" });
    await booking({ carId, customerId, startAt: slot(2, 1), status: "PENDING" });
    await booking({ carId, customerId, startAt: slot(2), status: "CANCELLED" });
    await soldCar();
    expect(await check()).toEqual(NONE);
    expect(log.lines("selfcheck.")).toEqual([]);
    const [row] = await db.select().from(jobRuns).where(eq(jobRuns.job, "self_check"));
    expect(JSON.parse(row?.result ?? "")).toEqual(NONE);
  });

  test("find two active bookings of a car that overlap", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    await booking({ carId, customerId, startAt: slot(3), status: "APPROVED" });
    let second = "";
    const repair = await without("allocations_no_overlap", async () => {
      second = await booking({ carId, customerId, startAt: slot(3) + 1, status: "PENDING" });
    });
    await expectFailure("bookings_overlap", 2);
    await db.update(bookings).set({ status: "CANCELLED" }).where(eq(bookings.id, second));
    await repair();
    expect(await check()).toEqual(NONE);
  });

  test("find an active booking whose customer is not allocated", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    const id = await booking({ carId, customerId, startAt: slot(3), status: "APPROVED" });
    const repair = await without("allocations_stay_while_needed", async () => {
      await env.DB.prepare("DELETE FROM allocations WHERE booking_id = ? AND kind = 'CUSTOMER'")
        .bind(id)
        .run();
    });
    await expectFailure("bookings_allocated", 1);
    await db.update(bookings).set({ status: "CANCELLED" }).where(eq(bookings.id, id));
    await repair();
    expect(await check()).toEqual(NONE);
  });

  test.each([
    ["is in two drives", "allocations_no_overlap", 2],
    ["is absent", "allocations_not_while_absent", 1],
    ["has left", "bookings_salesperson_is_staff_on_insert", 1],
  ] as const)("find a coming drive whose salesperson %s", async (why, rule, failures) => {
    const seller = await person("SALES");
    const chosen = { salespersonId: seller.id, assignedBy: "STAFF", status: "APPROVED" } as const;
    const drive = async () => {
      const { id: customerId } = await person();
      return booking({ carId: await car(), customerId, startAt: slot(3), ...chosen });
    };
    const away = {
      id: crypto.randomUUID(),
      userId: seller.id,
      startAt: slot(3),
      endAt: slot(4),
      createdAt: 0,
    };
    if (why === "is in two drives") await drive();
    if (why === "is absent") await db.insert(absences).values(away);
    if (why === "has left") await db.update(users).set({ isActive: false }).where(eq(users.id, seller.id));
    const repair = await without(rule, async () => {
      await drive();
    });
    await expectFailure("salespeople_free", failures);
    await db.update(bookings).set({ status: "CANCELLED" }).where(eq(bookings.salespersonId, seller.id));
    await repair();
    expect(await check()).toEqual(NONE);
  });

  test("find a customer with more coming bookings than the variable allows", async () => {
    const { id: customerId } = await person();
    for (const index of [0, 1, 2])
      await booking({ carId: await car(), customerId, startAt: slot(4, index), status: "APPROVED" });
    expect(await check({ most: 3 })).toEqual(NONE);
    await expectFailure("customer_caps", 1, { most: 2 });
    await db.update(bookings).set({ status: "CANCELLED" }).where(eq(bookings.customerId, customerId));
    expect(await check({ most: 2 })).toEqual(NONE);
  });

  test("find a car that is sold without a sale, and one with a sale that is not sold", async () => {
    const carId = await car();
    const other = await soldCar();
    const repair = await without("cars_sold_only_with_open_sale", async () => {
      await db.update(cars).set({ status: "SOLD" }).where(eq(cars.id, carId));
      await db.update(cars).set({ status: "AVAILABLE" }).where(eq(cars.id, other.carId));
    });
    await expectFailure("open_sales", 2);
    await db.update(cars).set({ status: "AVAILABLE" }).where(eq(cars.id, carId));
    await db.update(cars).set({ status: "SOLD" }).where(eq(cars.id, other.carId));
    await repair();
    expect(await check()).toEqual(NONE);
  });

  test("find a car with two open sales", async () => {
    const { carId } = await soldCar();
    let second = "";
    const index = await without("sales_one_open_per_car", async () => {});
    const trigger = await without("sales_only_of_cars_in_stock", async () => {
      second = await sale(carId);
    });
    await expectFailure("open_sales", 1);
    const guard = await without("sales_are_never_deleted", () =>
      run("DELETE FROM sales WHERE id = ?", second),
    );
    for (const repair of [index, trigger, guard]) await repair();
    expect(await check()).toEqual(NONE);
  });

  test("find kept counts that a recount does not give: too many, too few, and of nothing", async () => {
    await car({ make: "Countable", makeKey: "countable" });
    const now = timeOf("make");
    const add = (n: number) =>
      run("UPDATE car_counts SET n = n + ? WHERE facet = 'make' AND value = 'countable'", n);
    await add(1);
    await expectFailure("car_counts", 1, { now });
    await add(-2);
    expect(await check({ now })).toMatchObject({ car_counts: 1 });
    await add(1);
    expect(await check({ now })).toMatchObject({ car_counts: 0 });
    await run("INSERT INTO car_counts (facet, value, status, label, n) VALUES ('make', 'x', 'SOLD', '', 1)");
    expect(await check({ now })).toMatchObject({ car_counts: 1 });
    await run("DELETE FROM car_counts WHERE value = 'x'");
  });

  test("recount every facet in turn", async () => {
    const gone = await car({ discountPriceCents: 100, driveType: "AWD" });
    const names = await env.DB.prepare("SELECT DISTINCT facet FROM car_count_keys").all<{ facet: string }>();
    const facets = names.results.map(({ facet }) => facet);
    expect(facets).toHaveLength(14);
    const failuresOf = async (facet: string) => (await check({ now: timeOf(facet) })).car_counts;
    for (const facet of facets) expect(await failuresOf(facet), facet).toBe(0);
    const repair = await without("car_counts_on_delete", () => run("DELETE FROM cars WHERE id = ?", gone));
    for (const facet of facets) expect(await failuresOf(facet), facet).toBe(1);
    await repair();
    await run("DELETE FROM car_counts");
    await run(`INSERT INTO car_counts (facet, value, status, label, n)
      SELECT facet, value, status, max(label), count(*) FROM car_count_keys GROUP BY 1, 2, 3`);
    expect(await failuresOf("make")).toBe(0);
  });

  test("find a mail that has been due for more than ten minutes, but not one that waits for its turn", async () => {
    const [made, now] = [await booked(), Date.now()];
    const [first = ""] = await notify([noticeOf("booking_received", made)], now - 11 * MINUTE_MS);
    await notify([noticeOf("booking_approved", made)], now - 11 * MINUTE_MS);
    await expectFailure("overdue_mails", 1, { now });
    expect(await check({ now: now - 2 * MINUTE_MS })).toEqual(NONE);
    // A back-off is no delay of ours.
    await db
      .update(notifications)
      .set({ attempts: 3, nextAttemptAt: now + HOUR_MS })
      .where(eq(notifications.id, first));
    expect(await check({ now })).toEqual(NONE);
  });

  test("go on when one of them cannot be made, and say so", async () => {
    const DB = databaseWith((batch, index) =>
      index === 2 ? Promise.reject(new Error("D1 DB exceeded its limit")) : batch(),
    );
    const db = openDatabase(DB, "first-primary");
    const results = await runSelfChecks(db, readConfig(env), Date.now);
    expect(results).toEqual({ ...NONE, [NAMES[1] ?? ""]: null });
    expect(log.lines("selfcheck.")).toEqual([
      expect.objectContaining({ check: NAMES[1], error: "Error: D1 DB exceeded its limit" }),
    ]);
  });
});

describe("the cron", () => {
  const HOUR = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const runAt = (now: number) => runCron(queueOf().queue, env.PHOTOS, tools(mailbox().send, now));
  const finishedAt = async (job: string) =>
    (await db.select().from(jobRuns).where(eq(jobRuns.job, job)))[0]?.finishedAt;

  test("makes the self-checks once an hour", async () => {
    expect(
      Array.from({ length: 60 }, (_, minute) => isCheckTime(HOUR + minute * MINUTE_MS)).filter(Boolean),
    ).toEqual([true]);
    await runAt(HOUR + 30 * MINUTE_MS);
    await runAt(HOUR + 31 * MINUTE_MS);
    expect(await finishedAt("self_check")).toBe(HOUR + 30 * MINUTE_MS);
    expect(await finishedAt("cron")).toBe(HOUR + 31 * MINUTE_MS);
    expect(await db.$count(jobRuns)).toBe(2);
  });

  test("records a run by one row, and only when it was whole", async () => {
    const using = tools(mailbox().send, HOUR + 32 * MINUTE_MS);
    await runCron(queueOf().queue, env.PHOTOS, using);
    const before = using.db.cost().rowsWritten;
    await runCron(queueOf().queue, env.PHOTOS, using);
    expect(using.db.cost().rowsWritten - before).toBe(1);
    const photos = { list: () => Promise.reject(new Error("the bucket is away")) } as unknown as R2Bucket;
    const db = openDatabase(
      databaseWith((batch, index) => (index === 4 ? Promise.reject(new Error("no such column")) : batch())),
      "first-primary",
    );
    const failing = { ...tools(mailbox().send, HOUR + 33 * MINUTE_MS), db };
    await expect(runCron(queueOf().queue, photos, failing)).rejects.toThrow("no such column");
    expect(await finishedAt("cron")).toBe(HOUR + 32 * MINUTE_MS);
  });
});
