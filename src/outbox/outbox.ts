/**
 * The outbox: the only writer of notifications. Each is written in the transaction of its fact. The queue delivers
 * them; the cron finds those that are not in the queue.
 */
import { and, asc, eq, lte, type SQL, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Reader } from "../db/client.ts";
import { query } from "../db/query.ts";
import { notifications, users } from "../db/schema.ts";
import { build, compile, type Statement, statementOf } from "../db/statement.ts";
import { describeError, log } from "../shared/log.ts";
import { foldCase } from "../shared/text.ts";
import type { Notice } from "./notices.ts";

/** A notice with its id in the outbox and in the queue. */
type Outgoing = Notice & { id: string };

/** The body of a queue message. `requestId`: the request that wrote the notification. */
export type Delivery = { notificationId: string; requestId?: string | undefined };

/** Gives notices their ids. Ids rise with time. */
export const outgoing = (notices: readonly Notice[]): Outgoing[] =>
  notices.map((notice) => ({ ...notice, id: uuidv7() }));

const RECIPIENT = `coalesce(n.value ->> '$.to.address', u.email, s.email, n.value ->> '$.to.otherwise')`;

/** Whether the salesperson is not the one of before the batch. */
const IS_GIVEN = `json_type(n.value, '$.to.before') IS NOT NULL
  AND b.salesperson_id IS NOT n.value ->> '$.to.before'`;

/**
 * The statement that writes notices to the outbox in order. It skips users without an address. All notices are one JSON
 * parameter, because a sale may have more notices than a statement may have parameters.
 * @param requestId the request that causes them
 */
export function outboxStatement(notices: readonly Outgoing[], now: number, requestId?: string): Statement {
  return {
    sql: `INSERT INTO notifications
        (id, kind, recipient, user_id, booking_id, sale_id, facts, created_at, next_attempt_at, request_id)
      SELECT n.value ->> 'id', n.value ->> 'kind', ${RECIPIENT}, u.id,
        n.value ->> 'bookingId', n.value ->> 'saleId',
        iif(${IS_GIVEN}, json_set(n.value -> 'facts', '$.handover', 'given'), n.value -> 'facts'), ?2, ?2, ?3
      FROM json_each(?1) n
        LEFT JOIN bookings b ON b.id = n.value ->> '$.to.salespersonOf'
        LEFT JOIN showrooms s ON s.id = b.showroom_id
        LEFT JOIN users u ON u.id = coalesce(n.value ->> '$.to.userId', b.salesperson_id)
          AND (n.value ->> 'kind' <> 'staff_booking' OR (u.is_active AND u.email IS NOT NULL))
      WHERE ${RECIPIENT} IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM bookings f WHERE f.id = n.value ->> '$.to.formerOf' AND f.salesperson_id = u.id)
      ORDER BY n.key`,
    params: [JSON.stringify(notices), now, requestId ?? null],
  };
}

/**
 * The statement that requests a password reset mail, to the account that has verified the address, else to the newest
 * one with it. It writes one row for every address, so that its time does not show whether an account exists. Delivery
 * drops a row without a user, and creates the token. The mail goes to the address as the account spells it, because an
 * address that only folds to the same text may be another person's mailbox.
 */
export function resetNotice(id: string, email: string, now: number, requestId?: string): Statement {
  const key = foldCase(email);
  const account = (column: "id" | "email") =>
    sql`(SELECT ${sql.raw(column)} FROM ${users} WHERE is_active = 1 AND id = coalesce(
      (SELECT id FROM ${users} WHERE email_key = ${key} AND email_verified_at IS NOT NULL),
      (SELECT id FROM ${users} WHERE email_key = ${key} AND is_active = 1 ORDER BY rowid DESC LIMIT 1)))`;
  return statementOf(
    build.insert(notifications).values({
      id,
      kind: "password_reset",
      recipient: sql`coalesce(${account("email")}, ${email})`,
      userId: account("id"),
      facts: {},
      createdAt: now,
      nextAttemptAt: now,
      requestId,
    }),
  );
}

/** The largest batch that a queue accepts. */
const QUEUE_BATCH = 100;

/**
 * Sends the ids of pending notifications to the queue. A failure is only logged, because the rows are committed and the
 * cron finds them. Returns `false` when the queue did not accept all of them.
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
 * Whether the notification `other` is about the same booking, and to the same reader: a user, with any address, or a
 * fixed address. It names the columns as the index `notifications_reader` has them.
 */
export const isOfSameReader = (other: string): SQL => {
  const its = sql.raw(other);
  return sql`${its}.user_id IS "notifications"."user_id" AND ${its}.booking_id = "notifications"."booking_id"
    AND ("notifications"."user_id" IS NOT NULL OR ${its}.recipient = "notifications"."recipient")`;
};

/** Whether an earlier notification about the same booking to the same reader is pending. `rowid` is commit order. */
export const anEarlierOneWaits: SQL = sql`EXISTS (
  SELECT 1 FROM notifications earlier
  WHERE ${isOfSameReader("earlier")} AND earlier.status = 'PENDING'
    AND earlier.rowid < "notifications".rowid)`;

/** How many late notifications one run of the cron handles. The next run handles the rest. */
const LATE_LIMIT = 500;

/** How long a due notification is left to its queue message. */
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
 * Due notifications that were not delivered, oldest first. Those that wait for an earlier one are left out: the
 * delivery of the earlier one includes them, and they must not use up the limit.
 */
export async function lateNotifications(db: Reader, now: number): Promise<string[]> {
  const [late] = await db.ask(lateQuery({ before: now - LATE_AFTER_MS }));
  return late.map(({ id }) => id);
}

/** The most rows of a kind that are counted one by one. */
export const MOST_COUNTED = 10_000;

/** The mails that are due now (`now`) and that nothing holds back: no back-off, no lease, no earlier mail. */
export const overdueMails = compile(
  build
    .select({ dueAt: sql<number>`${notifications.nextAttemptAt}`.as("dueAt") })
    .from(notifications)
    .where(
      and(
        eq(notifications.status, "PENDING"),
        lte(notifications.nextAttemptAt, sql.placeholder("now")),
        sql`NOT ${anEarlierOneWaits}`,
      ),
    ),
);

/**
 * The state of the outbox: how many mails wait (counted up to `MOST_COUNTED`), when the oldest of them was written, and
 * since when the first has been due (null when none is).
 */
export const outboxState = (now: number) =>
  query<{ waiting: number; oldestAt: number | null; dueSince: number | null }>`SELECT
    (SELECT count(*) FROM (SELECT 1 FROM notifications WHERE status = 'PENDING' LIMIT ${MOST_COUNTED})) AS waiting,
    (SELECT created_at FROM notifications WHERE status = 'PENDING' ORDER BY id LIMIT 1) AS oldestAt,
    (SELECT min(dueAt) FROM (${overdueMails({ now })})) AS dueSince`;

/** How many mails failed for good, of the newest `MOST_COUNTED`, and how many of them since an instant. */
export const failedMails = (since: number) =>
  query<{
    failed: number;
    lately: number;
  }>`SELECT count(*) AS failed, count(*) FILTER (WHERE at >= ${since}) AS lately
    FROM (SELECT next_attempt_at AS at FROM notifications WHERE status = 'FAILED' ORDER BY id DESC LIMIT ${MOST_COUNTED})`;
