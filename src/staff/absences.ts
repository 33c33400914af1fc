/** The use cases of absences: when a salesperson is away although they would be in shift. */
import type { z } from "@hono/zod-openapi";
import { desc, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { salespersonIds } from "../auth/salespeople.ts";
import { commitAs, readAs } from "../auth/verification.ts";
import { drivesOf, reassign } from "../bookings/reassignment.ts";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import { counted, listing } from "../db/listing.ts";
import { absences } from "../db/schema.ts";
import { build, columnsOf, insertInto, statementOf } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import { enqueue } from "../outbox/outbox.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { formatInstant, parseInstant } from "../shared/showroom-time.ts";
import { allShowrooms, scheduleOf, sinceYesterday } from "../showrooms/store.ts";
import type { absenceSchema, NewAbsence } from "./schemas.ts";
import { isVisible, staffById } from "./store.ts";
import { staffPath } from "./use-cases.ts";

type AbsenceBody = z.infer<typeof absenceSchema>;
type Absence = typeof absences.$inferSelect;

/** How often an absence is decided when others are faster. */
const MAX_TRIES = 3;

const absenceList = listing({
  rows: () => build.select(columnsOf(absences)).from(absences).$dynamic(),
  count: () => build.select(counted).from(absences).$dynamic(),
  conditions: { salesperson: sql`${absences.userId} IN ${salespersonIds}` },
  orderBy: [desc(absences.startAt), desc(absences.id)],
});

/** The path of an absence. */
export const absencePath = (staffId: string, id: string): string => `${staffPath(staffId)}absences/${id}/`;

/** The absences of a staff member, latest first: ADMIN gets anybody's, SALES their own. One round trip. */
export async function listAbsences(
  deps: Deps,
  claimed: ClaimedCaller,
  staffId: string,
  window: { limit: number; offset: number },
): Promise<Result<{ count: number; rows: AbsenceBody[] }>> {
  const read = await readAs(
    deps,
    claimed,
    staffById({ id: staffId }),
    ...absenceList({ salesperson: staffId }, window),
  );
  if (!read.ok) return read;
  const [[member], rows, [total]] = read.value.rows;
  if (!isVisible(member, read.value.caller)) return refuse("not_found");
  return ok({ count: total?.count ?? 0, rows: rows.map(absenceBody) });
}

/**
 * Adds an absence. Drives that the salesperson has then are given to free colleagues on request, all or none; otherwise
 * `has_bookings` lists them. Two round trips.
 */
export async function createAbsence(
  deps: Deps,
  claimed: ClaimedCaller,
  staffId: string,
  input: NewAbsence,
  key: IdempotencyKey | undefined,
): Promise<Result<AbsenceBody>> {
  const { now, config, requestId } = deps;
  const times = timesOf(input, config.showroom.timeZone);
  if (!times.ok) return times;
  const { startAt, endAt } = times.value;
  for (let tries = 1; ; tries += 1) {
    const read = await readAs(
      { ...deps, db: deps.primary() },
      claimed,
      staffById({ id: staffId }),
      drivesOf({ salesperson: staffId, from: startAt, to: endAt, now }),
      allShowrooms({ from: sinceYesterday(now) }),
    );
    if (!read.ok) return read;
    const [[member], drives, showrooms] = read.value.rows;
    if (!isVisible(member, read.value.caller)) return refuse("not_found");
    if (drives.length > 0 && !input.reassign) return refuse("has_bookings", { drives });
    const row = { id: uuidv7(), userId: member.userId, startAt, endAt, reason: input.reason, createdAt: now };
    const body = absenceBody(row);
    const location = absencePath(staffId, row.id);
    const schedules = showrooms.map((showroom) => scheduleOf(showroom, config.showroom));
    const plan = reassign(drives, schedules, "stays", deps);
    const written = await commitAs(
      deps,
      claimed,
      "staff.absence",
      `user:${member.userId}`,
      [
        ...plan.fences,
        ...plan.statements,
        insertInto(absences, row),
        ...storeAnswer(key, { status: 201, body, location }, now),
      ],
      (violation) =>
        violation === "has_bookings"
          ? { code: violation, drives }
          : violation === "schedule_changed"
            ? { code: "busy" }
            : undefined,
    );
    if (written.ok) {
      deps.stockChanged();
      deps.afterwards(enqueue(deps.env.NOTIFICATIONS, plan.notified, requestId));
      return ok(body);
    }
    const { code } = written.refusal;
    // Somebody booked, moved or changed the hours at the same time; or no colleague is free, and it stays so.
    if ((code !== "has_bookings" && code !== "busy") || tries === MAX_TRIES) return written;
  }
}

/** Removes an absence. Two round trips. */
export async function removeAbsence(
  deps: Deps,
  claimed: ClaimedCaller,
  staffId: string,
  id: string,
): Promise<Result<undefined>> {
  const read = await readAs(deps, claimed, staffById({ id: staffId }));
  if (!read.ok) return read;
  const [[member]] = read.value.rows;
  if (!isVisible(member, read.value.caller)) return refuse("not_found");
  const remove = statementOf(
    build
      .delete(absences)
      .where(sql`${absences.id} = ${id} AND ${absences.userId} = ${member.userId}`)
      .returning({ id: absences.id }),
  );
  const written = await commitAs(deps, claimed, "staff.absence_end", `user:${member.userId}`, [remove]);
  if (!written.ok) return written;
  const [[removed]] = written.value;
  if (!removed) return refuse("not_found");
  deps.stockChanged();
  return ok(undefined);
}

/** The instants of an absence; without an offset they are the configured zone's. */
function timesOf({ from, to }: NewAbsence, timeZone: string): Result<{ startAt: number; endAt: number }> {
  const [startAt, endAt] = [parseInstant(from, timeZone), parseInstant(to, timeZone)];
  const wrong = (field: string) =>
    refuseField(field, "invalid_instant", "Must be an existing ISO 8601 date and time");
  if (startAt === undefined) return wrong("from");
  if (endAt === undefined) return wrong("to");
  return startAt < endAt
    ? ok({ startAt, endAt })
    : refuseField("to", "not_after_from", "Must be later than from");
}

const absenceBody = ({ id, startAt, endAt, reason, createdAt }: Absence): AbsenceBody => ({
  id,
  from: formatInstant(startAt),
  to: formatInstant(endAt),
  reason,
  created_at: formatInstant(createdAt),
});
