/**
 * The outbox: notifications are written in the transaction of the fact that they are about, and only here. The queue
 * delivers them; the cron finds those that the queue has not got.
 */
import { and, asc, eq, lte, type SQL, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Reader } from "../db/client.ts";
import { notifications, users } from "../db/schema.ts";
import { build, compile, type Statement, statementOf } from "../db/statement.ts";
import { describeError, log } from "../shared/log.ts";
import { foldCase } from "../shared/text.ts";
import type { Notice } from "./notices.ts";

/** A notice with the id it is stored and queued under. */
type Outgoing = Notice & { id: string };

/** The body of a queue message. `requestId`: the request that wrote the notification. */
export type Delivery = { notificationId: string; requestId?: string | undefined };

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

/**
 * The statement that asks for a password reset mail to an address. It writes one row whether or not the address has an
 * account, so that its time says nothing; delivery drops a row without a user, and makes the token. The mail goes to
 * the account's own spelling of the address: one that only folds to the same might be somebody else's mailbox.
 */
export function resetNotice(id: string, email: string, now: number): Statement {
  const account = (column: "id" | "email") =>
    sql`(SELECT ${sql.raw(column)} FROM ${users} WHERE email_key = ${foldCase(email)} AND is_active = 1)`;
  return statementOf(
    build.insert(notifications).values({
      id,
      kind: "password_reset",
      recipient: sql`coalesce(${account("email")}, ${email})`,
      userId: account("id"),
      facts: {},
      createdAt: now,
      nextAttemptAt: now,
    }),
  );
}

/** The largest batch that a queue takes at once. */
const QUEUE_BATCH = 100;

/**
 * Sends the ids of waiting notifications to the queue. A failure is only logged: the rows are committed, and the cron
 * finds them. `false` when the queue did not take them all.
 */
export async function enqueue(
  queue: Queue<Delivery>,
  ids: readonly string[],
  requestId?: string,
): Promise<boolean> {
  try {
    for (let at = 0; at < ids.length; at += QUEUE_BATCH)
      await queue.sendBatch(
        ids.slice(at, at + QUEUE_BATCH).map((notificationId) => ({ body: { notificationId, requestId } })),
      );
    return true;
  } catch (error) {
    log.warn("notifications.enqueue_failed", {
      count: ids.length,
      request: requestId,
      error: describeError(error),
    });
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

/** How many late notifications one run of the cron takes up; the next one goes on. */
const LATE_LIMIT = 500;

/** How long after its time a notification is left to the message that was queued for it. */
const LATE_AFTER_MS = 30_000;

const lateQuery = compile(
  build
    .select({ id: notifications.id })
    .from(notifications)
    .where(
      and(
        eq(notifications.status, "PENDING"),
        lte(notifications.nextAttemptAt, sql.placeholder("before")),
        sql`NOT ${anEarlierOneWaits}`,
      ),
    )
    .orderBy(asc(notifications.nextAttemptAt))
    .limit(LATE_LIMIT),
);

/**
 * The notifications that are due and were not delivered, longest waiting first. Those that wait for an earlier one are
 * left out: its delivery takes them along, and they must not crowd out the rest.
 */
export async function lateNotifications(db: Reader, now: number): Promise<string[]> {
  const [late] = await db.ask(lateQuery({ before: now - LATE_AFTER_MS }));
  return late.map(({ id }) => id);
}
