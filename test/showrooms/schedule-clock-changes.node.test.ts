import { expect, test } from "vitest";
import { footprintOf, type Schedule, slotsOn } from "../../src/showrooms/schedule.ts";
import { type IntlClock, intlClock } from "../support/intl-clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type Windows = [string, string][];

/** A schedule of a policy: `windows` on every day, but `special` on the day under test. */
type Case = {
  name: string;
  windows: Windows;
  special?: Windows;
  slot: number;
  step: number;
  before?: number;
  after?: number;
};

const CASES: Case[] = [
  { name: "daily hours", windows: [["09:00", "17:00"]], slot: 60, step: 60 },
  {
    name: "a midday break",
    windows: [
      ["09:00", "12:00"],
      ["13:00", "17:30"],
    ],
    slot: 60,
    step: 60,
  },
  { name: "steps of 20 minutes", windows: [["00:10", "05:05"]], slot: 45, step: 20 },
  {
    name: "buffers",
    windows: [
      ["00:00", "03:00"],
      ["21:15", "23:45"],
    ],
    slot: 30,
    step: 15,
    before: 15,
    after: 40,
  },
  { name: "open until 24:00", windows: [["00:00", "24:00"]], slot: 90, step: 60 },
  {
    name: "half-hour steps and ends within the hour",
    windows: [
      ["00:30", "01:30"],
      ["01:30", "02:15"],
      ["02:20", "02:50"],
      ["22:30", "23:30"],
    ],
    slot: 30,
    step: 30,
  },
  { name: "steps of 7 minutes", windows: [["22:00", "24:00"]], slot: 15, step: 7 },
  {
    name: "special hours beside midnight",
    windows: [["00:00", "24:00"]],
    special: [
      ["00:00", "01:30"],
      ["23:00", "24:00"],
    ],
    slot: 30,
    step: 30,
  },
  { name: "a closed day", windows: [["00:00", "24:00"]], special: [], slot: 60, step: 30 },
];

const isoDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function scheduleOf(timeZone: string, date: string, of: Case): Schedule {
  const daily = of.windows;
  return {
    showroomId: "showroom",
    version: 1,
    timeZone,
    hours: { mon: daily, tue: daily, wed: daily, thu: daily, fri: daily, sat: daily, sun: daily },
    specialHours: of.special ? [{ from: date, to: date, windows: of.special }] : [],
    policy: {
      slotMinutes: of.slot,
      stepMinutes: of.step,
      bufferBeforeMinutes: of.before ?? 0,
      bufferAfterMinutes: of.after ?? 0,
      leadMinutes: 0,
      horizonDays: 365,
      assignment: "NONE",
    },
    shifts: [],
  };
}

/** When the clocks first show each minute of a day, and when they first show it or a later one: minute by minute. */
function dayByMinutes(date: string, { offsetAt, changes }: IntlClock) {
  const midnight = Date.parse(date);
  // No clock change of these years is longer than two hours.
  const from = midnight - offsetAt(midnight) - 3 * HOUR;
  const near = changes.filter(({ at }) => at > from && at < from + 3 * DAY);
  const base = offsetAt(from);
  const shows = new Map<number, number>();
  const reaches: number[] = [];
  for (let at = from; reaches.length <= 24 * 60; at += MINUTE) {
    const offset = near.findLast((change) => change.at <= at)?.after ?? base;
    const shown = (at + offset - midnight) / MINUTE;
    if (!shows.has(shown)) shows.set(shown, at);
    while (reaches.length <= shown) reaches.push(at);
  }
  return { shows, reaches };
}

const minuteOf = (time: string) => {
  const [hours, minutes] = time.split(":").map(Number);
  return (hours ?? 0) * 60 + (minutes ?? 0);
};

function expectedSlots(day: ReturnType<typeof dayByMinutes>, windows: Windows, of: Case): number[][] {
  return windows.flatMap(([opening, closing]) => {
    const end = day.reaches[minuteOf(closing)] ?? Number.NaN;
    const slots: number[][] = [];
    for (let minute = minuteOf(opening); minute < minuteOf(closing); minute += of.step) {
      const at = day.shows.get(minute);
      if (at !== undefined && at + of.slot * MINUTE <= end) slots.push([at, at + of.slot * MINUTE]);
    }
    return slots;
  });
}

/** The local days on both sides of each clock change. They are one day, unless it is at midnight. */
const daysOfChange = ({ changes }: IntlClock): Set<string> =>
  new Set(changes.flatMap(({ at, before, after }) => [at + before - MINUTE, at + after].map(isoDay)));

test("the slots of every known zone are those of its clocks, on the days of the clock changes of three years", () => {
  const zones = Intl.supportedValuesOf("timeZone");
  const wrong: unknown[] = [];
  let swept = 0;
  for (const zone of zones) {
    const clock = intlClock(zone, 2026, 2028);
    const days = daysOfChange(clock);
    if (days.size === 0) days.add("2026-02-28").add("2028-02-29");
    const known = new Map<string, ReturnType<typeof dayByMinutes>>();
    for (const date of days) {
      swept += 1;
      const around = [-1, 0, 1].map((days) => isoDay(Date.parse(date) + days * DAY));
      for (const of of CASES) {
        const schedule = scheduleOf(zone, date, of);
        // Special hours must not reach the neighbours of their day.
        for (const day of of.special ? around : [date]) {
          const clocks = known.get(day) ?? dayByMinutes(day, clock);
          known.set(day, clocks);
          const windows = day === date ? (of.special ?? of.windows) : of.windows;
          const slots = slotsOn(schedule, day);
          const found = JSON.stringify(slots.map(({ startAt, endAt }) => [startAt, endAt]));
          const expected = JSON.stringify(expectedSlots(clocks, windows, of));
          if (found !== expected) wrong.push([zone, day, of.name, found, expected]);
          if (slots.some((slot, i) => slot.startAt <= (slots[i - 1]?.startAt ?? 0)))
            wrong.push([zone, day, of.name, "not in order"]);
        }
      }
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(zones.length).toBeGreaterThan(400);
  expect(swept).toBeGreaterThan(1000);
  console.log(`${zones.length} zones, ${swept} days, ${CASES.length} policies`);
}, 180_000);

test("the buffers are real time, also across a clock change", () => {
  const of: Case = { name: "", windows: [["00:00", "24:00"]], slot: 60, step: 60, before: 30, after: 90 };
  // Berlin: the clocks change at 01:00 UTC.
  for (const date of ["2027-03-28", "2027-10-31"])
    for (const { startAt, endAt } of slotsOn(scheduleOf("Europe/Berlin", date, of), date))
      expect(footprintOf(scheduleOf("Europe/Berlin", date, of), startAt)).toEqual({
        startAt: startAt - 30 * MINUTE,
        endAt: endAt + 90 * MINUTE,
      });
});
