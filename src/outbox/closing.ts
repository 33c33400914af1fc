/** What becomes of notifications when the account of a user is closed. */
import { and, eq, ne } from "drizzle-orm";
import { notifications } from "../db/schema.ts";
import { build, type Statement, statementOf } from "../db/statement.ts";
import { newIdAt } from "./new-id.ts";

/** The closing of an account. `by`: the id of the ADMIN who closes it, or null when the user does. */
export type Closing = { userId: string; by: string | null; erased: boolean; now: number; requestId: string };

/**
 * The statement that notifies the sales team at `staffAddress` of all test drives that a closing cancels, in one mail,
 * and the salesperson of each. It reads them, so it comes before the statements that close the account; a closed account
 * causes no second mail. Returns the ids.
 */
export const closingNotice = (
  id: string,
  { userId, by, erased, now, requestId }: Closing,
  staffAddress: string,
): Statement<{ id: string }> => ({
  sql: `INSERT INTO notifications
      (id, kind, recipient, user_id, booking_id, facts, created_at, next_attempt_at, request_id)
    SELECT ?1, 'staff_user_deactivated', ?2, NULL, NULL, json_object(
        'userId', u.id,
        'by', (SELECT username FROM users WHERE id = ?4),
        'erased', ?5,
        'drives', (
          SELECT json_group_array(
            json_object('car', c.year || ' ' || c.make || ' ' || c.model, 'startAt', b.start_at, 'endAt', b.end_at,
              'timeZone', (SELECT time_zone FROM showrooms WHERE id = b.showroom_id))
            ORDER BY b.start_at)
          FROM bookings b JOIN cars c ON c.id = b.car_id
          WHERE b.customer_id = u.id AND b.status IN ('PENDING', 'APPROVED') AND b.held_until IS NULL
            AND b.start_at > ?6)),
      ?6, ?6, ?7
    FROM users u WHERE u.id = ?3 AND u.is_active = 1
    UNION ALL
    SELECT ${newIdAt("?6")}, 'staff_booking', s.email, s.id, b.id,
      json_object('startAt', b.start_at, 'endAt', b.end_at, 'sequence', b.sequence + 1, 'status', 'CANCELLED',
        'reason', 'account_closed'), ?6, ?6, ?7
    FROM users u JOIN bookings b ON b.customer_id = u.id JOIN users s ON s.id = b.salesperson_id
    WHERE u.id = ?3 AND u.is_active = 1 AND b.status IN ('PENDING', 'APPROVED') AND b.held_until IS NULL
      AND b.start_at > ?6 AND s.is_active AND s.email IS NOT NULL
    RETURNING id`,
  params: [id, staffAddress, userId, by, erased ? 1 : 0, now, requestId],
});

/** The statement that deletes the notifications to a user that were not sent. */
export const deleteUnsent = (userId: string): Statement =>
  statementOf(
    build
      .delete(notifications)
      .where(and(eq(notifications.userId, userId), ne(notifications.status, "SENT"))),
  );

/** The statement that erases address and facts from the notifications that were sent to a user. */
export const forgetSent = (userId: string): Statement =>
  statementOf(
    build
      .update(notifications)
      .set({ recipient: null, facts: {}, lastError: null })
      .where(and(eq(notifications.userId, userId), eq(notifications.status, "SENT"))),
  );
