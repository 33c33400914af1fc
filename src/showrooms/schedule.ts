/**
 * When test drives of a showroom may begin, as a value. Pure: `now` and the times that are taken are passed in.
 *
 * `slotsOn` is the one list of starts, `footprintOf` the one measure of what a drive occupies. What is offered
 * (`openSlots`) and what is accepted (`checkStart`, and no overlap of footprints) are made of both, so they agree.
 */
import type { Assignment } from "../shared/enums.ts";
import { type OpeningWindow, WEEKDAYS, type Weekday, type WeeklyHours } from "../shared/opening-hours.ts";
import { addDays, DAY_MS, localDate, overlaps, type TimeSpan, utcDate } from "../shared/showroom-time.ts";
import { firstInstant } from "./wall-clock.ts";

/** Windows that replace those of whole local days, from the first to the last one (both included). */
export type SpecialHours = Readonly<{ from: string; to: string; windows: readonly OpeningWindow[] }>;

/** How the opening hours are divided into slots, and how early and late a slot can be booked. */
export type Policy = Readonly<{
  /** The length of a drive. */
  slotMinutes: number;
  /** The time from one start to the next. When it is shorter than a slot, slots overlap, and each booking takes several. */
  stepMinutes: number;
  /** The time before a drive for which its car is occupied, too. It may be outside the opening hours. */
  bufferBeforeMinutes: number;
  /** The same after a drive. */
  bufferAfterMinutes: number;
  /** How long before its start a slot can be booked at the latest. */
  leadMinutes: number;
  /** How many local days after today a slot can be booked. */
  horizonDays: number;
  /** AUTOMATIC: each drive needs a salesperson who is in shift, and is given one. */
  assignment: Assignment;
}>;

/** A window of a weekday in which a salesperson works. */
export type Shift = Readonly<{ userId: string; weekday: Weekday; window: OpeningWindow }>;

/** The opening hours and the policy of one showroom. Each change of them has a higher `version`. */
export type Schedule = Readonly<{
  showroomId: string;
  version: number;
  /** IANA name. */
  timeZone: string;
  hours: WeeklyHours;
  /** The last one that covers a day replaces its windows. */
  specialHours: readonly SpecialHours[];
  policy: Policy;
  /** Those of the salespeople who are active. Two windows of one person on one day do not touch. */
  shifts: readonly Shift[];
}>;

const MINUTE_MS = 60_000;

/** The schedule of a showroom that has not set one: daily from 09:00 to 17:00, in slots of one hour. */
export function defaultSchedule(showroomId: string, timeZone: string, horizonDays: number): Schedule {
  const daily: OpeningWindow[] = [["09:00", "17:00"]];
  return {
    showroomId,
    version: 1,
    timeZone,
    hours: { sun: daily, mon: daily, tue: daily, wed: daily, thu: daily, fri: daily, sat: daily },
    specialHours: [],
    policy: {
      slotMinutes: 60,
      stepMinutes: 60,
      bufferBeforeMinutes: 0,
      bufferAfterMinutes: 0,
      leadMinutes: 0,
      horizonDays,
      assignment: "NONE",
    },
    shifts: [],
  };
}

/** The windows of a local day. */
export function windowsOn({ hours, specialHours }: Schedule, date: string): readonly OpeningWindow[] {
  const special = specialHours.findLast(({ from, to }) => from <= date && date <= to);
  if (special) return special.windows;
  return hours[weekdayOf(date)];
}

function weekdayOf(date: string): Weekday {
  const weekday = WEEKDAYS[new Date(date).getUTCDay()];
  if (!weekday) throw new Error(`${date} is no day`);
  return weekday;
}

/** The minutes from 00:00 to a local time, as clocks show them. */
const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/**
 * The slots of a local day, earliest first, no two alike.
 *
 * Starts are counted on the wall clock, from the opening of each window in steps; lengths are real time. So after a
 * clock change within a window, drives still begin at the usual local times, and last as long as always.
 * - A start that a clock change skips is left out. A start that the clocks show twice is its first occurrence.
 * - A drive ends at the closing of its window at the latest. A closing that is skipped is the instant of the change; one
 *   that the clocks show twice is its first occurrence.
 * @param date `YYYY-MM-DD`, an existing day
 */
export function slotsOn(schedule: Schedule, date: string): TimeSpan[] {
  const { timeZone, policy } = schedule;
  const midnight = Date.parse(date);
  const slots: TimeSpan[] = [];
  for (const [opening, closing] of windowsOn(schedule, date)) {
    const lastStart = midnight + minutesOf(closing) * MINUTE_MS;
    const closesAt = firstInstant(lastStart, timeZone).at;
    for (
      let local = midnight + minutesOf(opening) * MINUTE_MS;
      local < lastStart;
      local += policy.stepMinutes * MINUTE_MS
    ) {
      const { at, isShown } = firstInstant(local, timeZone);
      const drive = driveAt(schedule, at);
      if (isShown && drive.endAt <= closesAt) slots.push(drive);
    }
  }
  return slots;
}

/** Whether a drive, wherever in it, is within one window of the local day on which it begins. */
export function isWithinHours(schedule: Schedule, { startAt, endAt }: TimeSpan): boolean {
  const date = localDate(startAt, schedule.timeZone);
  return windowsOn(schedule, date).some((window) => {
    const open = windowSpan(window, date, schedule.timeZone);
    return open.startAt <= startAt && endAt <= open.endAt;
  });
}

/** A window on a local day, from its first instant to its last. */
export function windowSpan([opening, closing]: OpeningWindow, date: string, timeZone: string): TimeSpan {
  const instantOf = (time: string) =>
    firstInstant(Date.parse(date) + minutesOf(time) * MINUTE_MS, timeZone).at;
  return { startAt: instantOf(opening), endAt: instantOf(closing) };
}

/** The salespeople who are in shift for the whole drive at `startAt`, without its buffers. */
export function inShift(schedule: Schedule, startAt: number): string[] {
  const { timeZone, shifts } = schedule;
  if (shifts.length === 0) return [];
  const { endAt } = driveAt(schedule, startAt);
  const date = localDate(startAt, timeZone);
  const weekday = weekdayOf(date);
  return shifts
    .filter((shift) => {
      if (shift.weekday !== weekday) return false;
      const span = windowSpan(shift.window, date, timeZone);
      return span.startAt <= startAt && endAt <= span.endAt;
    })
    .map(({ userId }) => userId);
}

/** The drive that begins at `startAt`, from its start to its end. */
export const driveAt = ({ policy }: Schedule, startAt: number): TimeSpan => ({
  startAt,
  endAt: startAt + policy.slotMinutes * MINUTE_MS,
});

/** The time that the drive at `startAt` occupies: the drive with the buffers before and after it. */
export function footprintOf(schedule: Schedule, startAt: number): TimeSpan {
  const { bufferBeforeMinutes, bufferAfterMinutes } = schedule.policy;
  return {
    startAt: startAt - bufferBeforeMinutes * MINUTE_MS,
    endAt: driveAt(schedule, startAt).endAt + bufferAfterMinutes * MINUTE_MS,
  };
}

/** Who books. Staff may book within the lead time and beyond the horizon. */
export type Booker = { byStaff: boolean };

/** The reason why a start is too early or too late to be booked at `now`. */
type LimitFault = "in_the_past" | "too_soon" | "too_far_ahead";

/** The reason why no test drive can begin at an instant. */
export type StartFault = LimitFault | "not_a_slot";

/** Makes the check of starts against `now`, the lead time and the horizon. */
function limitsOf(
  { timeZone, policy }: Schedule,
  now: number,
  { byStaff }: Booker,
): (startAt: number) => LimitFault | undefined {
  const earliest = now + policy.leadMinutes * MINUTE_MS;
  const dayAfterLast = Date.parse(addDays(localDate(now, timeZone), policy.horizonDays + 1));
  const end = firstInstant(dayAfterLast, timeZone).at;
  return (startAt) => {
    if (startAt <= now) return "in_the_past";
    if (byStaff) return undefined;
    if (startAt < earliest) return "too_soon";
    return startAt < end ? undefined : "too_far_ahead";
  };
}

/**
 * Checks that a drive may begin at `startAt`: in the future, at the start of a slot, and for customers not within the
 * lead time and not beyond the horizon.
 * @returns the fault, or `undefined`
 */
export function checkStart(
  schedule: Schedule,
  startAt: number,
  now: number,
  booker: Booker,
): StartFault | undefined {
  const fault = limitsOf(schedule, now, booker)(startAt);
  if (fault) return fault;
  const slots = slotsOn(schedule, localDate(startAt, schedule.timeZone));
  return slots.some((slot) => slot.startAt === startAt) ? undefined : "not_a_slot";
}

/**
 * The slots of some local days that can be booked at `now`, earliest first: those that `checkStart` accepts and whose
 * footprint overlaps nothing that is taken.
 * @param days the first and the last day (both included); the caller limits their number
 * @param taken footprints, in any order; they may overlap each other
 */
export function openSlots(
  schedule: Schedule,
  days: { from: string; to: string },
  now: number,
  taken: readonly TimeSpan[],
  booker: Booker,
): TimeSpan[] {
  const faultOf = limitsOf(schedule, now, booker);
  const today = Date.parse(localDate(now, schedule.timeZone));
  const lastDay = booker.byStaff ? Infinity : today + schedule.policy.horizonDays * DAY_MS;
  // Other days have no slot within the limits, and there may be very many.
  const first = Math.max(Date.parse(days.from), today);
  const last = Math.min(Date.parse(days.to), lastDay);
  const open: TimeSpan[] = [];
  for (let day = first; day <= last; day += DAY_MS) {
    const slots = slotsOn(schedule, utcDate(day)).filter(({ startAt }) => !faultOf(startAt));
    open.push(...freeOf(schedule, slots, taken));
  }
  return open;
}

/** The slots of one day, in order, whose footprint overlaps nothing that is taken. */
function freeOf(schedule: Schedule, slots: readonly TimeSpan[], taken: readonly TimeSpan[]): TimeSpan[] {
  const [first, last] = [slots[0], slots.at(-1)];
  if (!first || !last) return [];
  const whole = {
    startAt: footprintOf(schedule, first.startAt).startAt,
    endAt: footprintOf(schedule, last.startAt).endAt,
  };
  // Filtered first: of all that is taken, little is on one day.
  const near = taken.filter((other) => overlaps(whole, other));
  return slots.filter(({ startAt }) => {
    const footprint = footprintOf(schedule, startAt);
    return !near.some((other) => overlaps(footprint, other));
  });
}
