/**
 * What is offered can be booked, and what can be booked is offered: random schedules, days and drives, judged by a
 * specification that asks of each instant whether a drive may begin. `SCHEDULE_RUNS=100000` runs longer.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { TimeSpan } from "../../src/shared/showroom-time.ts";
import {
  type Booker,
  checkStart,
  footprintOf,
  openSlots,
  type Schedule,
  type StartFault,
} from "../../src/showrooms/schedule.ts";
import { intlClock } from "../support/intl-clock.ts";

const RUNS = Number(process.env["SCHEDULE_RUNS"] ?? 1000);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** All generated times, and all offsets of the zones, are multiples of it. */
const GRID = 5 * MINUTE;

const ZONES = [
  "Europe/Berlin",
  "America/New_York",
  // Changes of half an hour, of two hours, and at midnight; offsets of a quarter of an hour.
  "Australia/Lord_Howe",
  "Antarctica/Troll",
  "America/Havana",
  "Africa/Cairo",
  "Asia/Beirut",
  "Atlantic/Azores",
  "America/Nuuk",
  "Pacific/Chatham",
  "Asia/Kathmandu",
  "Pacific/Kiritimati",
  "Pacific/Pago_Pago",
];

const CLOCKS = new Map(ZONES.map((zone) => [zone, intlClock(zone, 2026, 2028)]));

function clockOf(zone: string) {
  const clock = CLOCKS.get(zone);
  if (!clock) throw new Error(`No clock of ${zone}`);
  return clock;
}

// ---- The specification: what the rules say about one instant. ----

const knownDays = new Map<number, string>();

function isoDay(ms: number): string {
  const day = Math.floor(ms / DAY);
  const date = knownDays.get(day) ?? new Date(ms).toISOString().slice(0, 10);
  knownDays.set(day, date);
  return date;
}

/** What the clocks show at an instant: the day, and the minutes since its midnight. */
function shownAt(at: number, zone: string): { date: string; minute: number } {
  const local = at + clockOf(zone).offsetAt(at);
  const date = isoDay(local);
  return { date, minute: (local - Date.parse(date)) / MINUTE };
}

/** The first instant at which the clocks show a time, tried with each offset of the zone; skipped: the clock change. */
function specInstant(date: string, minute: number, zone: string): number {
  const { changes, offsetAt } = clockOf(zone);
  const local = Date.parse(date) + minute * MINUTE;
  const offsets = new Set([offsetAt(local), ...changes.flatMap(({ before, after }) => [before, after])]);
  const instants = [...offsets].map((offset) => local - offset).filter((at) => at + offsetAt(at) === local);
  if (instants.length > 0) return Math.min(...instants);
  const skipping = changes.find(({ at, before, after }) => at + before <= local && local < at + after);
  if (!skipping) throw new Error(`${date} ${minute} in ${zone} is neither shown nor skipped`);
  return skipping.at;
}

function minuteOf(time: string): number {
  const [hours, minutes] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/** The days of a week from 1 January 1970 on. */
const DAYS = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"] as const;

function specWindows({ hours, specialHours }: Schedule, date: string) {
  const day = Date.parse(date);
  let windows = hours[DAYS[(day / DAY) % 7] ?? "thu"];
  for (const special of specialHours)
    if (Date.parse(special.from) <= day && day <= Date.parse(special.to)) windows = special.windows;
  return windows;
}

function isSlot(schedule: Schedule, at: number): boolean {
  const { date, minute } = shownAt(at, schedule.timeZone);
  const { slotMinutes, stepMinutes } = schedule.policy;
  return specWindows(schedule, date).some(
    ([opening, closing]) =>
      minuteOf(opening) <= minute &&
      minute < minuteOf(closing) &&
      (minute - minuteOf(opening)) % stepMinutes === 0 &&
      at === specInstant(date, minute, schedule.timeZone) &&
      at + slotMinutes * MINUTE <= specInstant(date, minuteOf(closing), schedule.timeZone),
  );
}

function specFault(schedule: Schedule, at: number, now: number, { byStaff }: Booker): StartFault | undefined {
  const { leadMinutes, horizonDays } = schedule.policy;
  if (at <= now) return "in_the_past";
  if (!byStaff && at - now < leadMinutes * MINUTE) return "too_soon";
  const day = (instant: number) => Date.parse(shownAt(instant, schedule.timeZone).date) / DAY;
  if (!byStaff && day(at) - day(now) > horizonDays) return "too_far_ahead";
  return isSlot(schedule, at) ? undefined : "not_a_slot";
}

/** Whether a drive at an instant, with the buffers of its policy, leaves what is taken alone. */
const isUndisturbed = ({ policy }: Schedule, at: number, taken: readonly TimeSpan[]): boolean =>
  taken.every(
    ({ startAt, endAt }) =>
      at + (policy.slotMinutes + policy.bufferAfterMinutes) * MINUTE <= startAt ||
      at - policy.bufferBeforeMinutes * MINUTE >= endAt,
  );

// ---- What is generated. ----

const minutes = (from: number, to: number) =>
  fc.integer({ min: from / 5, max: to / 5 }).map((fives) => fives * 5);

const written = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

/** Up to four windows, which may touch. */
const windows = fc.array(fc.tuple(minutes(0, 1440), fc.boolean()), { maxLength: 8 }).map((marks) => {
  const sorted = [...new Set(marks.map(([minute]) => minute))].sort((a, b) => a - b);
  const found: [string, string][] = [];
  for (let i = 0; i + 1 < sorted.length && found.length < 4; ) {
    found.push([written(sorted[i] ?? 0), written(sorted[i + 1] ?? 0)]);
    i += marks[i]?.[1] ? 1 : 2;
  }
  return found;
});

const hours = fc.oneof(windows, fc.constant<[string, string][]>([["00:00", "24:00"]]));

/** A schedule, a first day near a clock change where there is one, and a number of days. */
const scene = fc
  .record({
    zone: fc.constantFrom(...ZONES),
    change: fc.nat(),
    shift: fc.integer({ min: -2, max: 1 }),
    week: fc.tuple(hours, hours, hours),
    special: fc.array(
      fc.record({ from: fc.integer({ min: -2, max: 3 }), length: fc.nat(2), windows: hours }),
      { maxLength: 3 },
    ),
    policy: fc.record({
      slotMinutes: fc.oneof(fc.constantFrom(15, 30, 60), minutes(15, 480)),
      stepMinutes: fc.oneof(fc.constantFrom(15, 20, 30, 60), minutes(5, 480)),
      bufferBeforeMinutes: fc.oneof(fc.constant(0), minutes(0, 240)),
      bufferAfterMinutes: fc.oneof(fc.constant(0), minutes(0, 240)),
      leadMinutes: fc.oneof(fc.constant(0), minutes(0, 2 * 1440)),
      horizonDays: fc.integer({ min: 1, max: 4 }),
    }),
    days: fc.integer({ min: 0, max: 2 }),
    /** How long before the first day it is now. */
    before: fc.oneof(minutes(-1440, 4 * 1440), fc.integer({ min: -1440 * MINUTE, max: 4 * 1440 * MINUTE })),
    byStaff: fc.boolean(),
    taken: fc.array(
      fc.record({
        at: fc.nat(),
        /** Whether it touches a footprint before or after it, or lies anywhere. */
        beside: fc.constantFrom("before", "after", "anywhere"),
        length: minutes(15, 960),
      }),
      { maxLength: 6 },
    ),
    probes: fc.array(fc.nat(), { minLength: 6, maxLength: 6 }),
  })
  .map(({ zone, change, shift, week, special, policy, days, before, ...rest }) => {
    const { changes } = clockOf(zone);
    const near = changes[change % (changes.length + 1)]?.at ?? Date.UTC(2027, 6, 1 + (change % 40));
    const day = (i: number) => isoDay(near + (shift + i) * DAY);
    const [a, b, c] = week;
    const schedule: Schedule = {
      showroomId: "showroom",
      version: 1,
      timeZone: zone,
      hours: { mon: a, tue: b, wed: c, thu: a, fri: b, sat: c, sun: a },
      specialHours: special.map(({ from, length, windows }) => ({
        from: day(from),
        to: day(from + length),
        windows,
      })),
      policy: { ...policy, assignment: "NONE" },
      shifts: [],
    };
    return {
      schedule,
      from: day(0),
      to: day(days),
      now: Date.parse(day(0)) - before * (Math.abs(before) > 4 * 1440 ? 1 : MINUTE),
      ...rest,
    };
  });

test(
  `the slots that are offered are those that can be booked, in ${RUNS} random scenes`,
  () => {
    const seen = { offered: 0, disturbed: 0, faults: new Map<string, number>() };
    const count = (fault: string) => seen.faults.set(fault, (seen.faults.get(fault) ?? 0) + 1);
    fc.assert(
      fc.property(scene, ({ schedule, from, to, now, byStaff, taken: wanted, probes }) => {
        const { slotMinutes } = schedule.policy;
        const instants: number[] = [];
        for (let at = Date.parse(from) - 16 * HOUR; at < Date.parse(to) + 40 * HOUR; at += GRID) {
          const { date } = shownAt(at, schedule.timeZone);
          if (from <= date && date <= to) instants.push(at);
        }
        const slots = instants.filter((at) => isSlot(schedule, at));
        const taken = wanted.map(({ at, beside, length }) => {
          const slot = slots[at % Math.max(slots.length, 1)];
          const footprint = slot === undefined ? undefined : footprintOf(schedule, slot);
          if (footprint && beside === "before")
            return { startAt: footprint.startAt - length * MINUTE, endAt: footprint.startAt };
          if (footprint && beside === "after")
            return { startAt: footprint.endAt, endAt: footprint.endAt + length * MINUTE };
          const startAt = instants[at % instants.length] ?? now;
          return { startAt, endAt: startAt + length * MINUTE };
        });

        const bookable = slots.filter((at) => specFault(schedule, at, now, { byStaff }) === undefined);
        const undisturbed = bookable.filter((at) => isUndisturbed(schedule, at, taken));
        const offered = openSlots(schedule, { from, to }, now, taken, { byStaff });
        expect(offered).toEqual(undisturbed.map((at) => ({ startAt: at, endAt: at + slotMinutes * MINUTE })));
        seen.offered += offered.length;
        seen.disturbed += bookable.length - undisturbed.length;

        const pick = (of: readonly number[], n: number) => of[n % Math.max(of.length, 1)] ?? now;
        for (const [i, n] of probes.entries()) {
          const near = pick(i % 2 === 0 ? slots : instants, n);
          // Some are off the grid.
          const at = i < 4 ? near : near + ((n % 5) - 2) * 30_000;
          const fault = specFault(schedule, at, now, { byStaff });
          expect([at, checkStart(schedule, at, now, { byStaff })]).toEqual([at, fault]);
          count(fault ?? "none");
        }
      }),
      { numRuns: RUNS },
    );
    // The scenes are worth something: each outcome occurs often.
    expect(Math.min(seen.offered, seen.disturbed)).toBeGreaterThan(RUNS);
    for (const outcome of ["none", "in_the_past", "too_soon", "too_far_ahead", "not_a_slot"])
      expect([outcome, (seen.faults.get(outcome) ?? 0) > RUNS / 20]).toEqual([outcome, true]);
    console.log(seen);
  },
  120_000 + RUNS * 30,
);
