/** The use cases of shifts: when a salesperson works in which showroom. */
import type { z } from "@hono/zod-openapi";
import { asc, inArray } from "drizzle-orm";
import { salespersonIds } from "../auth/salespeople.ts";
import { commitAs, readAs } from "../auth/verification.ts";
import { drivesOf, END_OF_TIME } from "../bookings/reassignment.ts";
import { query } from "../db/query.ts";
import { shifts } from "../db/schema.ts";
import { build, columnsOf, compile, type Query, type Statement } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { WEEKDAYS } from "../shared/opening-hours.ts";
import { type FieldFault, ok, type Result, refuse } from "../shared/refusals.ts";
import { DAY_MS, localDate, type TimeSpan, utcDate } from "../shared/showroom-time.ts";
import { inShift, type Schedule, windowSpan } from "../showrooms/schedule.ts";
import { allShowrooms, scheduleOf, sinceYesterday } from "../showrooms/store.ts";
import type { NewShifts, shiftsSchema } from "./schemas.ts";
import { isVisible, type Member, staffById } from "./store.ts";

type ShiftsBody = z.infer<typeof shiftsSchema>;
type ShiftRow = ReturnType<typeof shiftsOf> extends Query<infer Row> ? Row : never;

/** The shifts of a salesperson. */
const shiftsOf = compile(
  build
    .select(columnsOf(shifts))
    .from(shifts)
    .where(inArray(shifts.userId, salespersonIds))
    .orderBy(asc(shifts.showroomId), asc(shifts.fromTime)),
);

/** The shifts of a staff member: ADMIN gets anybody's, SALES their own. One round trip. */
export async function getShifts(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<ShiftsBody>> {
  const read = await readAs(deps, claimed, staffById({ id }), shiftsOf({ salesperson: id }));
  if (!read.ok) return read;
  const [[member], rows] = read.value.rows;
  if (!isVisible(member, read.value.caller)) return refuse("not_found");
  return ok(shiftsBody(member.weight, rows));
}

/**
 * Replaces the shifts of a staff member. Windows that touch become one. Drives that they have already stay theirs: those
 * that are out of their shifts now are in the answer. Two round trips.
 */
export async function putShifts(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  input: NewShifts,
): Promise<Result<ShiftsBody>> {
  const { now, config } = deps;
  const read = await readAs(
    deps,
    claimed,
    staffById({ id }),
    allShowrooms({ from: sinceYesterday(now) }),
    drivesOf({ salesperson: id, from: now, to: END_OF_TIME, now }),
  );
  if (!read.ok) return read;
  const [[member], showrooms, drives] = read.value.rows;
  if (!member) return refuse("not_found");
  const schedules = showrooms.map((row) => scheduleOf(row, config.showroom));
  const faults = faultsOf(input.shifts, schedules, now);
  if (faults.length > 0) return refuse("invalid_request", { faults });
  const rows = joined(input.shifts).map((shift) => ({ ...shift, userId: member.userId }));
  const weight = input.weight ?? member.weight;
  const written = await commitAs(deps, claimed, "staff.shifts", `user:${member.userId}`, [
    ...replaceShifts(member, rows, weight, now),
  ]);
  if (!written.ok) return written;
  // Who is free decides which slots are offered.
  deps.stockChanged();
  const outside = drives.filter((drive) => {
    const schedule = schedules.find(({ showroomId }) => showroomId === drive.showroomId);
    const own = rows.filter(({ showroomId }) => showroomId === drive.showroomId);
    const changed = schedule && { ...schedule, shifts: own.map(asShift) };
    return changed && !inShift(changed, drive.startAt).includes(member.userId);
  });
  return ok({ ...shiftsBody(weight, rows), bookings_outside: outside.map((drive) => drive.id) });
}

const asShift = ({ userId, weekday, fromTime, toTime }: ShiftRow) => ({
  userId,
  weekday,
  window: [fromTime, toTime] as const,
});

type Window = Omit<ShiftRow, "userId">;

/** Shifts of which those that touch on one day are one. */
function joined(given: NewShifts["shifts"]): Window[] {
  const order = ({ showroom, weekday, from }: NewShifts["shifts"][number]) =>
    `${showroom} ${weekday} ${from}`;
  const all: Window[] = [];
  for (const { showroom: showroomId, weekday, from: fromTime, to: toTime } of given.toSorted((a, b) =>
    order(a) < order(b) ? -1 : 1,
  )) {
    const last = all.at(-1);
    if (last?.showroomId === showroomId && last.weekday === weekday && last.toTime === fromTime)
      last.toTime = toTime;
    else all.push({ showroomId, weekday, fromTime, toTime });
  }
  return all;
}

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** What is wrong with shifts: an unknown showroom, or two at one time, in whatever zones and on whatever day of a year. */
function faultsOf(given: NewShifts["shifts"], schedules: readonly Schedule[], now: number): FieldFault[] {
  const spans: (TimeSpan & { at: number })[] = [];
  for (const [at, { showroom, weekday, from, to }] of given.entries()) {
    const schedule = schedules.find(({ showroomId }) => showroomId === showroom);
    if (!schedule)
      return [{ field: `shifts.${at}.showroom`, code: "unknown", message: "There is no such showroom" }];
    const today = Date.parse(localDate(now, schedule.timeZone));
    const first = today + ((WEEKDAYS.indexOf(weekday) - new Date(today).getUTCDay() + 7) % 7) * DAY_MS;
    for (let week = 0; week < 53; week += 1) {
      const date = utcDate(first + week * 7 * DAY_MS);
      spans.push({ at, ...windowSpan([from, to], date, schedule.timeZone) });
    }
  }
  spans.sort((a, b) => a.startAt - b.startAt);
  for (const [i, span] of spans.entries()) {
    const next = spans[i + 1];
    if (next && next.startAt < span.endAt)
      return [
        {
          field: `shifts.${Math.max(span.at, next.at)}`,
          code: "overlapping_shifts",
          message: "Somebody can work in one place only at a time",
        },
      ];
  }
  return [];
}

/**
 * The statements that replace shifts. What a person has got of the drives so far is kept in proportion when their share
 * changes; where they are new, they begin at the average.
 */
function replaceShifts(
  { id, userId }: Pick<Member, "id" | "userId">,
  rows: readonly ShiftRow[],
  weight: number,
  now: number,
): Statement[] {
  const minutes = new Map<string, number>();
  for (const { showroomId, fromTime, toTime } of rows)
    minutes.set(showroomId, (minutes.get(showroomId) ?? 0) + minutesOf(toTime) - minutesOf(fromTime));
  const shares = JSON.stringify([...minutes].map(([showroomId, n]) => ({ showroomId, share: weight * n })));
  return [
    query`UPDATE staff_profiles SET weight = ${weight}, updated_at = ${now} WHERE id = ${id}`,
    query`DELETE FROM shifts WHERE user_id = ${userId}`,
    query`INSERT INTO shifts (showroom_id, user_id, weekday, from_time, to_time)
      SELECT value ->> 'showroomId', ${userId}, value ->> 'weekday', value ->> 'fromTime', value ->> 'toTime'
      FROM json_each(${JSON.stringify(rows)})`,
    query`DELETE FROM drive_shares WHERE user_id = ${userId}
      AND showroom_id NOT IN (SELECT value ->> 'showroomId' FROM json_each(${shares}))`,
    query`INSERT INTO drive_shares (showroom_id, user_id, share, drives)
      SELECT value ->> 'showroomId', ${userId}, value ->> 'share', coalesce((
        SELECT (value ->> 'share') * sum(o.drives) / sum(o.share) FROM drive_shares o
        WHERE o.showroom_id = value ->> 'showroomId'), 0)
      FROM json_each(${shares}) WHERE true
      ON CONFLICT DO UPDATE SET drives = drives * excluded.share / share, share = excluded.share`,
  ];
}

const shiftsBody = (weight: number, rows: readonly Window[]): ShiftsBody => ({
  shifts: rows
    .toSorted((a, b) => WEEKDAYS.indexOf(a.weekday) - WEEKDAYS.indexOf(b.weekday))
    .map(({ showroomId: showroom, weekday, fromTime: from, toTime: to }) => ({
      showroom,
      weekday,
      from,
      to,
    })),
  weight,
});
