/** Opening hours and slots: when a test drive can begin. Pure; `now` is passed in. */
import { Temporal } from "temporal-polyfill";
import { addDays, DAY_MS, localDate, overlaps, type TimeSpan, utcDate } from "../shared/showroom-time.ts";

/** A time a booking may take. */
export type Slot = TimeSpan;

/** When test drives happen. */
export type Hours = {
  /** IANA name of the showroom's time zone. */
  timeZone: string;
  /** How far ahead a booking may start. */
  horizonDays: number;
};

const SLOT_MS = 60 * 60 * 1000;
/** Local hours at which a test drive may begin, as in the seed. */
const START_HOURS = [9, 10, 11, 12, 13, 14, 15, 16];

/** Slots per day of a zone: an offset never changes for a day already asked about, and asking Temporal is slow. */
const knownDays = new Map<string, readonly Slot[]>();
const MAX_KNOWN_DAYS = 2000;

/**
 * The slots of a local day, earliest first: eight, or fewer on a day when the clocks skip some of them. A local
 * hour that happens twice counts once, at its first occurrence.
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
    // In a gap Temporal moves on to an hour that was not asked for.
    if (!zoned.toPlainDateTime().equals(local)) return [];
    return [{ startAt: zoned.epochMilliseconds, endAt: zoned.epochMilliseconds + SLOT_MS }];
  });
  if (knownDays.size >= MAX_KNOWN_DAYS) knownDays.clear();
  knownDays.set(key, slots);
  return slots;
}

/** Why no test drive can begin at an instant. */
export type StartFault = "in_the_past" | "too_far_ahead" | "not_a_slot";

/** What each fault of a start means. */
export const START_MESSAGES: Readonly<Record<StartFault | "invalid_instant", string>> = {
  invalid_instant: "Must be an existing ISO 8601 date and time",
  in_the_past: "Must be in the future",
  too_far_ahead: "Is further ahead than bookings are taken",
  not_a_slot: "Must be on the hour from 09:00 to 16:00, showroom time",
};

/**
 * Checks that a test drive may begin at `startAt`: at the start of a slot, in the future, within the horizon.
 * @returns the fault; `undefined` when it may
 */
export function checkStart(startAt: number, now: number, hours: Hours): StartFault | undefined {
  if (startAt <= now) return "in_the_past";
  if (startAt > now + hours.horizonDays * DAY_MS) return "too_far_ahead";
  // No zone is a whole day off UTC, so its local day is that of UTC or one beside it, and Temporal need not be asked.
  const isSlot = [startAt, startAt - DAY_MS, startAt + DAY_MS].some((at) =>
    slotsOn(utcDate(at), hours.timeZone).some((slot) => slot.startAt === startAt),
  );
  return isSlot ? undefined : "not_a_slot";
}

/** The slot that begins at `startAt`, which must be a slot's start. */
export const slotAt = (startAt: number): Slot => ({ startAt, endAt: startAt + SLOT_MS });

/**
 * The slots of the days from `from` to `to` (inclusive) that can still be booked. However far apart the days are,
 * only those between now and the horizon are looked at.
 */
export function freeSlots(
  from: string,
  to: string,
  taken: readonly Slot[],
  now: number,
  hours: Hours,
): Slot[] {
  const horizon = now + hours.horizonDays * DAY_MS;
  // A day more on either side, because a local day may begin before or after that of UTC.
  const first = Math.max(Date.parse(from), now - (now % DAY_MS) - DAY_MS);
  const last = Math.min(Date.parse(to), horizon + DAY_MS);
  const open: Slot[] = [];
  for (let day = first; day <= last; day += DAY_MS)
    for (const slot of slotsOn(utcDate(day), hours.timeZone))
      if (slot.startAt > now && slot.startAt <= horizon) open.push(slot);
  const whole = { startAt: open[0]?.startAt ?? 0, endAt: open.at(-1)?.endAt ?? 0 };
  // A car may have a year of bookings, and few of them are on these days.
  const near = taken.filter((other) => overlaps(whole, other));
  return open.filter((slot) => !near.some((other) => overlaps(slot, other)));
}

/** How many days before and after a wanted time are searched for others. */
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
  return freeSlots(addDays(date, -NEARBY_DAYS), addDays(date, NEARBY_DAYS), taken, now, hours)
    .sort((a, b) => Math.abs(a.startAt - startAt) - Math.abs(b.startAt - startAt) || a.startAt - b.startAt)
    .slice(0, count);
}
