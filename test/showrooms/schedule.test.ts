import { describe, expect, test } from "vitest";
import type { OpeningWindow } from "../../src/shared/opening-hours.ts";
import { formatLocal } from "../../src/shared/showroom-time.ts";
import {
  checkStart,
  defaultSchedule,
  driveAt,
  footprintOf,
  isWithinHours,
  openSlots,
  type Policy,
  type Schedule,
  slotsOn,
  windowsOn,
} from "../../src/showrooms/schedule.ts";

const BERLIN = "Europe/Berlin";
const MINUTE = 60_000;
const at = (text: string) => Date.parse(text);
const customer = { byStaff: false };
const staff = { byStaff: true };

/** The default schedule, with the same windows on every day. */
function scheduleOf(
  windows: OpeningWindow[],
  policy: Partial<Policy> = {},
  rest: Partial<Schedule> = {},
): Schedule {
  const schedule = defaultSchedule("showroom", BERLIN, 30);
  return {
    ...schedule,
    hours: {
      mon: windows,
      tue: windows,
      wed: windows,
      thu: windows,
      fri: windows,
      sat: windows,
      sun: windows,
    },
    policy: { ...schedule.policy, ...policy },
    ...rest,
  };
}

/** The local times at which the slots of a day begin. */
const startsOn = (schedule: Schedule, date: string): string[] =>
  slotsOn(schedule, date).map(({ startAt }) => formatLocal(startAt, schedule.timeZone).slice(11, 16));

describe("the windows of a day", () => {
  const schedule: Schedule = {
    ...defaultSchedule("showroom", BERLIN, 30),
    hours: {
      mon: [["08:00", "12:00"]],
      tue: [],
      wed: [],
      thu: [],
      fri: [],
      sat: [["10:00", "14:00"]],
      sun: [["11:00", "12:00"]],
    },
    specialHours: [
      { from: "2026-12-05", to: "2026-12-07", windows: [["15:00", "16:00"]] },
      { from: "2026-12-07", to: "2026-12-20", windows: [] },
    ],
  };

  test.each([
    ["2026-11-30", [["08:00", "12:00"]]],
    ["2026-12-01", []],
    ["2026-11-28", [["10:00", "14:00"]]],
    ["2026-11-29", [["11:00", "12:00"]]],
  ])("are those of its day of the week: %s %j", (date, windows) =>
    expect(windowsOn(schedule, date)).toEqual(windows),
  );

  test.each([
    ["2026-12-04", []],
    ["2026-12-05", [["15:00", "16:00"]]],
    ["2026-12-06", [["15:00", "16:00"]]],
    // Two cover it: the last one wins, though it begins on that day.
    ["2026-12-07", []],
    ["2026-12-20", []],
    ["2026-12-21", [["08:00", "12:00"]]],
  ])("are those of the last special hours that cover it: %s %j", (date, windows) =>
    expect(windowsOn(schedule, date)).toEqual(windows),
  );
});

describe("the slots of a day", () => {
  test("step through each window from its opening, and end within it", () => {
    const schedule = scheduleOf(
      [
        ["09:00", "12:00"],
        ["13:15", "16:00"],
      ],
      { slotMinutes: 60, stepMinutes: 45 },
    );
    expect(startsOn(schedule, "2026-12-01")).toEqual(["09:00", "09:45", "10:30", "13:15", "14:00", "14:45"]);
    expect(slotsOn(schedule, "2026-12-01")[0]).toEqual({
      startAt: at("2026-12-01T08:00:00Z"),
      endAt: at("2026-12-01T09:00:00Z"),
    });
  });

  test("may end at midnight, and none is in a window that is shorter than a drive", () => {
    const schedule = scheduleOf([
      ["09:00", "09:59"],
      ["22:00", "24:00"],
    ]);
    expect(startsOn(schedule, "2026-12-01")).toEqual(["22:00", "23:00"]);
    expect(slotsOn(schedule, "2026-12-01").at(-1)?.endAt).toBe(at("2026-12-01T23:00:00Z"));
  });

  // Berlin: from 02:00 to 03:00 in March, from 03:00 back to 02:00 in October.
  test("leave out the starts that a clock change skips", () => {
    const schedule = scheduleOf([["01:00", "05:00"]], { slotMinutes: 30, stepMinutes: 30 });
    expect(startsOn(schedule, "2027-03-28")).toEqual(["01:00", "01:30", "03:00", "03:30", "04:00", "04:30"]);
  });

  test("end at the clock change when it skips the closing", () => {
    const schedule = scheduleOf([["00:30", "02:30"]], { slotMinutes: 60, stepMinutes: 15 });
    expect(startsOn(schedule, "2027-03-28")).toEqual(["00:30", "00:45", "01:00"]);
    expect(startsOn(schedule, "2027-03-29")).toEqual(["00:30", "00:45", "01:00", "01:15", "01:30"]);
  });

  test("begin at the first occurrence of a time that the clocks show twice", () => {
    const schedule = scheduleOf([["02:00", "04:00"]], { slotMinutes: 30, stepMinutes: 30 });
    expect(slotsOn(schedule, "2027-10-31").map(({ startAt }) => new Date(startAt).toISOString())).toEqual([
      "2027-10-31T00:00:00.000Z",
      "2027-10-31T00:30:00.000Z",
      "2027-10-31T02:00:00.000Z",
      "2027-10-31T02:30:00.000Z",
    ]);
  });

  test("last as long as always when an hour happens twice within them", () => {
    // From 02:00 there are three hours until the clocks show 04:00.
    const schedule = scheduleOf([["02:00", "04:00"]], { slotMinutes: 180, stepMinutes: 60 });
    expect(slotsOn(schedule, "2027-10-31")).toEqual([
      { startAt: at("2027-10-31T00:00:00Z"), endAt: at("2027-10-31T03:00:00Z") },
    ]);
    expect(slotsOn(schedule, "2027-11-01")).toEqual([]);
  });

  test("are none on a day that a zone skipped, and end before it", () => {
    // Samoa went from 29 to 31 December 2011.
    const schedule = scheduleOf([["00:00", "24:00"]], {}, { timeZone: "Pacific/Apia" });
    expect(slotsOn(schedule, "2011-12-29")).toHaveLength(24);
    expect(slotsOn(schedule, "2011-12-30")).toEqual([]);
    expect(slotsOn(schedule, "2011-12-31")).toHaveLength(24);
    expect(slotsOn(schedule, "2011-12-29").at(-1)?.endAt).toBe(
      slotsOn(schedule, "2011-12-31")[0]?.startAt ?? 0,
    );
  });

  test("are the same whichever day is asked for first", () => {
    const schedule = scheduleOf([["00:00", "24:00"]], {}, { timeZone: "America/Santiago" });
    const days = Array.from({ length: 1200 }, (_, i) =>
      new Date(at("2026-01-01T00:00:00Z") + i * 24 * 60 * MINUTE).toISOString().slice(0, 10),
    );
    const forward = days.map((day) => slotsOn(schedule, day));
    expect([...days].reverse().map((day) => slotsOn(schedule, day))).toEqual([...forward].reverse());
  });

  test("are the same after more zones than are remembered", () => {
    const of = (timeZone: string) => slotsOn({ ...scheduleOf([["00:00", "24:00"]]), timeZone }, "2027-03-28");
    const zones = Intl.supportedValuesOf("timeZone").slice(0, 150);
    const first = zones.map(of);
    expect(zones.map(of)).toEqual(first);
  });
});

describe("a start", () => {
  // 09:00 in Berlin, on a Tuesday.
  const now = at("2026-12-01T08:00:00Z");
  const schedule = scheduleOf([["09:00", "17:00"]], { leadMinutes: 120, horizonDays: 3 });

  test.each([
    ["2026-12-01T08:00:00Z", "in_the_past", "in_the_past"],
    ["2026-12-01T09:00:00Z", "too_soon", undefined],
    ["2026-12-01T09:59:59Z", "too_soon", "not_a_slot"],
    ["2026-12-01T10:00:00Z", undefined, undefined],
    ["2026-12-01T10:00:01Z", "not_a_slot", "not_a_slot"],
    ["2026-12-01T16:00:00Z", "not_a_slot", "not_a_slot"],
    // The last day of the horizon is bookable to its end, whatever the time is now.
    ["2026-12-04T15:00:00Z", undefined, undefined],
    ["2026-12-04T22:59:00Z", "not_a_slot", "not_a_slot"],
    ["2026-12-04T23:00:00Z", "too_far_ahead", "not_a_slot"],
    ["2026-12-05T08:00:00Z", "too_far_ahead", undefined],
    ["9999-12-31T23:59:59Z", "too_far_ahead", "not_a_slot"],
  ])("at %s is for a customer %s, for staff %s", (start, forCustomer, forStaff) => {
    expect(checkStart(schedule, at(start), now, customer)).toBe(forCustomer);
    expect(checkStart(schedule, at(start), now, staff)).toBe(forStaff);
  });

  test("in the year 10000 of a zone that is ahead is too far ahead", () => {
    const auckland = { ...schedule, timeZone: "Pacific/Auckland" };
    expect(checkStart(auckland, at("9999-12-31T22:00:00Z"), now, customer)).toBe("too_far_ahead");
  });
});

describe("a drive", () => {
  const schedule = scheduleOf([["09:00", "17:00"]], {
    slotMinutes: 45,
    bufferBeforeMinutes: 10,
    bufferAfterMinutes: 20,
  });
  const startAt = at("2026-12-01T08:00:00Z");

  test("has its own time, and occupies the buffers before and after it, too", () => {
    expect(driveAt(schedule, startAt)).toEqual({ startAt, endAt: startAt + 45 * MINUTE });
    expect(footprintOf(schedule, startAt)).toEqual({
      startAt: startAt - 10 * MINUTE,
      endAt: startAt + 65 * MINUTE,
    });
  });
});

describe("open slots", () => {
  const now = at("2026-12-01T10:30:00Z");
  const day = { from: "2026-12-02", to: "2026-12-02" };
  const hourly = scheduleOf([["09:00", "17:00"]]);
  const startsOf = (
    schedule: Schedule,
    days: { from: string; to: string },
    taken: string[][] = [],
    booker = customer,
  ) =>
    openSlots(
      schedule,
      days,
      now,
      taken.map(([from = "", to = ""]) => ({ startAt: at(from), endAt: at(to) })),
      booker,
    ).map(({ startAt }) => formatLocal(startAt, BERLIN).slice(8, 16));

  test("are in the future", () => {
    expect(startsOf(hourly, { from: "2026-11-01", to: "2026-12-01" })).toEqual(
      ["12:00", "13:00", "14:00", "15:00", "16:00"].map((time) => `01T${time}`),
    );
  });

  test("are outside the lead time and within the horizon for customers, and not for staff", () => {
    const limited = scheduleOf([["09:00", "11:00"]], { leadMinutes: 22 * 60, horizonDays: 1 });
    const days = { from: "2026-12-01", to: "2026-12-03" };
    expect(startsOf(limited, days)).toEqual(["02T10:00"]);
    expect(startsOf(limited, days, [], staff)).toEqual(["02T09:00", "02T10:00", "03T09:00", "03T10:00"]);
  });

  test("may touch what is taken, and not overlap it", () => {
    // 11:00 to 12:00 in Berlin.
    const touching = ["2026-12-02T10:00:00Z", "2026-12-02T11:00:00Z"];
    expect(startsOf(hourly, day, [touching])).toHaveLength(7);
    expect(startsOf(hourly, day, [touching])).not.toContain("02T11:00");
    const longer = ["2026-12-02T09:59:59Z", "2026-12-02T11:00:01Z"];
    expect(startsOf(hourly, day, [longer])).toEqual([
      "02T09:00",
      "02T13:00",
      "02T14:00",
      "02T15:00",
      "02T16:00",
    ]);
  });

  test.each([
    ["before", { bufferBeforeMinutes: 30 }, ["02T09:00", "02T10:00", "02T13:00"]],
    ["after", { bufferAfterMinutes: 30 }, ["02T09:00", "02T12:00", "02T13:00"]],
    ["on both sides", { bufferBeforeMinutes: 30, bufferAfterMinutes: 30 }, ["02T09:00", "02T13:00"]],
  ])("keep their buffer %s free of what is taken", (_, buffers, starts) => {
    const taken = ["2026-12-02T10:00:00Z", "2026-12-02T11:00:00Z"];
    expect(startsOf(scheduleOf([["09:00", "14:00"]], buffers), day, [taken])).toEqual(starts);
  });

  test("overlap each other when the step is shorter than a slot, so that one drive takes several", () => {
    const dense = scheduleOf([["09:00", "11:00"]], { slotMinutes: 60, stepMinutes: 20 });
    expect(startsOf(dense, day)).toEqual(["02T09:00", "02T09:20", "02T09:40", "02T10:00"]);
    const [first] = openSlots(dense, day, now, [], customer);
    if (!first) throw new Error("No open slot");
    expect(openSlots(dense, day, now, [first], customer)).toEqual([
      driveAt(dense, at("2026-12-02T09:00:00Z")),
    ]);
  });

  test("are free of all that is taken, in whatever order it comes and however it overlaps", () => {
    const taken = [
      ["2026-12-02T12:00:00Z", "2026-12-02T12:30:00Z"],
      ["2026-12-01T00:00:00Z", "2026-12-02T10:00:00Z"],
      ["2026-12-02T12:10:00Z", "2026-12-02T12:20:00Z"],
      ["2026-12-03T00:00:00Z", "2026-12-04T00:00:00Z"],
    ];
    expect(startsOf(hourly, { from: "2026-12-01", to: "2026-12-03" }, taken)).toEqual([
      "02T11:00",
      "02T12:00",
      "02T14:00",
      "02T15:00",
      "02T16:00",
    ]);
  });

  test("of a customer are found quickly, however far away the days are", () => {
    expect(startsOf(hourly, { from: "1900-01-01", to: "9999-12-31" })).toHaveLength(5 + 30 * 8);
    expect(startsOf(hourly, { from: "9999-12-31", to: "9999-12-31" })).toEqual([]);
  });
});

describe("whether a drive is within the opening hours", () => {
  const schedule = scheduleOf(
    [
      ["09:00", "12:00"],
      ["13:00", "24:00"],
    ],
    {},
    { specialHours: [{ from: "2026-12-24", to: "2026-12-24", windows: [] }] },
  );
  const within = (from: string, to: string, of = schedule) =>
    isWithinHours(of, { startAt: at(from), endAt: at(to) });

  test("is about the whole drive and one window, and not about the steps of slots", () => {
    expect(within("2026-12-01T09:00+01:00", "2026-12-01T12:00+01:00")).toBe(true);
    expect(within("2026-12-01T09:07+01:00", "2026-12-01T09:45+01:00")).toBe(true);
    expect(within("2026-12-01T08:59+01:00", "2026-12-01T09:45+01:00")).toBe(false);
    expect(within("2026-12-01T11:30+01:00", "2026-12-01T12:01+01:00")).toBe(false);
    expect(within("2026-12-01T11:30+01:00", "2026-12-01T13:30+01:00")).toBe(false);
    expect(within("2026-12-01T23:00+01:00", "2026-12-02T00:00+01:00")).toBe(true);
    expect(within("2026-12-01T23:00+01:00", "2026-12-02T00:01+01:00")).toBe(false);
    expect(within("2026-12-24T09:00+01:00", "2026-12-24T10:00+01:00")).toBe(false);
  });

  test("is so for every slot, also on the days of clock changes", () => {
    const policy = { slotMinutes: 50, stepMinutes: 20 };
    const night = scheduleOf([["00:30", "04:10"]], policy);
    for (const date of ["2026-03-29", "2026-10-25", "2026-06-01"]) {
      const slots = slotsOn(night, date);
      expect(slots.length).toBeGreaterThan(0);
      for (const slot of slots) expect(isWithinHours(night, slot)).toBe(true);
    }
    // The clocks show 02:30 twice: the showroom is open from the first time on.
    const early = scheduleOf([["02:30", "03:30"]]);
    expect(within("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", early)).toBe(true);
    expect(within("2026-10-25T02:20+02:00", "2026-10-25T02:30+01:00", early)).toBe(false);
  });
});
