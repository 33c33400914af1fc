import { expect, test } from "vitest";
import { slotsOn } from "../../src/bookings/slots.ts";
import { formatLocal, overlaps } from "../../src/shared/showroom-time.ts";

const YEARS = [2025, 2026, 2027];
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The offset of a zone at an instant, by the platform's own calendar, not by the library under test. */
function offsets(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "iso8601",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (at) => {
    const parts = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - at;
  };
}

/** The local days on which a zone's offset changes, and the days around them. */
function daysOfChange(offset: (at: number) => number): Set<string> {
  const days = new Set<string>();
  for (const year of YEARS)
    for (let at = Date.UTC(year, 0, 1), was = offset(at); at < Date.UTC(year + 1, 0, 1); at += 7 * DAY) {
      const is = offset(at + 7 * DAY);
      if (is !== was)
        for (let day = at - DAY; day <= at + 8 * DAY; day += DAY) {
          const [before, after] = [offset(day), offset(day + DAY)];
          if (before !== after)
            for (const local of [day + before, day + DAY + after])
              days.add(new Date(local).toISOString().slice(0, 10));
        }
      was = is;
    }
  return days;
}

test("each slot has its own local hour in every known zone, on the days of its clock changes in three years", () => {
  const zones = Intl.supportedValuesOf("timeZone");
  let swept = 0;
  for (const zone of zones) {
    const offset = offsets(zone);
    for (const date of daysOfChange(offset)) {
      swept += 1;
      const midnight = Date.parse(`${date}T00:00:00Z`);
      // Every instant of the day that reads as one of the eight hours, found minute by quarter of an hour.
      const readings = new Map<number, number>();
      for (let at = midnight - 16 * HOUR; at <= midnight + 40 * HOUR; at += HOUR / 4) {
        const local = at + offset(at) - midnight;
        const hour = local / HOUR;
        if (Number.isInteger(hour) && hour >= 9 && hour <= 16 && !readings.has(hour)) readings.set(hour, at);
      }
      const slots = slotsOn(date, zone);
      expect([zone, date, slots.map(({ startAt }) => startAt)]).toEqual([
        zone,
        date,
        [...readings].sort(([a], [b]) => a - b).map(([, at]) => at),
      ]);
      for (const [i, { startAt }] of slots.entries()) {
        const next = slots[i + 1];
        if (next) expect(next.startAt).toBeGreaterThan(startAt);
      }
    }
  }
  expect(zones.length).toBeGreaterThan(400);
  expect(swept).toBeGreaterThan(1000);
  console.log(`${zones.length} zones, ${swept} days`);
});

test.each([
  ["Africa/Casablanca", "2026-02-15", 8],
  ["Australia/Lord_Howe", "2026-04-05", 8],
  // Kwajalein left out a whole day, and Caracas went back half an hour.
  ["Pacific/Kwajalein", "1993-08-21", 0],
  ["America/Caracas", "2007-12-09", 8],
])("the day in %s on %s has %d distinct slots", (zone, date, count) => {
  const starts = slotsOn(date, zone).map(({ startAt }) => formatLocal(startAt, zone).slice(11, 16));
  expect(new Set(starts).size).toBe(starts.length);
  expect(starts).toHaveLength(count);
  const slots = slotsOn(date, zone);
  expect(slots.some((a) => slots.some((b) => a !== b && overlaps(a, b)))).toBe(false);
});
