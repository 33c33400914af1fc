import { describe, expect, test } from "vitest";
import { aroundDays, daysAround, nearest, type Occupied, offeredSlots } from "../../src/bookings/slots.ts";
import { daySpan } from "../../src/shared/showroom-time.ts";
import { defaultSchedule, type Schedule } from "../../src/showrooms/schedule.ts";

const HOUR_MS = 3_600_000;
const BERLIN = defaultSchedule("showroom", "Europe/Berlin", 365);
const at = (text: string) => Date.parse(text);
const now = at("2026-12-01T10:30:00Z");
const FREE: Occupied = { status: "AVAILABLE", car: [], customer: [], salespeople: [] };
const DAY = { from: "2026-12-02", to: "2026-12-02" };

describe("the slots that a customer is offered", () => {
  test.each([
    ["AVAILABLE", 8],
    ["RESERVED", 8],
    ["SOLD", 0],
    ["REMOVED", 0],
  ] as const)("are, of one day and while the car is %s: %d", (status, count) => {
    expect(offeredSlots(BERLIN, DAY, now, { ...FREE, status })).toHaveLength(count);
  });

  test("leave out those for which the car is occupied, also by a drive that does not begin on the hour", () => {
    const car = [{ startAt: at("2026-12-02T08:30:00Z"), endAt: at("2026-12-02T09:30:00Z") }];
    const [first] = offeredSlots(BERLIN, DAY, now, { ...FREE, car });
    expect(first?.startAt).toBe(at("2026-12-02T10:00:00Z"));
  });

  test("leave out those in which the customer drives another car, and not those beside it", () => {
    const drive = { startAt: at("2026-12-02T09:00:00Z"), endAt: at("2026-12-02T10:00:00Z") };
    const buffered: Schedule = { ...BERLIN, policy: { ...BERLIN.policy, bufferAfterMinutes: 30 } };
    const offered = offeredSlots(buffered, DAY, now, { ...FREE, customer: [drive] });
    expect(offered).toHaveLength(7);
    expect(offered.some(({ startAt }) => startAt === drive.startAt)).toBe(false);
  });
});

test("the nearest slots are sorted by their distance from the wanted start, the earlier of two first", () => {
  const slots = offeredSlots(BERLIN, DAY, now, FREE);
  const wanted = at("2026-12-02T10:00:00Z");
  const free = slots.filter(({ startAt }) => startAt !== wanted);
  expect(nearest(free, wanted).map(({ startAt }) => (startAt - wanted) / HOUR_MS)).toEqual([-1, 1, -2]);
});

test("alternatives are searched a week around the local day of the start", () => {
  expect(daysAround(at("2026-12-01T23:30:00Z"), BERLIN)).toEqual({ from: "2026-11-25", to: "2026-12-09" });
});

test.each(["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin"])(
  "local days in %s are within the time that is read for them",
  (zone) => {
    const [days, { from = 0, to = 0 }] = [aroundDays(DAY), daySpan(DAY.from, DAY.to, zone)];
    expect(days.startAt).toBeLessThanOrEqual(from);
    expect(days.endAt).toBeGreaterThanOrEqual(to);
  },
);
