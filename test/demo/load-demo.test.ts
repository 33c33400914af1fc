import { env } from "cloudflare:workers";
import { and, count, eq, gt, inArray, lt, ne } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookings, cars, commissions, driveShares, sales, users } from "../../src/db/schema.ts";
import { overlaps } from "../../src/shared/showroom-time.ts";
import { inShift, isWithinHours } from "../../src/showrooms/schedule.ts";
import { demoCars, demoPeople } from "../../tools/demo/demo-data.ts";
import { demoBookings, standing } from "../../tools/demo/demo-history.ts";
import { loadDemo, schedulesIn } from "../../tools/demo/load-demo.ts";
import { db } from "../support/world.ts";

const DEFAULTS = { name: "Edge Motors", timeZone: env.SHOWROOM_TIME_ZONE, horizonDays: 365 };
const load = (photos = async () => {}) => loadDemo(env.DB, DEFAULTS, Date.now(), photos);
const countOf = async (rows: Promise<{ n: number }[]>) => (await rows)[0]?.n ?? 0;

describe("the demo data", () => {
  // First: later there are users.
  test("is loaded once, also after it was interrupted", async () => {
    const fault = new Error("the disk is full");
    await expect(load(() => Promise.reject(fault))).rejects.toThrow(fault);
    expect(await load()).toMatch(/^2 showrooms, 360 cars with 405 photos, 29 users, \d+ bookings, 30 sales$/);
    expect(await load()).toBeUndefined();
  });

  test("has cars in stock, drives that wait to be completed, and sales with their commissions", async () => {
    const n = count().as("n");
    const inStock = db.select({ n }).from(cars).where(ne(cars.status, "SOLD")).groupBy(cars.showroomId);
    expect(await inStock).toEqual([{ n: 240 }, { n: 120 }]);
    const begun = and(eq(bookings.status, "APPROVED"), lt(bookings.startAt, Date.now()));
    expect(await countOf(db.select({ n }).from(bookings).where(begun))).toBeGreaterThan(0);
    expect(await countOf(db.select({ n }).from(sales))).toBe(30);
    expect(await countOf(db.select({ n }).from(commissions))).toBe(30);
  });

  test("has a salesperson in each coming drive of the showroom that assigns, and a share of its drives for both", async () => {
    const coming = and(gt(bookings.startAt, Date.now()), inArray(bookings.status, ["PENDING", "APPROVED"]));
    const drives = await db.select().from(bookings).where(coming);
    const [hand, automatic] = await schedulesIn(env.DB, DEFAULTS, Date.now());
    expect([hand?.policy.assignment, automatic?.policy.assignment]).toEqual(["NONE", "AUTOMATIC"]);
    const assigned = drives.filter(({ showroomId }) => showroomId === automatic?.showroomId);
    expect(assigned.length).toBeGreaterThan(5);
    for (const { startAt, salespersonId } of assigned)
      expect(automatic && inShift(automatic, startAt)).toContain(salespersonId);
    // One works twice as long as the other.
    const shares = await db.select().from(driveShares).orderBy(driveShares.share);
    expect(shares.map(({ share }) => share)).toEqual([159_000, 309_000]);
  });

  test("leaves each customer room for more bookings", async () => {
    const coming = db
      .select({ n: count().as("n") })
      .from(bookings)
      .innerJoin(users, eq(users.id, bookings.customerId))
      .where(gt(bookings.startAt, Date.now()))
      .groupBy(users.id);
    expect(Math.max(...(await coming).map(({ n }) => n))).toBeLessThanOrEqual(2);
  });

  test("puts no car, no customer and no salesperson into two drives at once, and each into the hours, on whatever day it is made", async () => {
    const schedules = await schedulesIn(env.DB, DEFAULTS, Date.now());
    const stock = standing(demoCars(60, 0), schedules[1]?.showroomId ?? "");
    const { people, profiles } = await demoPeople(0);
    for (let hour = 0; hour < 24 * 400; hour += 211) {
      const now = Date.UTC(2026, 0, 1, hour);
      const drives = demoBookings({ stock, sold: [], people, profiles, schedules, now });
      expect(drives.length).toBeGreaterThan(60);
      for (const [at, drive] of drives.entries()) {
        const schedule = schedules.find(({ showroomId }) => showroomId === drive.showroomId);
        expect(schedule && isWithinHours(schedule, drive)).toBe(true);
        for (const other of drives.slice(at + 1))
          if (
            other.carId === drive.carId ||
            other.customerId === drive.customerId ||
            (drive.salespersonId && other.salespersonId === drive.salespersonId)
          )
            expect(overlaps(drive, other)).toBe(false);
      }
    }
  });
});
