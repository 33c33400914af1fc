/** Time as the showroom keeps it: opening hours, slots, and instants written and read. Pure; `now` is passed in. */
import { Temporal } from "temporal-polyfill";

/** A time a booking may take. Both ends are milliseconds since 1970 UTC; the end is not part of it. */
export type Slot = { startAt: number; endAt: number };

/** When test drives happen. */
export type Hours = {
  /** IANA name of the showroom's time zone. */
  timeZone: string;
  /** How far ahead a booking may start. */
  horizonDays: number;
};

const SLOT_MS = 60 * 60 * 1000;
const DAY_MS = 24 * SLOT_MS;
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

/** The local day (`YYYY-MM-DD`) an instant falls on. */
export const localDate = (at: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone).toPlainDate().toString();

/** The day `days` after (or before) another. */
export const addDays = (date: string, days: number): string => dateOf(Date.parse(date) + days * DAY_MS);

/** The day of an instant in UTC, in which every day is as long as the other. */
const dateOf = (at: number): string => new Date(at).toISOString().slice(0, -"T00:00:00.000Z".length);

/** The instant at which a local day begins. */
const dayStart = (date: string, timeZone: string): number =>
  Temporal.PlainDate.from(date).toZonedDateTime(timeZone).epochMilliseconds;

/** The time from the first to the last of some local days, both inclusive; a missing day leaves its end open. */
export const daySpan = (first: string | undefined, last: string | undefined, timeZone: string) => ({
  from: first === undefined ? undefined : dayStart(first, timeZone),
  to: last === undefined ? undefined : dayStart(addDays(last, 1), timeZone),
});
/** How many days after `from` the day `to` is. */
export const daysBetween = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / DAY_MS;

/** The first day that is spoken of here; what is before it is a slip of the pen. */
const EARLIEST = "1900-01-01";

/** Whether this is a day that exists, from 1900 on, written `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < EARLIEST) return false;
  // A day too many, like 30 February, is read as one of the next month.
  return new Date(text).getUTCDate() === Number(text.slice(8));
}

/** Why no test drive can begin at an instant. */
export type StartRefusal = "in_the_past" | "too_far_ahead" | "not_a_slot";

/**
 * Checks that a test drive may begin at `startAt`: at a slot's start, in the future, within the horizon.
 * `undefined` when it may.
 */
export function refuseStart(startAt: number, now: number, hours: Hours): StartRefusal | undefined {
  if (startAt <= now) return "in_the_past";
  if (startAt > now + hours.horizonDays * DAY_MS) return "too_far_ahead";
  // No zone is a whole day off UTC, so its local day is that of UTC or one beside it, and Temporal need not be asked.
  const isSlot = [startAt, startAt - DAY_MS, startAt + DAY_MS].some((at) =>
    slotsOn(dateOf(at), hours.timeZone).some((slot) => slot.startAt === startAt),
  );
  return isSlot ? undefined : "not_a_slot";
}

/** The slot that begins at `startAt`, which must be a slot's start. */
export const slotAt = (startAt: number): Slot => ({ startAt, endAt: startAt + SLOT_MS });

/** Whether two times share a moment. */
export const overlaps = (a: Slot, b: Slot): boolean => a.startAt < b.endAt && b.startAt < a.endAt;

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
    for (const slot of slotsOn(dateOf(day), hours.timeZone))
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

/**
 * Reads an instant: ISO 8601 date and time with `Z` or an offset, or without one, which means the showroom's local
 * time. `undefined` when it is not such text or names a moment that does not exist.
 */
export function parseInstant(text: string, timeZone: string): number | undefined {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:[0-5]\d(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  // `Date` would read 30 February and 24:00 as moments of the next day.
  if (!form || !isDate(text.slice(0, 10)) || text.slice(11, 13) === "24") return undefined;
  if (form[3]) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : at;
  }
  try {
    const local = Temporal.PlainDateTime.from(text, { overflow: "reject" });
    const zoned = local.toZonedDateTime(timeZone, { disambiguation: "compatible" });
    return zoned.toPlainDateTime().equals(local) ? zoned.epochMilliseconds : undefined;
  } catch {
    return undefined;
  }
}

/** Instants written before: those of slots come again and again, and Temporal is slow. */
const knownTexts = new Map<string, string>();
const MAX_KNOWN_TEXTS = 20_000;

/** Writes an instant with the showroom's offset: `2026-12-01T09:00:00+01:00`. */
export function formatLocal(at: number, timeZone: string): string {
  const key = `${timeZone} ${at}`;
  const known = knownTexts.get(key);
  if (known) return known;
  const text = Temporal.Instant.fromEpochMilliseconds(at)
    .toZonedDateTimeISO(timeZone)
    .toString({ timeZoneName: "never", smallestUnit: "second" });
  if (knownTexts.size >= MAX_KNOWN_TEXTS) knownTexts.clear();
  knownTexts.set(key, text);
  return text;
}

const formatter = (timeZone: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-GB", { timeZone, ...options });

/** The showroom's day of an instant, for people: `Tuesday, 1 December 2026`. */
export const formatDay = (at: number, timeZone: string): string =>
  formatter(timeZone, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(at);

/** The showroom's time of an instant, for people: `09:00`. */
export const formatHour = (at: number, timeZone: string): string =>
  formatter(timeZone, { hour: "2-digit", minute: "2-digit" }).format(at);
