import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import {
  checkStart,
  freeSlots,
  futureSlots,
  nearestFree,
  offeredSlots,
  slotsOn,
} from "../../src/bookings/slots.ts";
import { daySpan, daysBetween, formatLocal, isDate, parseInstant } from "../../src/shared/showroom-time.ts";

const BERLIN = "Europe/Berlin";
const hours = { timeZone: BERLIN, horizonDays: 365 };
const at = (text: string) => Date.parse(text);

describe("the slots of a day", () => {
  test("are eight, one at each local hour from 9 to 16", () => {
    const starts = slotsOn("2026-12-01", BERLIN).map(({ startAt }) => formatLocal(startAt, BERLIN));
    expect(starts).toEqual(
      ["09", "10", "11", "12", "13", "14", "15", "16"].map((hour) => `2026-12-01T${hour}:00:00+01:00`),
    );
  });

  test("follow the clocks on the days of a clock change", () => {
    expect(slotsOn("2026-03-28", BERLIN)[0]?.startAt).toBe(at("2026-03-28T08:00:00Z"));
    expect(slotsOn("2026-03-29", BERLIN)[0]?.startAt).toBe(at("2026-03-29T07:00:00Z"));
    expect(slotsOn("2026-10-25", BERLIN)[0]?.startAt).toBe(at("2026-10-25T08:00:00Z"));
  });

  test("are empty on a day that a zone skipped", () => {
    // Samoa went from 29 to 31 December 2011.
    expect(slotsOn("2011-12-30", "Pacific/Apia")).toEqual([]);
    expect(slotsOn("2011-12-31", "Pacific/Apia")).toHaveLength(8);
  });
});

describe("a local day", () => {
  test.each([
    ["2026-12-01", BERLIN, "2026-11-30T23:00:00Z", 24],
    ["2026-03-29", BERLIN, "2026-03-28T23:00:00Z", 23],
    ["2026-10-25", BERLIN, "2026-10-24T22:00:00Z", 25],
    ["2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", 0],
  ])("%s in %s begins at %s and lasts %d hours", (date, zone, begin, length) => {
    const { from = 0, to = 0 } = daySpan(date, date, zone);
    expect([from, (to - from) / 3_600_000]).toEqual([at(begin), length]);
  });

  test("has a number of days to another day", () => {
    expect(daysBetween("2026-12-01", "2026-12-31")).toBe(30);
    expect(daysBetween("2026-12-01", "2026-11-30")).toBe(-1);
    expect(daysBetween("9999-12-31", "9999-12-31")).toBe(0);
  });
});

describe("an instant", () => {
  test.each([
    ["2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z"],
    ["2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00Z"],
    ["2026-12-01T09:00:00.000-05:00", "2026-12-01T14:00:00Z"],
    ["2026-12-01T09:00", "2026-12-01T08:00:00Z"],
    ["2026-07-01T09:00:00", "2026-07-01T07:00:00Z"],
    // The hour that happens twice is the first one.
    ["2026-10-25T02:30", "2026-10-25T00:30:00Z"],
  ])("is read from %s as %s", (text, utc) => expect(parseInstant(text, BERLIN)).toBe(at(utc)));

  test.each([
    "2026-12-01",
    "2026-02-30T09:00:00Z",
    "2026-12-01 09:00:00Z",
    "2026-12-01T24:00:00Z",
    "2026-12-01T24:00:00+01:00",
    "2026-12-01T24:00",
    "2026-02-29T09:00",
    "2026-12-01T09:60:00Z",
    // A second that Temporal would take for the one before.
    "2026-12-01T09:00:60Z",
    "2026-12-01T09:00:60",
    "2026-12-01T09:00:00+05:60",
    "2026-12-01T09:00:00+24:00",
    "+012026-12-01T09:00:00Z",
    "2026-W01-1T09:00:00Z",
    // An hour that the clocks skipped.
    "2026-03-29T02:30",
    " 2026-12-01T09:00:00Z",
    "2026-12-01T09:00:00Z\n",
  ])("is not read from %j", (text) => expect(parseInstant(text, BERLIN)).toBeUndefined());
});

test("an instant with an offset equals the one that Temporal reads", () => {
  const number = (from: number, to: number, digits = 2) =>
    fc.integer({ min: from, max: to }).map((n) => String(n).padStart(digits, "0"));
  const text = fc
    .tuple(
      number(1900, 9999, 4),
      number(0, 13),
      number(0, 32),
      number(0, 25),
      number(0, 60),
      fc.option(number(0, 59), { nil: undefined }),
      fc.oneof(fc.constant("Z"), fc.tuple(fc.constantFrom("+", "-"), number(0, 24), number(0, 60))),
    )
    .map(([year, month, day, hour, minute, second, zone]) => {
      const seconds = second === undefined ? "" : `:${second}`;
      const offset = typeof zone === "string" ? zone : `${zone[0]}${zone[1]}:${zone[2]}`;
      return `${year}-${month}-${day}T${hour}:${minute}${seconds}${offset}`;
    });
  const read = (written: string) => {
    try {
      return Temporal.Instant.from(written).epochMilliseconds;
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(text, (written) => parseInstant(written, BERLIN) === read(written)),
    { numRuns: 3000 },
  );
});

describe("a start", () => {
  const now = at("2026-12-01T08:00:00Z");

  test("must lie in the future", () => {
    expect(checkStart(now, now, hours)).toBe("in_the_past");
    expect(checkStart(now + 3_600_000, now, hours)).toBeUndefined();
  });

  test("may be at most the horizon ahead", () => {
    expect(checkStart(at("2027-12-01T08:00:00Z"), now, hours)).toBeUndefined();
    expect(checkStart(at("2027-12-01T09:00:00Z"), now, hours)).toBe("too_far_ahead");
  });

  test("must be the start of a slot", () => {
    expect(checkStart(at("2026-12-02T08:30:00Z"), now, hours)).toBe("not_a_slot");
    expect(checkStart(at("2026-12-02T07:00:00Z"), now, hours)).toBe("not_a_slot");
    expect(checkStart(at("2026-12-02T16:00:00Z"), now, hours)).toBe("not_a_slot");
  });
});

describe("free slots", () => {
  const now = at("2026-12-01T10:30:00Z");

  test("begin after now", () => {
    expect(
      futureSlots("2026-12-01", "2026-12-01", now, hours).map(({ startAt }) =>
        formatLocal(startAt, BERLIN).slice(11, 13),
      ),
    ).toEqual(["12", "13", "14", "15", "16"]);
  });

  test("exclude slots that overlap a booking, even a booking that does not start on the hour", () => {
    const taken = [{ startAt: at("2026-12-02T08:30:00Z"), endAt: at("2026-12-02T09:30:00Z") }];
    const free = freeSlots(futureSlots("2026-12-02", "2026-12-02", now, hours), taken);
    expect(free[0]?.startAt).toBe(at("2026-12-02T10:00:00Z"));
  });

  test.each([
    ["9999-12-31", "9999-12-31"],
    ["0000-01-01", "9999-12-31"],
  ])("from %s to %s are found quickly, however far away the days are", (from, to) => {
    const free = futureSlots(from, to, now, { timeZone: BERLIN, horizonDays: 1 });
    expect(free).toHaveLength(from === to ? 0 : 5 + 3);
  });

  test.each([
    ["AVAILABLE", 8],
    ["RESERVED", 8],
    ["SOLD", 0],
    ["REMOVED", 0],
  ] as const)("of a day are offered while the car is %s: %d", (status, count) => {
    const slots = futureSlots("2026-12-02", "2026-12-02", now, hours);
    expect(offeredSlots(slots, status, [])).toHaveLength(count);
  });

  test("are sorted by their distance from a wanted start", () => {
    const wanted = at("2026-12-02T10:00:00Z");
    const taken = [{ startAt: wanted, endAt: wanted + 3_600_000 }];
    expect(
      nearestFree(wanted, taken, now, hours).map(({ startAt }) => (startAt - wanted) / 3_600_000),
    ).toEqual([-1, 1, -2]);
  });
});

describe("a date", () => {
  test.each(["2026-12-01", "2028-02-29"])("is valid: %s", (text) => expect(isDate(text)).toBe(true));
  test.each(["2026-02-29", "2026-00-10", "2026-1-1", "20261201", "2026-12-01T00:00", "", "-2026-12-01"])(
    "is not valid: %j",
    (text) => expect(isDate(text)).toBe(false),
  );
});
