/** Reminders of test drives. The cron writes them one day before the start. */
import type { Database } from "../db/client.ts";
import type { Statement } from "../db/statement.ts";
import { newIdAt } from "./new-id.ts";

/** How long before the start a reminder is written. */
export const REMIND_BEFORE_MS = 24 * 60 * 60 * 1000;

/** How many reminders one run writes. The next run writes the rest. */
const REMINDER_LIMIT = 500;

/**
 * Writes the due reminders and returns their ids. A reminder is due for an approved booking that begins within a day,
 * unless it was confirmed or moved within that day: then the customer has just read the time. A unique index on booking
 * and start prevents a second reminder when two runs overlap. One statement reads and writes, so the facts are current.
 */
export async function writeReminders(db: Database, now: number): Promise<string[]> {
  const [written] = await db.commit("system", "reminder.create", "-", [
    { sql: WRITE_REMINDERS, params: [now, REMIND_BEFORE_MS, REMINDER_LIMIT] } as Statement<{ id: string }>,
  ]);
  return written.map(({ id }) => id);
}

const WRITE_REMINDERS = `
  WITH due AS (
    SELECT b.*, u.email
    FROM bookings b JOIN users u ON u.id = b.customer_id
    WHERE b.status = 'APPROVED' AND u.email IS NOT NULL
      AND b.start_at > ?1 AND b.start_at <= ?1 + ?2
      AND b.updated_at <= b.start_at - ?2
      AND NOT EXISTS (
        SELECT 1 FROM notifications n
        WHERE n.booking_id = b.id AND n.kind = 'booking_reminder' AND n.facts ->> '$.startAt' = b.start_at)
    ORDER BY b.start_at, b.id
    LIMIT ?3
  )
  INSERT INTO notifications
    (id, kind, recipient, user_id, booking_id, facts, created_at, next_attempt_at)
  SELECT ${newIdAt("?1")}, 'booking_reminder', email, customer_id, id,
    json_object('startAt', start_at, 'endAt', end_at, 'sequence', sequence, 'status', status), ?1, ?1
  FROM due WHERE true
  ON CONFLICT DO NOTHING
  RETURNING id`;
