import { describe, expect, test } from "vitest";
import { defaultSchedule, type Policy } from "../../src/showrooms/schedule.ts";
import {
  isBookableAhead,
  policyBody,
  showroomChange,
  specialHours,
  weeklyHours,
} from "../../src/showrooms/schemas.ts";

const SCHEDULE = defaultSchedule("s", "UTC", 30);

type Schema = { safeParse: (body: unknown) => { success: boolean; error?: { issues: Issue[] } | undefined } };
type Issue = { path: PropertyKey[]; message: string };

/** What a schema says about a body: where, and the message. */
const faultsOf = (schema: Schema, body: unknown): string[] =>
  schema.safeParse(body).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];

describe("weekly hours", () => {
  test("are windows of each day in order; a day that is left out is closed", () => {
    const monday = [
      ["00:00", "09:00"],
      ["09:00", "12:00"],
      ["13:00", "17:30"],
      ["23:59", "24:00"],
    ];
    expect(weeklyHours.parse({ mon: monday, sun: [] })).toEqual({
      mon: monday,
      tue: [],
      wed: [],
      thu: [],
      fri: [],
      sat: [],
      sun: [],
    });
  });

  const FROM = "Must be a time from 00:00 to 23:59, written HH:MM";
  const TO = "Must be a time from 00:01 to 24:00, written HH:MM";
  const LATER = "Must be later than the opening, on the same day: 24:00 at the latest";
  const ORDER = "Windows must be in order and must not overlap";

  test.each([
    [[["24:00", "24:00"]], `mon.0.0: ${FROM}`],
    [[["9:00", "17:00"]], `mon.0.0: ${FROM}`],
    [[["09:60", "17:00"]], `mon.0.0: ${FROM}`],
    [[["09:00\n", "17:00"]], `mon.0.0: ${FROM}`],
    [[["09:00", "24:01"]], `mon.0.1: ${TO}`],
    [[["09:00", "25:00"]], `mon.0.1: ${TO}`],
    [[["09:00", "09:00"]], `mon.0.1: ${LATER}`],
    [[["22:00", "02:00"]], `mon.0.1: ${LATER}`],
    [[["09:00", "00:00"]], `mon.0.1: ${LATER}`],
    [
      [
        ["13:00", "17:00"],
        ["09:00", "12:00"],
      ],
      `mon: ${ORDER}`,
    ],
    [
      [
        ["09:00", "12:00"],
        ["11:59", "17:00"],
      ],
      `mon: ${ORDER}`,
    ],
    [
      [
        ["09:00", "12:00"],
        ["09:00", "12:00"],
      ],
      `mon: ${ORDER}`,
    ],
    [
      ["01", "02", "03", "04", "05"].map((hour) => [`${hour}:00`, `${hour}:30`]),
      "mon: At most 4 windows a day",
    ],
  ])("refuse the windows %j, and say only this: %s", (windows, fault) => {
    expect(faultsOf(weeklyHours, { mon: windows })).toEqual([fault]);
    expect(faultsOf(specialHours, { from: "2026-12-24", to: "2026-12-24", windows })).toEqual([
      fault.replace("mon", "windows"),
    ]);
  });

  test.each([
    { mon: [["09:00"]] },
    { mon: [["09:00", "10:00", "11:00"]] },
    { mon: ["09:00", "12:00"] },
    { mon: null },
    { monday: [] },
    "09:00-17:00",
  ])("refuse %j", (body) => expect(weeklyHours.safeParse(body).success).toBe(false));
});

describe("special hours", () => {
  test("are days and their windows, and may give a reason", () => {
    const christmas = { from: "2026-12-24", to: "2026-12-26", windows: [], reason: "Christmas" };
    expect(specialHours.parse(christmas)).toEqual(christmas);
    expect(specialHours.parse({ ...christmas, reason: undefined }).reason).toBe("");
  });

  test.each([
    [{ from: "2026-12-26", to: "2026-12-24", windows: [] }, "to"],
    [{ from: "2026-02-29", to: "2026-03-01", windows: [] }, "from"],
    [{ from: "2026-12-24", to: "2026-12-24" }, "windows"],
    [{ from: "2026-12-24", windows: [] }, "to"],
    [{ from: "2026-12-24", to: "2026-12-24", windows: [], reason: "x".repeat(201) }, "reason"],
  ])("refuse %j because of %s", (body, field) =>
    expect(faultsOf(specialHours, body).map((fault) => fault.split(":")[0])).toEqual([field]),
  );
});

describe("a booking policy", () => {
  const policy = showroomChange.shape.policy.unwrap();

  test("is the same after it was written and read, and leaves out what it does not change", () => {
    const body = {
      slot_minutes: 480,
      step_minutes: 5,
      buffer_before_minutes: 240,
      buffer_after_minutes: 10,
      lead_minutes: 120,
      horizon_days: 3650,
    };
    expect(policyBody(policy.parse(body) as Policy)).toEqual(body);
    expect(policy.parse({ slot_minutes: 45 })).toEqual({ slotMinutes: 45 });
  });

  test("has a lead time that is shorter than the horizon", () => {
    const { policy } = SCHEDULE;
    expect(isBookableAhead({ ...policy, horizonDays: 30, leadMinutes: 43_199 })).toBe(true);
    expect(isBookableAhead({ ...policy, horizonDays: 30, leadMinutes: 43_200 })).toBe(false);
  });

  test.each([
    ["slot_minutes", 14],
    ["slot_minutes", 481],
    ["slot_minutes", 30.5],
    ["slot_minutes", "60"],
    ["step_minutes", 4],
    ["step_minutes", 481],
    ["buffer_before_minutes", -1],
    ["buffer_before_minutes", 241],
    ["buffer_after_minutes", -1],
    ["buffer_after_minutes", 241],
    ["lead_minutes", -1],
    ["lead_minutes", 43_201],
    ["horizon_days", 0],
    ["horizon_days", 3651],
  ])("is refused with %s %j", (field, value) => {
    const faults = faultsOf(policy, { [field]: value });
    expect(faults.map((fault) => fault.split(":")[0])).toEqual([field]);
  });

  test("is refused with an unknown member", () => {
    expect(faultsOf(policy, { slots: 1 })).toHaveLength(1);
  });
});
