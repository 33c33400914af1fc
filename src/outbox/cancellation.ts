/** The notices of bookings that are cancelled without the coordinators of their cars. */
import type { Statement } from "../db/statement.ts";

/** A booking that is to be cancelled if its sequence is still this one, and the id of its notice. */
export type Cancelled = { id: string; sequence: number; noticeId: string };

/**
 * The bookings among `?1`, a list of `Cancelled` as JSON, that are still as they were when the list was made, and are
 * coming and active at `?2`. To be read before the statement that cancels them.
 */
export const STILL_TO_CANCEL = `json_each(?1) listed CROSS JOIN bookings b
  ON b.id = listed.value ->> 'id' AND b.sequence = listed.value ->> 'sequence'
    AND b.status IN ('PENDING', 'APPROVED') AND b.start_at > ?2`;

/**
 * The statement that notifies the customers of bookings which staff cancel for one reason; it returns the ids. The
 * reason is read from the booking when the mail is sent. A hold that is not confirmed concerns nobody yet.
 */
export const cancellationNotices = (
  cancelled: readonly Cancelled[],
  now: number,
): Statement<{ id: string }> => ({
  sql: `INSERT INTO notifications (id, kind, recipient, user_id, booking_id, facts, created_at, next_attempt_at)
    SELECT listed.value ->> 'noticeId', 'booking_cancelled', u.email, u.id, b.id,
      json_object('startAt', b.start_at, 'endAt', b.end_at, 'sequence', b.sequence + 1, 'status', 'CANCELLED',
        'by', 'staff'), ?2, ?2
    FROM ${STILL_TO_CANCEL} JOIN users u ON u.id = b.customer_id
    WHERE u.email IS NOT NULL AND b.held_until IS NULL
    ORDER BY listed.key
    RETURNING id`,
  params: [JSON.stringify(cancelled), now],
});
