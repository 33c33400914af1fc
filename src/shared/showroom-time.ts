/** Dates, days and instants in the showroom's time zone: read, written and compared. Pure; `now` is passed in. */
import { Temporal } from "temporal-polyfill";

/** The time from `startAt` up to, not including, `endAt`. Both in milliseconds since 1970 UTC. */
export type TimeSpan = { startAt: number; endAt: number };

export const DAY_MS = 24 * 60 * 60 * 1000;

/** Whether two times share a moment. */
export const overlaps = (a: TimeSpan, b: TimeSpan): boolean => a.startAt < b.endAt && b.startAt < a.endAt;

/** The local day (`YYYY-MM-DD`) an instant falls on. */
export const localDate = (at: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone).toPlainDate().toString();

/** The day `days` after (or before) another. */
export const addDays = (date: string, days: number): string => utcDate(Date.parse(date) + days * DAY_MS);

/** The UTC day of an instant, as `YYYY-MM-DD`. */
export const utcDate = (at: number): string => new Date(at).toISOString().slice(0, -"T00:00:00.000Z".length);

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

/** Earlier dates are treated as typing errors and rejected. */
const EARLIEST = "1900-01-01";

/** Whether this is a day that exists, from 1900 on, written `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < EARLIEST) return false;
  // A day too many, like 30 February, is read as one of the next month.
  return new Date(text).getUTCDate() === Number(text.slice(8));
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

/** Writes a span with the showroom's offset, under the names that clients know. */
export const formatSpan = ({ startAt, endAt }: TimeSpan, timeZone: string) => ({
  start_at: formatLocal(startAt, timeZone),
  end_at: formatLocal(endAt, timeZone),
});

const formatter = (timeZone: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-GB", { timeZone, ...options });

/** The showroom's day of an instant, for people: `Tuesday, 1 December 2026`. */
export const formatDay = (at: number, timeZone: string): string =>
  formatter(timeZone, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(at);

/** The showroom's time of an instant, for people: `09:00`. */
export const formatHour = (at: number, timeZone: string): string =>
  formatter(timeZone, { hour: "2-digit", minute: "2-digit" }).format(at);
