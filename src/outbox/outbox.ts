/**
 * What must be told, committed with the fact itself. The rows written here are picked up by the queue, or by the
 * sweep when the queue was not told.
 */
import { and, asc, eq, lte, type SQL, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { notifications } from "../db/schema.ts";
import type { Statement } from "../db/statement.ts";
import type { NotificationKind } from "../shared/enums.ts";
import { describeError, log } from "../shared/log.ts";

/** A message to be sent. `facts` is what it says about the moment it was written. */
export type Notice = {
  kind: NotificationKind;
  /** A user, told at their e-mail address if they have one, or a fixed address. */
  to: { userId: string } | { address: string };
  bookingId?: string;
  saleId?: string;
  facts: Record<string, unknown>;
};

/** A notice with the id it is stored and queued under. */
export type Outgoing = Notice & { id: string };

/** The body of a queue message. */
export type Delivery = { notificationId: string };

/** Gives notices their ids. Ids rise with time. */
export const outgoing = (notices: readonly Notice[]): Outgoing[] =>
  notices.map((notice) => ({ ...notice, id: uuidv7() }));

/**
 * The statement that writes notices to the outbox, in order; for a user without an address it writes nothing.
 * All of them travel as one JSON parameter: a sale may have to tell more people than a query has parameters.
 */
export function outboxStatement(notices: readonly Outgoing[], now: number): Statement {
  return {
    sql: `INSERT INTO notifications
        (id, kind, recipient, user_id, booking_id, sale_id, facts, created_at, next_attempt_at)
      SELECT n.value ->> 'id', n.value ->> 'kind', coalesce(n.value ->> '$.to.address', u.email), u.id,
        n.value ->> 'bookingId', n.value ->> 'saleId', n.value -> 'facts', ?2, ?2
      FROM json_each(?1) n LEFT JOIN users u ON u.id = n.value ->> '$.to.userId'
      WHERE coalesce(n.value ->> '$.to.address', u.email) IS NOT NULL
      ORDER BY n.key`,
    params: [JSON.stringify(notices), now],
  };
}

/** The largest batch that a queue takes at once. */
const QUEUE_BATCH = 100;

/**
 * Tells the queue which notifications wait. A failure is only logged: the rows are committed, and the sweep finds
 * them. `false` when the queue did not take them all.
 */
export async function enqueue(queue: Queue<Delivery>, ids: readonly string[]): Promise<boolean> {
  try {
    for (let at = 0; at < ids.length; at += QUEUE_BATCH)
      await queue.sendBatch(
        ids.slice(at, at + QUEUE_BATCH).map((notificationId) => ({ body: { notificationId } })),
      );
    return true;
  } catch (error) {
    log.warn("notifications.enqueue_failed", { count: ids.length, error: describeError(error) });
    return false;
  }
}

/**
 * Whether an earlier notification about the same booking for the same reader still waits. `rowid` is commit order.
 * A reader is a user, whatever their address was at the time, or a fixed address.
 */
export const anEarlierOneWaits: SQL = sql`EXISTS (
  SELECT 1 FROM notifications earlier
  WHERE earlier.booking_id = "notifications"."booking_id" AND earlier.status = 'PENDING'
    AND coalesce(earlier.user_id, earlier.recipient)
      = coalesce("notifications"."user_id", "notifications"."recipient")
    AND earlier.rowid < "notifications".rowid)`;

/** How many late notifications one sweep takes up; the next one goes on. */
const SWEEP_LIMIT = 500;

/** How long after its time a notification is left to the message that was queued for it. */
export const SWEEP_AFTER_MS = 30_000;

/**
 * The notifications that are due and were not delivered, longest waiting first. Those that wait for an earlier one
 * are left out: its delivery takes them along, and they must not crowd out the rest.
 */
export async function lateNotifications(db: Database, now: number): Promise<string[]> {
  const late = await db
    .select({ id: notifications.id })
    .from(notifications)
    .where(
      and(
        eq(notifications.status, "PENDING"),
        lte(notifications.nextAttemptAt, now - SWEEP_AFTER_MS),
        sql`NOT ${anEarlierOneWaits}`,
      ),
    )
    .orderBy(asc(notifications.nextAttemptAt))
    .limit(SWEEP_LIMIT);
  return late.map(({ id }) => id);
}
