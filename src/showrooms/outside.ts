/** The coming bookings of a showroom that are outside its opening hours: found, and cancelled on request. */
import type { z } from "@hono/zod-openapi";
import { and, asc, eq, gt, inArray, isNull, or, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { bookings } from "../db/schema.ts";
import { build, columnsOf, compile, type Query, type Statement } from "../db/statement.ts";
import { cancellationNotices, STILL_TO_CANCEL } from "../outbox/cancellation.ts";
import { ACTIVE_BOOKING_STATUSES } from "../shared/enums.ts";
import { formatInstant } from "../shared/showroom-time.ts";
import { isWithinHours, type Schedule } from "./schedule.ts";
import { MAX_OUTSIDE, type outcomeSchema } from "./schemas.ts";

const { id, carId, customerId, startAt, endAt, status, sequence, heldUntil } = columnsOf(bookings);

/** The bookings of a showroom that are active and coming at `now`, earliest first. A hold that has expired is neither. */
export const comingBookings = compile(
  build
    .select({ id, carId, customerId, startAt, endAt, status, sequence, heldUntil })
    .from(bookings)
    .where(
      and(
        eq(bookings.showroomId, sql.placeholder("showroom")),
        gt(bookings.startAt, sql.placeholder("now")),
        inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]).inlineParams(),
        or(isNull(bookings.heldUntil), gt(bookings.heldUntil, sql.placeholder("now"))),
      ),
    )
    .orderBy(asc(bookings.startAt), asc(bookings.id)),
);

/** A coming booking. */
export type Coming = ReturnType<typeof comingBookings> extends Query<infer Row> ? Row : never;

/** The bookings whose drive is not within the opening hours. */
export const outsideOf = (schedule: Schedule, coming: readonly Coming[]): Coming[] =>
  coming.filter((booking) => !isWithinHours(schedule, booking));

/**
 * The statements that cancel bookings as they were read, without the coordinators of their cars; one that has changed
 * since is left alone. They begin a new epoch of each of these cars, so that a coordinator whose memory is older commits
 * nothing. The first returns the ids of the notices, the second those of the bookings.
 * @param by the id of the ADMIN who cancels them
 */
export function cancelOutside(outside: readonly Coming[], reason: string, by: string, now: number) {
  const listed = outside.map((booking) => ({
    id: booking.id,
    sequence: booking.sequence,
    noticeId: uuidv7(),
    staffNoticeId: uuidv7(),
  }));
  const params = [JSON.stringify(listed), now];
  const raiseEpochs: Statement = {
    sql: `UPDATE calendars SET epoch = epoch + 1 WHERE car_id IN (SELECT b.car_id FROM ${STILL_TO_CANCEL})`,
    params,
  };
  const cancel: Statement<{ id: string }> = {
    sql: `UPDATE bookings SET status = 'CANCELLED', reason = ?3, handled_by = ?4, sequence = sequence + 1, updated_at = ?2
      WHERE id IN (SELECT b.id FROM ${STILL_TO_CANCEL})
      RETURNING id`,
    params: [...params, reason, by],
  };
  return [cancellationNotices(listed, now), raiseEpochs, cancel] as const;
}

/** What a change of the hours leaves outside them, and the ids of the bookings that it cancelled, if it was asked to. */
export type Outcome = { outside: Coming[]; cancelled: string[] | undefined };

/** The wire form of an outcome. */
export const outcomeBody = ({ outside, cancelled }: Outcome): z.infer<typeof outcomeSchema> => ({
  bookings_outside: outside.slice(0, MAX_OUTSIDE).map((booking) => ({
    id: booking.id,
    car: booking.carId,
    customer: booking.customerId,
    start_at: formatInstant(booking.startAt),
    end_at: formatInstant(booking.endAt),
    status: booking.heldUntil === null ? (booking.status as "PENDING" | "APPROVED") : "HELD",
  })),
  bookings_outside_count: outside.length,
  ...(cancelled && { bookings_cancelled: cancelled }),
});
