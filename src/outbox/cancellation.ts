/** The notices of bookings that are cancelled without the coordinators of their cars. */
import type { Statement } from "../db/statement.ts";

/**
 * A booking that is to be cancelled if its sequence is still this one, and the ids of its notices: to the customer, and to
 * the salesperson.
 */
export type Cancelled = { id: string; sequence: number; noticeId: string; staffNoticeId: string };

/**
 * The bookings among `?1`, a list of `Cancelled` as JSON, that are still as they were when the list was made, and are
 * coming and active at `?2`. To be read before the statement that cancels them.
 */
export const STILL_TO_CANCEL = `json_each(?1) listed CROSS JOIN bookings b
  ON b.id = listed.value ->> 'id' AND b.sequence = listed.value ->> 'sequence'
    AND b.status IN ('PENDING', 'APPROVED') AND b.start_at > ?2`;

/**
 * The statement that notifies the customers and the salespeople of bookings which staff cancel for one reason; it returns
 * the ids. The reason is read from the booking when the mail is sent. A hold that is not confirmed concerns nobody yet.
 */
export const cancellationNotices = (
  cancelled: readonly Cancelled[],
  now: number,
): Statement<{ id: string }> => ({
  sql: `INSERT INTO notifications (id, kind, recipient, user_id, booking_id, facts, created_at, next_attempt_at)
    SELECT listed.value ->> iif(u.id = b.customer_id, 'noticeId', 'staffNoticeId'),
      iif(u.id = b.customer_id, 'booking_cancelled', 'staff_booking'), u.email, u.id, b.id,
      json_object('startAt', b.start_at, 'endAt', b.end_at, 'sequence', b.sequence + 1, 'status', 'CANCELLED',
        'by', 'staff'), ?2, ?2
    FROM ${STILL_TO_CANCEL} JOIN users u ON u.id IN (b.customer_id, b.salesperson_id)
    WHERE u.email IS NOT NULL AND b.held_until IS NULL AND (u.id = b.customer_id OR u.is_active)
    ORDER BY listed.key
    RETURNING id`,
  params: [JSON.stringify(cancelled), now],
});
