/** The side of a delivery that is in the database: claiming a notification, and recording what became of it. */
import { and, asc, eq, ne, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { bookings, cars, notifications, sales, users } from "../db/schema.ts";
import { build, compile, type Statement, statementOf } from "../db/statement.ts";
import { anEarlierOneWaits } from "../outbox/outbox.ts";
import type { BookingStatus } from "../shared/enums.ts";
import { describeError, log } from "../shared/log.ts";

/** For how long one consumer has a notification to itself. Longer than any send takes. */
const LEASE_MS = 60_000;
/** How often a notification is tried: one more than the queue's `max_retries`, and long enough for a day's outage. */
export const MAX_ATTEMPTS = 30;
/** How often the record of a mail that was sent is tried before it is left to be sent again. */
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
      recipient: notifications.recipient,
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

/** A notification with what it is about. `facts` is JSON. */
export type Row = NonNullable<Awaited<ReturnType<typeof claim>>["row"]>;

/**
 * Takes a notification for one attempt, unless it is done, not due, exhausted, or an earlier one waits. Reads it in the
 * same step, as it is after that.
 */
export async function claim(db: Database, id: string, now: number) {
  const statements = [claimStatement({ id, now }), notificationWithSubject({ id })] as const;
  const [taken, [row]] = await db.commit("system", "notification.claim", `notification:${id}`, statements);
  return { claimed: taken.length > 0, row };
}

/** The row, unless another consumer took it after our lease ran out. */
const stillOurs = (row: Row) =>
  and(
    eq(notifications.id, row.id),
    eq(notifications.status, "PENDING"),
    eq(notifications.attempts, row.attempts),
  );

/** The earliest waiting notification about the same booking for the same reader. */
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

/** Records something about a notification. Returns the one whose turn it is then. */
async function record(db: Database, action: string, row: Row, statement: Statement) {
  const { id, bookingId, userId, recipient } = row;
  const next = nextInOrder({ bookingId, reader: userId ?? recipient });
  const [, [found]] = await db.commit("system", action, `notification:${id}`, [statement, next] as const);
  return found?.id;
}

/** Records a failed attempt, and when the next may be made. */
export async function recordFailedAttempt(db: Database, row: Row, lastError: string, nextAttemptAt: number) {
  await db.commit("system", "notification.fail_attempt", `notification:${row.id}`, [
    statementOf(build.update(notifications).set({ lastError, nextAttemptAt }).where(stillOurs(row))),
  ]);
}

/** Deletes a notification that nobody needs any more. Returns whose turn it is. */
export const discard = (db: Database, row: Row): Promise<string | undefined> =>
  record(db, "notification.discard", row, statementOf(build.delete(notifications).where(stillOurs(row))));

/** Records a failure that nothing will change. Returns whose turn it is. */
export const recordFailed = (db: Database, row: Row, lastError: string): Promise<string | undefined> =>
  record(
    db,
    "notification.fail",
    row,
    statementOf(build.update(notifications).set({ status: "FAILED", lastError }).where(stillOurs(row))),
  );

/**
 * Records that the mail was sent, whatever became of the row since. Tried a few times: when this record is missing, the
 * mail is sent again. Returns whose turn it is.
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

/** Records as failed a notification that has no attempts left. Returns whether there was one. */
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
