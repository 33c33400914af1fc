/**
 * What must be told, committed with the fact itself. The rows written here are picked up by the queue, or by the
 * sweep when the queue was not told.
 */
import { and, asc, eq, isNotNull, lte, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { notifications, users } from "../db/schema.ts";
import { describeError, log } from "../log.ts";
import type { NotificationKind } from "../vocabulary.ts";

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

/** The statement that writes a notice to the outbox; for a user without an address it writes nothing. */
export function outboxStatement(db: Database, notice: Outgoing, now: number) {
  const row = {
    id: notice.id,
    kind: notice.kind,
    bookingId: notice.bookingId ?? null,
    saleId: notice.saleId ?? null,
    facts: notice.facts,
    createdAt: now,
    nextAttemptAt: now,
  };
  if ("address" in notice.to)
    return db.insert(notifications).values({ ...row, recipient: notice.to.address });
  return db.insert(notifications).select(
    db
      .select({
        id: sql<string>`${row.id}`.as("id"),
        kind: sql<NotificationKind>`${row.kind}`.as("kind"),
        recipient: sql<string>`${users.email}`.as("recipient"),
        userId: users.id,
        bookingId: sql<string | null>`${row.bookingId}`.as("booking_id"),
        saleId: sql<string | null>`${row.saleId}`.as("sale_id"),
        facts: sql<Record<string, unknown>>`${JSON.stringify(row.facts)}`.as("facts"),
        status: sql<"PENDING">`'PENDING'`.as("status"),
        attempts: sql<number>`0`.as("attempts"),
        lastError: sql<null>`NULL`.as("last_error"),
        createdAt: sql<number>`${now}`.as("created_at"),
        nextAttemptAt: sql<number>`${now}`.as("next_attempt_at"),
        sentAt: sql<null>`NULL`.as("sent_at"),
      })
      .from(users)
      .where(and(eq(users.id, notice.to.userId), isNotNull(users.email))),
  );
}

/** The largest batch that a queue takes at once. */
const QUEUE_BATCH = 100;

/**
 * Tells the queue which notifications wait. A failure is only logged: the rows are committed, and the sweep finds
 * them.
 */
export async function enqueue(queue: Queue<Delivery>, ids: readonly string[]): Promise<void> {
  try {
    for (let at = 0; at < ids.length; at += QUEUE_BATCH)
      await queue.sendBatch(
        ids.slice(at, at + QUEUE_BATCH).map((notificationId) => ({ body: { notificationId } })),
      );
  } catch (error) {
    log.warn("notifications.enqueue_failed", { count: ids.length, error: describeError(error) });
  }
}

/** How many late notifications one sweep queues; the next one goes on. */
const SWEEP_LIMIT = 500;

/** How long after its commit a notification is left to the message that was queued with it. */
const SWEEP_AFTER_MS = 30_000;

/** Queues again what is due and was not delivered. Returns how many. */
export async function sweepOutbox(db: Database, queue: Queue<Delivery>, now: number): Promise<number> {
  const late = await db
    .select({ id: notifications.id })
    .from(notifications)
    .where(and(eq(notifications.status, "PENDING"), lte(notifications.nextAttemptAt, now - SWEEP_AFTER_MS)))
    .orderBy(asc(notifications.nextAttemptAt))
    .limit(SWEEP_LIMIT);
  await enqueue(
    queue,
    late.map((row) => row.id),
  );
  return late.length;
}
