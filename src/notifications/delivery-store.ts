/** The database side of a delivery: claims a notification and records the outcome. */
import { and, asc, eq, ne, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { bookings, cars, notifications, sales, users } from "../db/schema.ts";
import { build, compile, type Statement, statementOf } from "../db/statement.ts";
import { anEarlierOneWaits } from "../outbox/outbox.ts";
import type { BookingStatus } from "../shared/enums.ts";
import { describeError, log } from "../shared/log.ts";

/** The lease: the time for which one consumer has a notification to itself. Longer than any send. */
const LEASE_MS = 60_000;
/** The maximum number of attempts: one more than the queue's `max_retries`, and enough for an outage of a day. */
export const MAX_ATTEMPTS = 30;
/** How often the record of a sent mail is tried. If it fails, the mail is sent again. */
const RECORD_TRIES = 3;

const claimStatement = compile(
  build
    .update(notifications)
    .set({
      attempts: sql`${notifications.attempts} + 1`,
      nextAttemptAt: sql`${sql.placeholder("now")} + ${LEASE_MS}`,
    })
    .where(
      and(
        eq(notifications.id, sql.placeholder("id")),
        eq(notifications.status, "PENDING"),
        sql`${notifications.nextAttemptAt} <= ${sql.placeholder("now")}`,
        sql`${notifications.attempts} < ${MAX_ATTEMPTS}`,
        sql`NOT ${anEarlierOneWaits}`,
      ),
    )
    .returning({ id: notifications.id }),
);

const notificationWithSubject = compile(
  build
    .select({
      id: sql<string>`${notifications.id}`.as("id"),
      kind: notifications.kind,
      // A pending notification has a recipient.
      recipient: sql<string>`${notifications.recipient}`.as("recipient"),
      userId: sql<string | null>`${notifications.userId}`.as("userId"),
      bookingId: sql<string | null>`${notifications.bookingId}`.as("bookingId"),
      facts: sql<string>`${notifications.facts}`.as("facts"),
      status: sql<string>`${notifications.status}`.as("status"),
      attempts: notifications.attempts,
      lastError: sql<string | null>`${notifications.lastError}`.as("lastError"),
      createdAt: sql<number>`${notifications.createdAt}`.as("createdAt"),
      nextAttemptAt: sql<number>`${notifications.nextAttemptAt}`.as("nextAttemptAt"),
      bookingStatus: sql<BookingStatus | null>`${bookings.status}`.as("bookingStatus"),
      startAt: sql<number | null>`${bookings.startAt}`.as("startAt"),
      notes: sql<string | null>`${bookings.notes}`.as("notes"),
      reason: sql<string | null>`${bookings.reason}`.as("reason"),
      carId: sql<string | null>`${cars.id}`.as("carId"),
      make: cars.make,
      model: cars.model,
      year: cars.year,
      username: users.username,
      firstName: sql<string | null>`${users.firstName}`.as("firstName"),
      email: users.email,
      isActive: sql<0 | 1 | null>`${users.isActive}`.as("isActive"),
    })
    .from(notifications)
    .leftJoin(bookings, eq(bookings.id, notifications.bookingId))
    .leftJoin(sales, eq(sales.id, notifications.saleId))
    .leftJoin(cars, sql`${cars.id} = coalesce(${bookings.carId}, ${sales.carId})`)
    .leftJoin(
      users,
      sql`${users.id} = coalesce(${bookings.customerId}, ${sales.customerId}, ${notifications.userId})`,
    )
    .where(eq(notifications.id, sql.placeholder("id"))),
);

/** A notification with its subject. `facts` is JSON. */
export type Row = NonNullable<Awaited<ReturnType<typeof claim>>["row"]>;

/**
 * Claims a notification for one attempt, unless it is done, not due, exhausted, or waiting for an earlier one. Reads
 * the row in the same transaction, after the claim.
 */
export async function claim(db: Database, id: string, now: number) {
  const statements = [claimStatement({ id, now }), notificationWithSubject({ id })] as const;
  const [taken, [row]] = await db.commit("system", "notification.claim", `notification:${id}`, statements);
  return { claimed: taken.length > 0, row };
}

/** The row, unless another consumer claimed it after our lease ended. */
const stillOurs = (row: Row) =>
  and(
    eq(notifications.id, row.id),
    eq(notifications.status, "PENDING"),
    eq(notifications.attempts, row.attempts),
  );

/** The earliest pending notification of the same booking and reader. */
const nextInOrder = compile(
  build
    .select({ id: notifications.id })
    .from(notifications)
    .where(
      and(
        eq(notifications.bookingId, sql.placeholder("bookingId")),
        eq(notifications.status, "PENDING"),
        sql`coalesce(${notifications.userId}, ${notifications.recipient}) = ${sql.placeholder("reader")}`,
      ),
    )
    .orderBy(asc(sql`${notifications}.rowid`))
    .limit(1),
);

/** Records an outcome. Returns the notification that is next in order. */
async function record(db: Database, action: string, row: Row, statement: Statement) {
  const { id, bookingId, userId, recipient } = row;
  const next = nextInOrder({ bookingId, reader: userId ?? recipient });
  const [, [found]] = await db.commit("system", action, `notification:${id}`, [statement, next] as const);
  return found?.id;
}

/** Records a failed attempt, and the time of the next one. */
export async function recordFailedAttempt(db: Database, row: Row, lastError: string, nextAttemptAt: number) {
  await db.commit("system", "notification.fail_attempt", `notification:${row.id}`, [
    statementOf(build.update(notifications).set({ lastError, nextAttemptAt }).where(stillOurs(row))),
  ]);
}

/** Deletes an obsolete notification. Returns the one that is next in order. */
export const discard = (db: Database, row: Row): Promise<string | undefined> =>
  record(db, "notification.discard", row, statementOf(build.delete(notifications).where(stillOurs(row))));

/** Records a permanent failure. Returns the notification that is next in order. */
export const recordFailed = (db: Database, row: Row, lastError: string): Promise<string | undefined> =>
  record(
    db,
    "notification.fail",
    row,
    statementOf(build.update(notifications).set({ status: "FAILED", lastError }).where(stillOurs(row))),
  );

/**
 * Records that the mail was sent, also when the lease has ended. Tried several times, because without this record the
 * mail is sent again. Returns the notification that is next in order.
 */
export async function recordSent(db: Database, row: Row, sentAt: number): Promise<string | undefined> {
  const sent = statementOf(
    build
      .update(notifications)
      .set({ status: "SENT", sentAt, lastError: null })
      .where(and(eq(notifications.id, row.id), ne(notifications.status, "SENT"))),
  );
  for (let tries = 1; ; tries += 1) {
    try {
      return await record(db, "notification.sent", row, sent);
    } catch (error) {
      if (tries === RECORD_TRIES) throw error;
      log.warn("notifications.record_failed", { notification: row.id, error: describeError(error) });
    }
  }
}

/** Records a notification without attempts left as failed. Returns whether there was one. */
export async function recordExhausted(db: Database, id: string): Promise<boolean> {
  const exhausted = build
    .update(notifications)
    .set({ status: "FAILED", lastError: sql`coalesce(${notifications.lastError}, 'no attempts left')` })
    .where(
      and(
        eq(notifications.id, id),
        eq(notifications.status, "PENDING"),
        sql`${notifications.attempts} >= ${MAX_ATTEMPTS}`,
      ),
    )
    .returning({ id: notifications.id });
  const [recorded] = await db.commit("system", "notification.dead_letter", `notification:${id}`, [
    statementOf(exhausted),
  ]);
  return recorded.length > 0;
}
