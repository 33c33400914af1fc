/** Opening hours and slots: when a test drive may begin. Pure: `now` is passed in. */
import { Temporal } from "temporal-polyfill";
import type { CarStatus } from "../shared/enums.ts";
import { addDays, DAY_MS, localDate, overlaps, type TimeSpan, utcDate } from "../shared/showroom-time.ts";
import { isBookable } from "./booking.ts";

/** A time that a booking may occupy. */
export type Slot = TimeSpan;

/** The times of test drives. */
export type Hours = {
  /** IANA name of the showroom's time zone. */
  timeZone: string;
  /** How many days ahead a booking may start. */
  horizonDays: number;
};

const SLOT_MS = 60 * 60 * 1000;
/** Local hours at which a test drive may begin, as in the Django service. */
const START_HOURS = [9, 10, 11, 12, 13, 14, 15, 16];

/** The slots of days that were computed before. The offset of a day does not change, and Temporal is slow. */
const knownDays = new Map<string, readonly Slot[]>();
const MAX_KNOWN_DAYS = 2000;

/**
 * The slots of a local day, earliest first: eight, or fewer when the clock change skips some. A local hour that occurs
 * twice counts once, at its first occurrence.
 * @param date `YYYY-MM-DD`, an existing day
 */
export function slotsOn(date: string, timeZone: string): readonly Slot[] {
  const key = `${timeZone} ${date}`;
  const known = knownDays.get(key);
  if (known) return known;
  const day = Temporal.PlainDate.from(date);
  const slots = START_HOURS.flatMap((hour) => {
    const local = day.toPlainDateTime({ hour });
    const zoned = local.toZonedDateTime(timeZone, { disambiguation: "compatible" });
    // For a skipped hour Temporal returns a later one.
    if (!zoned.toPlainDateTime().equals(local)) return [];
    return [{ startAt: zoned.epochMilliseconds, endAt: zoned.epochMilliseconds + SLOT_MS }];
  });
  if (knownDays.size >= MAX_KNOWN_DAYS) knownDays.clear();
  knownDays.set(key, slots);
  return slots;
}

/** The reason why no test drive can begin at an instant. */
export type StartFault = "in_the_past" | "too_far_ahead" | "not_a_slot";

/** The message of each fault. */
export const START_MESSAGES: Readonly<Record<StartFault | "invalid_instant", string>> = {
  invalid_instant: "Must be an existing ISO 8601 date and time",
  in_the_past: "Must be in the future",
  too_far_ahead: "Must not be further ahead than bookings are accepted",
  not_a_slot: "Must be on the hour from 09:00 to 16:00, showroom time",
};

/**
 * Checks that a test drive may begin at `startAt`: at the start of a slot, in the future, within the horizon.
 * @returns the fault, or `undefined`
 */
export function checkStart(startAt: number, now: number, hours: Hours): StartFault | undefined {
  if (startAt <= now) return "in_the_past";
  if (startAt > now + hours.horizonDays * DAY_MS) return "too_far_ahead";
  // A zone is less than a day off UTC, so the local day is the UTC day or a neighbour. This avoids a call of Temporal.
  const isSlot = [startAt, startAt - DAY_MS, startAt + DAY_MS].some((at) =>
    slotsOn(utcDate(at), hours.timeZone).some((slot) => slot.startAt === startAt),
  );
  return isSlot ? undefined : "not_a_slot";
}

/** The slot that begins at `startAt`, which must be the start of a slot. */
export const slotAt = (startAt: number): Slot => ({ startAt, endAt: startAt + SLOT_MS });

/**
 * The slots of the days from `from` to `to` (inclusive) that are in the future and within the horizon, earliest first.
 * Only days between now and the horizon are computed, however far apart `from` and `to` are.
 */
export function futureSlots(from: string, to: string, now: number, hours: Hours): Slot[] {
  const horizon = now + hours.horizonDays * DAY_MS;
  // One more day on either side, because a local day may begin before or after the UTC day.
  const first = Math.max(Date.parse(from), now - (now % DAY_MS) - DAY_MS);
  const last = Math.min(Date.parse(to), horizon + DAY_MS);
  const slots: Slot[] = [];
  for (let day = first; day <= last; day += DAY_MS)
    for (const slot of slotsOn(utcDate(day), hours.timeZone))
      if (slot.startAt > now && slot.startAt <= horizon) slots.push(slot);
  return slots;
}

/** The time from the first to the last of some slots. Empty when there are none. */
export const spanOf = (slots: readonly Slot[]): TimeSpan => ({
  startAt: slots[0]?.startAt ?? 0,
  endAt: slots.at(-1)?.endAt ?? 0,
});

/** The slots that overlap none of the times that are taken. `slots` are in order. */
export function freeSlots(slots: readonly Slot[], taken: readonly TimeSpan[]): Slot[] {
  const whole = spanOf(slots);
  // Filtered first: a car may have bookings for a year, and few of them are on these days.
  const near = taken.filter((other) => overlaps(whole, other));
  return slots.filter((slot) => !near.some((other) => overlaps(slot, other)));
}

/** The slots that a reader is offered: the free ones, and none of a car that is out of stock. */
export const offeredSlots = (
  slots: readonly Slot[],
  status: CarStatus,
  taken: readonly TimeSpan[],
): Slot[] => (isBookable(status) ? freeSlots(slots, taken) : []);

/** Number of days before and after the wanted time that are searched for alternatives. */
const NEARBY_DAYS = 7;

/** The free slots nearest to a wanted start, nearest first, at most `count`. */
export function nearestFree(
  startAt: number,
  taken: readonly Slot[],
  now: number,
  hours: Hours,
  count = 3,
): Slot[] {
  const date = localDate(startAt, hours.timeZone);
  const nearby = futureSlots(addDays(date, -NEARBY_DAYS), addDays(date, NEARBY_DAYS), now, hours);
  return freeSlots(nearby, taken)
    .sort((a, b) => Math.abs(a.startAt - startAt) - Math.abs(b.startAt - startAt) || a.startAt - b.startAt)
    .slice(0, count);
}
