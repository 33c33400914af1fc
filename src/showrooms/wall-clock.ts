/** When the clocks on a showroom's wall show a local time. Pure. */
import { Temporal } from "temporal-polyfill";
import { DAY_MS, type TimeSpan } from "../shared/showroom-time.ts";

/** A time until a zone's next clock change. `offset` is local time minus UTC, in milliseconds. */
type Stretch = TimeSpan & { offset: number };

/**
 * The stretches that were computed before, by zone. One conversion by Temporal takes about 50 µs, and a month of slots
 * in steps of five minutes would need 9,000; a stretch answers for half a year.
 */
const knownStretches = new Map<string, Stretch[]>();
const MAX_KNOWN_ZONES = 100;
const MAX_OTHER_STRETCHES = 20;

function stretchAt(at: number, timeZone: string): Stretch {
  const known = knownStretches.get(timeZone) ?? [];
  const found = known.find(({ startAt, endAt }) => startAt <= at && at < endAt);
  if (found) return found;
  const zoned = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone);
  const stretch = {
    // It began earlier, but Temporal needs 8 ms to find the change before an instant.
    startAt: at,
    endAt: zoned.getTimeZoneTransition("next")?.epochMilliseconds ?? Infinity,
    offset: zoned.offsetNanoseconds / 1_000_000,
  };
  if (knownStretches.size >= MAX_KNOWN_ZONES) knownStretches.clear();
  // The known part of the same stretch is within this one.
  const others = known.filter(({ endAt }) => endAt !== stretch.endAt).slice(-MAX_OTHER_STRETCHES);
  knownStretches.set(timeZone, [...others, stretch]);
  return stretch;
}

/**
 * The first instant at which the clocks of a zone show a local time, or a later one when a clock change skips it. So an
 * ambiguous local time is its first occurrence, and a skipped one is the instant of the change.
 * @param local the local time, in milliseconds since 1970-01-01T00:00 of the same clocks
 * @returns the instant, and whether the clocks then show exactly that time
 */
export function firstInstant(local: number, timeZone: string): { at: number; isShown: boolean } {
  // No zone is a day ahead of UTC: a day earlier, the clocks do not show that time yet.
  let stretch = stretchAt(local - DAY_MS, timeZone);
  for (;;) {
    const at = Math.max(stretch.startAt, local - stretch.offset);
    if (at < stretch.endAt) return { at, isShown: at + stretch.offset === local };
    stretch = stretchAt(stretch.endAt, timeZone);
  }
}
