/** The report of fairness, against a count by hand. */
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { bookings } from "../../src/db/schema.ts";
import { fairnessOf, sharesOf } from "../../src/reports/fairness.ts";
import { localDate } from "../../src/shared/showroom-time.ts";
import { planOf } from "../support/plans.ts";
import { daily, openShowroom, salesperson, work } from "../support/showroom.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");

const reportOf = (query: Record<string, string>, token = admin.token) =>
  answer(call("GET", `/api/reports/fairness/?${new URLSearchParams(query)}`, { token }));

describe("the report of fairness", () => {
  test("counts each person's drives of the given local days, as a count by hand does", async () => {
    const showroom = await openShowroom(admin);
    const [sam, sue, former] = [
      await salesperson(admin, showroom),
      await salesperson(admin, showroom, 50),
      await salesperson(admin, showroom),
    ];
    await work(admin, sue, daily(showroom, "09:00", "13:00"), 50);
    const carId = await car({ showroomId: showroom });
    const ids: string[] = [];
    for (let n = 0; n < 18; n += 1) {
      const json = { car: carId, start_at: iso(slot(3 + Math.floor(n / 6), n % 6)) };
      const booked = await answer(call("POST", "/api/bookings/", { token: (await person()).token, json }));
      expect(booked.status).toBe(201);
      ids.push(booked.body.id);
    }
    for (const [verb, id] of [
      ["cancel", ids[1]],
      ["decline", ids[7]],
      ["approve", ids[8]],
    ])
      expect((await call("PATCH", `/api/bookings/${id}/${verb}/`, { token: admin.token })).status).toBe(200);
    const held = { heldUntil: Date.now() + 3_600_000, salespersonId: sam.id, assignedBy: "AUTO" } as const;
    const customerId = (await person()).id;
    await booking({ carId, customerId, startAt: slot(4, 7), showroomId: showroom, ...held });
    // Somebody who works there no more, and whose drives stay on record.
    await work(admin, former, []);

    const day = (at: number) => localDate(at, "Europe/Berlin");
    const all = await db.select().from(bookings).where(eq(bookings.showroomId, showroom));
    for (const days of [{}, { from: day(slot(4)) }, { from: day(slot(3)), to: day(slot(4)) }] as {
      from?: string;
      to?: string;
    }[]) {
      const counted = new Map([sam, sue, former].map(({ id }) => [id, 0]));
      for (const { startAt, status, salespersonId, heldUntil } of all)
        if (
          (days.from ?? "") <= day(startAt) &&
          day(startAt) <= (days.to ?? "9999") &&
          (status === "PENDING" || status === "APPROVED") &&
          heldUntil === null &&
          salespersonId
        )
          counted.set(salespersonId, (counted.get(salespersonId) ?? 0) + 1);
      const { status, body } = await reportOf({ showroom, ...days });
      expect([status, body.from, body.to]).toEqual([200, days.from ?? null, days.to ?? null]);
      expect(
        new Map(body.people.map((one: { user: string; drives: number }) => [one.user, one.drives])),
      ).toEqual(counted);
      const total = [...counted.values()].reduce((a, b) => a + b);
      expect(body.drives).toBe(total);
      const row = body.people.find(({ user }: { user: string }) => user === sue.id);
      // Half the hours, at half the weight: a fifth of what both have.
      expect(row).toMatchObject({ weight: 50, shift_minutes: 7 * 240, share: 20 });
      expect(row.expected).toBeCloseTo(total / 5, 1);
      expect(row.difference).toBeCloseTo(row.drives - total / 5, 1);
      expect(body.people.find(({ user }: { user: string }) => user === former.id)).toMatchObject({
        shift_minutes: 0,
        share: 0,
      });
    }
  });

  test("of an unknown showroom is not found, and wrong days are refused", async () => {
    expect((await reportOf({ showroom: crypto.randomUUID() })).status).toBe(404);
    expect((await reportOf({})).body.errors).toMatchObject([{ field: "showroom", code: "required" }]);
    const showroom = await openShowroom(admin);
    expect((await reportOf({ showroom, from: "2026-02-01", to: "2026-01-01" })).status).toBe(400);
    expect((await reportOf({ showroom })).body).toMatchObject({ drives: 0, people: [] });
  });

  test("has no share where nobody is in shift", () => {
    const people = [
      { userId: "a", username: "a", firstName: "", lastName: "", weight: 100, shiftMinutes: 0, drives: 3 },
    ];
    expect(fairnessOf(people)).toMatchObject({
      drives: 3,
      people: [{ share: 0, expected: 0, difference: 3 }],
    });
  });

  test("reads the drives along an index of their time", async () => {
    const plan = await planOf(sharesOf("s", 1, 2));
    expect(plan.filter((step) => /SCAN (bookings|users|s|u|p)\b/.test(step))).toEqual([]);
    expect(plan.join()).toMatch(/SEARCH bookings USING INDEX bookings_(start|salesperson)/);
  });
});
