/** Dates, days and instants in the showroom's time zone. Pure: `now` is passed in. */
import { Temporal } from "temporal-polyfill";

/** The time from `startAt` (included) to `endAt` (excluded). Both in milliseconds since 1970 UTC. */
export type TimeSpan = { startAt: number; endAt: number };

export const DAY_MS = 24 * 60 * 60 * 1000;

/** Whether a text is the IANA name of a time zone. An offset such as `+01:00` is none: it knows no clock changes. */
export function isTimeZone(name: string): boolean {
  try {
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

/** Whether two spans overlap. */
export const overlaps = (a: TimeSpan, b: TimeSpan): boolean => a.startAt < b.endAt && b.startAt < a.endAt;

/** The local day (`YYYY-MM-DD`) of an instant. */
export const localDate = (at: number, timeZone: string): string =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone).toPlainDate().toString();

/** The day that is `days` later (or earlier) than another. */
export const addDays = (date: string, days: number): string => utcDate(Date.parse(date) + days * DAY_MS);

/** The UTC day of an instant, as `YYYY-MM-DD`. */
export const utcDate = (at: number): string => new Date(at).toISOString().slice(0, -"T00:00:00.000Z".length);

/** The instant at which a local day begins. */
const dayStart = (date: string, timeZone: string): number =>
  Temporal.PlainDate.from(date).toZonedDateTime(timeZone).epochMilliseconds;

/** The span from the first to the last local day (both included). A missing day leaves that side open. */
export const daySpan = (first: string | undefined, last: string | undefined, timeZone: string) => ({
  from: first === undefined ? undefined : dayStart(first, timeZone),
  to: last === undefined ? undefined : dayStart(addDays(last, 1), timeZone),
});
/** The number of days from one day to another. */
export const daysBetween = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / DAY_MS;

/** Earlier dates are rejected as typing errors. */
const EARLIEST = "1900-01-01";

/** Whether a text is an existing day from 1900 on, written `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < EARLIEST) return false;
  // `Date` reads a day that does not exist, such as 30 February, as a day of the next month.
  return new Date(text).getUTCDate() === Number(text.slice(8));
}

/**
 * Reads an ISO 8601 date and time with `Z` or an offset. Without an offset it is the local time of `timeZone`. Returns
 * `undefined` when the text has another form, when the instant does not exist, or without an offset and a time zone.
 */
export function parseInstant(text: string, timeZone?: string): number | undefined {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:[0-5]\d(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  // `Date` reads 30 February and 24:00 as moments of the next day.
  if (!form || !isDate(text.slice(0, 10)) || text.slice(11, 13) === "24") return undefined;
  if (form[3]) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : at;
  }
  if (timeZone === undefined) return undefined;
  try {
    const local = Temporal.PlainDateTime.from(text, { overflow: "reject" });
    const zoned = local.toZonedDateTime(timeZone, { disambiguation: "compatible" });
    return zoned.toPlainDateTime().equals(local) ? zoned.epochMilliseconds : undefined;
  } catch {
    return undefined;
  }
}

/** Writes an instant (milliseconds since 1970, year of four digits) for the wire: whole seconds in UTC. */
export const formatInstant = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

/** Texts of instants. The instants of slots repeat often, and Temporal is slow. */
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

/** Writes a span with the showroom's offset, as members of the wire format. */
export const formatSpan = ({ startAt, endAt }: TimeSpan, timeZone: string) => ({
  start_at: formatLocal(startAt, timeZone),
  end_at: formatLocal(endAt, timeZone),
});

const formatter = (timeZone: string, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat("en-GB", { timeZone, ...options });

/** Writes the showroom's day of an instant for people: `Tuesday, 1 December 2026`. */
export const formatDay = (at: number, timeZone: string): string =>
  formatter(timeZone, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(at);

/** Writes the showroom's time of an instant for people: `09:00`. */
export const formatHour = (at: number, timeZone: string): string =>
  formatter(timeZone, { hour: "2-digit", minute: "2-digit" }).format(at);
