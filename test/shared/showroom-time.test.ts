import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { daySpan, daysBetween, isDate, parseInstant } from "../../src/shared/showroom-time.ts";

const BERLIN = "Europe/Berlin";
const at = (text: string) => Date.parse(text);

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

test("an instant without an offset is not read without a time zone", () => {
  expect(parseInstant("2026-12-01T09:00")).toBeUndefined();
  expect(parseInstant("2026-12-01T09:00:00Z")).toBe(at("2026-12-01T09:00:00Z"));
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

describe("a date", () => {
  test.each(["2026-12-01", "2028-02-29"])("is valid: %s", (text) => expect(isDate(text)).toBe(true));
  test.each(["2026-02-29", "2026-00-10", "2026-1-1", "20261201", "2026-12-01T00:00", "", "-2026-12-01"])(
    "is not valid: %j",
    (text) => expect(isDate(text)).toBe(false),
  );
});
