/** The coming drives of a salesperson who cannot make them: found, and given to colleagues. */
import { and, asc, gt, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { salespersonIds } from "../auth/salespeople.ts";
import { commitAs } from "../auth/verification.ts";
import { query } from "../db/query.ts";
import { bookings } from "../db/schema.ts";
import { build, columnsOf, compile, type Query, type RowsOf, type Statement } from "../db/statement.ts";
import type { Violation } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { enqueue, outboxStatement, outgoing } from "../outbox/outbox.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { ACTIVE_BOOKING_STATUSES } from "../shared/enums.ts";
import { ok, type Refusal, type Result, refuse } from "../shared/refusals.ts";
import { DAY_MS } from "../shared/showroom-time.ts";
import { inShift, type Schedule } from "../showrooms/schedule.ts";
import { allShowrooms, checkSchedule, scheduleOf, sinceYesterday } from "../showrooms/store.ts";
import { fairChoice } from "./store.ts";

const { id, carId, customerId, startAt, endAt, showroomId, sequence, status, salespersonId, heldUntil } =
  columnsOf(bookings);
const { createdAt, updatedAt, footprintStartAt, footprintEndAt } = columnsOf(bookings);

/**
 * The active drives, with their buffers, of a salesperson between two instants, earliest first. `salesperson`: the id of
 * their user or profile. A hold that has expired at `now` is none.
 */
export const drivesOf = compile(
  build
    .select({
      id,
      carId,
      customerId,
      startAt,
      endAt,
      showroomId,
      sequence,
      status,
      salespersonId,
      heldUntil,
      createdAt,
      updatedAt,
      footprintStartAt,
      footprintEndAt,
    })
    .from(bookings)
    .where(
      and(
        inArray(bookings.salespersonId, salespersonIds),
        // Buffers are shorter than half a day.
        gt(bookings.startAt, sql`${sql.placeholder("from")} - 86400000`),
        lt(bookings.startAt, sql`${sql.placeholder("to")} + 43200000`),
        gt(sql`coalesce(${bookings.footprintEndAt}, ${bookings.endAt})`, sql.placeholder("from")),
        lt(sql`coalesce(${bookings.footprintStartAt}, ${bookings.startAt})`, sql.placeholder("to")),
        inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]).inlineParams(),
        or(isNull(bookings.heldUntil), gt(bookings.heldUntil, sql.placeholder("now"))),
      ),
    )
    .orderBy(asc(bookings.startAt), asc(bookings.id)),
);

/** A drive of a salesperson. */
export type Drive = ReturnType<typeof drivesOf> extends Query<infer Row> ? Row : never;

/** A reassignment, for one batch: `fences` come first. And the ids of the notifications that it writes. */
type Reassignment = { fences: Statement[]; statements: Statement[]; notified: string[] };

/**
 * The statements that give each drive, if it is still as it was read, to a colleague who is in shift and free. They begin
 * a new epoch of each car, so that a coordinator whose memory is older commits nothing.
 * @param schedules of the showrooms; the batch fails with `schedule_changed` if one of them is no longer current
 * @param nobodyFree what becomes of a drive that no colleague can make
 */
export function reassign(
  drives: readonly Drive[],
  schedules: readonly Schedule[],
  nobodyFree: "stays" | "is_unassigned",
  { now, requestId, config }: Pick<Deps, "now" | "requestId" | "config">,
): Reassignment {
  const staffAddress = config.email.staff;
  const involved = schedules.filter(({ showroomId }) =>
    drives.some((drive) => drive.showroomId === showroomId),
  );
  const notices = outgoing(
    drives
      .filter(({ heldUntil }) => heldUntil === null)
      .flatMap(({ id: bookingId, startAt, endAt, sequence, status, salespersonId }) => {
        const facts = { startAt, endAt, sequence: sequence + 1, status };
        const about = { kind: "staff_booking", bookingId } as const;
        const to = { salespersonOf: bookingId, otherwise: staffAddress, before: salespersonId };
        return [
          { ...about, to, facts },
          ...(salespersonId === null
            ? []
            : [
                {
                  ...about,
                  to: { userId: salespersonId, formerOf: bookingId },
                  facts: { ...facts, handover: "taken" as const },
                },
              ]),
        ];
      }),
  );
  const epochs: Statement = {
    sql: "UPDATE calendars SET epoch = epoch + 1 WHERE car_id IN (SELECT value FROM json_each(?1))",
    params: [JSON.stringify([...new Set(drives.map((drive) => drive.carId))])],
  };
  if (drives.length === 0) return { fences: [], statements: [], notified: [] };
  return {
    fences: involved.map(checkSchedule),
    statements: [
      epochs,
      ...drives.map((drive) => handOver(drive, schedules, nobodyFree, now)),
      outboxStatement(notices, now, requestId),
    ],
    notified: notices.map((notice) => notice.id),
  };
}

function handOver(
  drive: Drive,
  schedules: readonly Schedule[],
  nobodyFree: "stays" | "is_unassigned",
  now: number,
): Statement {
  const schedule = schedules.find((known) => known.showroomId === drive.showroomId);
  const colleagues = schedule
    ? inShift(schedule, drive.startAt).filter((person) => person !== drive.salespersonId)
    : [];
  const choice = fairChoice({ ...drive, updatedAt: now }, colleagues);
  const fallback = nobodyFree === "stays" ? drive.salespersonId : null;
  return query`UPDATE bookings SET salesperson_id = chosen.id, sequence = sequence + 1, updated_at = ${now},
      assigned_by = iif(chosen.id IS NULL, NULL, iif(chosen.id = salesperson_id, assigned_by, 'AUTO'))
    FROM (SELECT coalesce((${choice}), ${fallback}) AS id) chosen
    WHERE bookings.id = ${drive.id} AND bookings.sequence = ${drive.sequence}`;
}

/** Later than any drive, with room for its buffers. */
export const END_OF_TIME = Number.MAX_SAFE_INTEGER - DAY_MS;

/** How often a reassignment is decided when others are faster. */
const MAX_TRIES = 5;

/**
 * Commits `statements`, which end the access of a staff member, and gives their coming drives to colleagues in the same
 * batch. One round trip if there are none, else at least four.
 * @returns the rows of the statements, and the ids of the drives for which no colleague is free: nobody drives along yet
 */
export async function commitLeaving<const Statements extends readonly Statement[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  action: string,
  userId: string,
  statements: Statements,
  refusalOf: (violation: Violation | undefined) => Refusal | undefined,
): Promise<Result<{ rows: RowsOf<Statements>; unassigned: string[] }>> {
  const { now, config, requestId, afterwards, env } = deps;
  const subject = `user:${userId}` as const;
  const commit = (all: readonly Statement[]) =>
    commitAs(deps, claimed, action, subject, all, (violation) =>
      violation === "has_bookings" || violation === "schedule_changed"
        ? { code: "has_bookings" }
        : refusalOf(violation),
    );
  const rowsOf = (written: readonly unknown[], fences: number) =>
    written.slice(fences, fences + statements.length) as unknown as RowsOf<Statements>;
  const withoutDrives = query`INSERT INTO leaving_staff (user_id, now) VALUES (${userId}, ${now})`;
  const first = await commit([withoutDrives, ...statements]);
  if (first.ok) return ok({ rows: rowsOf(first.value, 1), unassigned: [] });
  if (first.refusal.code !== "has_bookings") return first;
  for (let tries = 1; ; tries += 1) {
    const [drives, showrooms] = await deps
      .primary()
      .ask(
        drivesOf({ salesperson: userId, from: now, to: END_OF_TIME, now }),
        allShowrooms({ from: sinceYesterday(now) }),
      );
    const schedules = showrooms.map((row) => scheduleOf(row, config.showroom));
    const plan = reassign(drives, schedules, "is_unassigned", deps);
    // At the end of the batch, so that no drive that they were given since the read is left with them.
    const written = await commit([...plan.fences, ...statements, ...plan.statements, withoutDrives]);
    if (!written.ok) {
      if (written.refusal.code !== "has_bookings") return written;
      if (tries === MAX_TRIES) return refuse("busy");
      continue;
    }
    deps.stockChanged();
    afterwards(enqueue(env.NOTIFICATIONS, plan.notified, requestId));
    const [left] = await deps.primary().ask(withoutSalesperson(drives.map((drive) => drive.id)));
    return ok({ rows: rowsOf(written.value, plan.fences.length), unassigned: left.map((row) => row.id) });
  }
}

const withoutSalesperson = (ids: readonly string[]) =>
  query<{
    id: string;
  }>`SELECT b.id FROM json_each(${JSON.stringify(ids)}) given JOIN bookings b ON b.id = given.value
    WHERE b.salesperson_id IS NULL AND b.status IN ('PENDING', 'APPROVED') ORDER BY b.start_at, b.id`;
