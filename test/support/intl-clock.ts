/** The clocks of a zone by `Intl.DateTimeFormat` alone: an oracle for code that computes with Temporal. */

const MINUTE = 60_000;
const WEEK = 7 * 24 * 60 * MINUTE;

/** A clock change: its instant, and local time minus UTC before it and from it on, in milliseconds. */
export type ClockChange = { at: number; before: number; after: number };

/** The clock changes of a zone in some years, and the offset at any instant of them. */
export type IntlClock = { changes: ClockChange[]; offsetAt: (at: number) => number };

/** Finds the clock changes from the first to the last year, each to the minute. */
export function intlClock(timeZone: string, firstYear: number, lastYear: number): IntlClock {
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
  const read = (at: number): number => {
    const parts = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - at;
  };
  const changes: ClockChange[] = [];
  const begin = Date.UTC(firstYear, 0, 1);
  const end = Date.UTC(lastYear + 1, 0, 1);
  let before = read(begin);
  const first = before;
  for (let from = begin; from < end; from += WEEK) {
    const after = read(from + WEEK);
    if (after === before) continue;
    let [low, high] = [from, from + WEEK];
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE;
      if (read(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ at: high, before, after });
    before = after;
  }
  const offsetAt = (at: number) => changes.findLast((change) => change.at <= at)?.after ?? first;
  return { changes, offsetAt };
}
