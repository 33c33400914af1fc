import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { driveShares, FIRST_SHOWROOM, shifts, showrooms } from "../../src/db/schema.ts";
import { daily, openShowroom, salesperson, work } from "../support/showroom.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");
const get = (token: string, id: string) => answer(call("GET", `/api/staff/${id}/shifts/`, { token }));
const sharesOf = (id: string) => db.select().from(driveShares).where(eq(driveShares.userId, id));
const shift = (more: object = {}) => ({
  showroom: FIRST_SHOWROOM,
  weekday: "mon",
  from: "09:00",
  to: "12:00",
  ...more,
});

describe("the shifts of a staff member", () => {
  test("are none at first, with a weight of 100, and those that were put; windows that touch are one", async () => {
    const sue = await person("SALES");
    expect((await get(sue.token, sue.id)).body).toEqual({ shifts: [], weight: 100 });
    const put = await work(
      admin,
      sue,
      [shift({ from: "12:00", to: "24:00" }), shift(), shift({ weekday: "sun" })],
      50,
    );
    expect(put.body).toEqual({
      shifts: [shift({ weekday: "sun" }), shift({ to: "24:00" })],
      weight: 50,
      bookings_outside: [],
    });
    expect((await get(sue.token, sue.id)).body).toEqual({ shifts: put.body.shifts, weight: 50 });
    expect(await sharesOf(sue.id)).toMatchObject([{ share: 50 * 18 * 60, drives: 0 }]);
    expect((await work(admin, sue, put.body.shifts)).body.weight).toBe(50);
    expect((await work(admin, sue, [])).body.shifts).toEqual([]);
    expect(await sharesOf(sue.id)).toEqual([]);
  });

  test("raise the version of the showroom, as does the end of somebody's access", async () => {
    const room = await openShowroom(admin);
    const version = async () =>
      (await db.select().from(showrooms).where(eq(showrooms.id, room)))[0]?.version ?? 0;
    const before = await version();
    const sue = await salesperson(admin, room);
    const hired = await version();
    expect(hired).toBeGreaterThan(before);
    await call("PATCH", `/api/staff/${sue.id}/`, { token: admin.token, json: { is_active: false } });
    expect(await version()).toBeGreaterThan(hired);
  });

  test("leave drives to those who have them, and name those that are out of shifts now", async () => {
    const room = await openShowroom(admin);
    const sue = await salesperson(admin, room);
    const { token } = await person();
    const carId = await car({ showroomId: room });
    const { body } = await answer(
      call("POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(slot(3, 5)) } }),
    );
    expect(body.salesperson).toBe(sue.id);
    expect((await work(admin, sue, daily(room, "09:00", "12:00"))).body.bookings_outside).toEqual([body.id]);
    expect((await work(admin, sue, daily(room, "12:00", "17:00"))).body.bookings_outside).toEqual([]);
  });

  test.each([
    [
      "an unknown showroom",
      shift({ showroom: "00000000-0000-7000-8000-0000000000ff" }),
      "shifts.0.showroom",
      "unknown",
    ],
    ["an end before the start", shift({ to: "08:00" }), "shifts.0.to", "not_after_from"],
    ["an unknown day", shift({ weekday: "monday" }), "shifts.0.weekday", "invalid_value"],
    ["a time of another form", shift({ from: "9:00" }), "shifts.0.from", "invalid_format"],
  ])("are refused for %s", async (_, wrong, field, code) => {
    const sue = await person("SALES");
    const refused = await work(admin, sue, [wrong]);
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field, code }]]);
    expect(await db.select().from(shifts).where(eq(shifts.userId, sue.id))).toEqual([]);
  });

  test("are refused for two places at one time, in two zones too, also on a few days of the year only", async () => {
    const sue = await person("SALES");
    const lisbon = await openShowroom(admin, {}, { time_zone: "Europe/Lisbon" });
    // The clocks of New York change weeks before those of Berlin.
    const newYork = await openShowroom(admin, {}, { time_zone: "America/New_York" });
    const both = (other: object) => work(admin, sue, [shift(), shift(other)]);
    expect((await both({ from: "11:59" })).body.errors).toMatchObject([{ code: "overlapping_shifts" }]);
    expect((await both({ showroom: lisbon, from: "10:59", to: "13:00" })).status).toBe(400);
    expect((await both({ showroom: lisbon, from: "11:00", to: "13:00" })).status).toBe(200);
    // At one, New York is six hours behind, and five hours in a few weeks of March and October.
    const beside = (from: string) =>
      work(admin, sue, [
        shift({ from: "16:00", to: "18:00" }),
        shift({ showroom: newYork, from, to: "14:00" }),
      ]);
    expect((await beside("13:00")).status).toBe(200);
    expect((await beside("12:00")).body.errors).toMatchObject([{ code: "overlapping_shifts" }]);
  });

  test("are read by an ADMIN and by themselves only, and put by an ADMIN only", async () => {
    const [sue, sam, carol] = [await person("SALES"), await person("SALES"), await person()];
    const status = async (who: typeof sue) => (await get(who.token, sue.id)).status;
    expect([await status(sue), await status(admin), await status(sam), await status(carol)]).toEqual([
      200, 200, 404, 403,
    ]);
    const own = await answer(
      call("PUT", `/api/staff/${sue.id}/shifts/`, { token: sue.token, json: { shifts: [] } }),
    );
    expect(own.status).toBe(403);
    expect((await work(admin, carol, [])).status).toBe(404);
  });

  test("keep what was got so far in proportion when a share changes", async () => {
    const room = await openShowroom(admin);
    const sue = await salesperson(admin, room);
    await db.update(driveShares).set({ drives: 12 }).where(eq(driveShares.userId, sue.id));
    await work(admin, sue, daily(room, "09:00", "13:00"));
    expect(await sharesOf(sue.id)).toMatchObject([{ drives: 6 }]);
  });
});
