/** The side of a delivery that is in the database: claiming a notification, and recording what became of it. */
import { and, eq, ne, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { bookings, cars, notifications, sales, users } from "../db/schema.ts";
import { anEarlierOneWaits } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";

/** For how long one consumer has a notification to itself. Longer than any send takes. */
const LEASE_MS = 60_000;
/** How often a notification is tried: one more than the queue's `max_retries`, and long enough for a day's outage. */
export const MAX_ATTEMPTS = 30;
/** How often the record of a mail that is out is tried before it is left to be sent again. */
const RECORD_TRIES = 3;

/** A notification with what it speaks of. */
export type Row = NonNullable<Awaited<ReturnType<typeof claim>>["row"]>;

/**
 * Takes a notification for one attempt, unless it is done, not due, exhausted, or an earlier one waits. Reads it in the
 * same step, as it is after that.
 */
export async function claim(db: Database, id: string, now: number) {
  const [taken, [row]] = await db.batch([
    db
      .update(notifications)
      .set({ attempts: sql`${notifications.attempts} + 1`, nextAttemptAt: now + LEASE_MS })
      .where(
        and(
          eq(notifications.id, id),
          eq(notifications.status, "PENDING"),
          sql`${notifications.nextAttemptAt} <= ${now}`,
          sql`${notifications.attempts} < ${MAX_ATTEMPTS}`,
          sql`NOT ${anEarlierOneWaits}`,
        ),
      )
      .returning({ id: notifications.id }),
    db
      // D1 hands out a batch's rows by column name: each has one of its own.
      .select({
        id: sql<string>`${notifications.id}`.as("notification_id"),
        kind: notifications.kind,
        recipient: notifications.recipient,
        userId: notifications.userId,
        bookingId: notifications.bookingId,
        facts: notifications.facts,
        status: sql<string>`${notifications.status}`.as("notification_status"),
        attempts: notifications.attempts,
        lastError: notifications.lastError,
        createdAt: sql<number>`${notifications.createdAt}`.as("written_at"),
        nextAttemptAt: notifications.nextAttemptAt,
        bookingStatus: sql<string | null>`${bookings.status}`.as("booking_status"),
        startAt: bookings.startAt,
        notes: bookings.notes,
        carId: sql<string | null>`${cars.id}`.as("mentioned_car_id"),
        make: cars.make,
        model: cars.model,
        year: cars.year,
        username: users.username,
        firstName: users.firstName,
        email: users.email,
        isActive: users.isActive,
      })
      .from(notifications)
      .leftJoin(bookings, eq(bookings.id, notifications.bookingId))
      .leftJoin(sales, eq(sales.id, notifications.saleId))
      .leftJoin(cars, sql`${cars.id} = coalesce(${bookings.carId}, ${sales.carId})`)
      .leftJoin(
        users,
        sql`${users.id} = coalesce(${bookings.customerId}, ${sales.customerId}, ${notifications.userId})`,
      )
      .where(eq(notifications.id, id)),
  ]);
  return { claimed: taken.length > 0, row };
}

/** The row, unless somebody else took it after our lease ran out. */
const stillMine = (row: Row) =>
  and(
    eq(notifications.id, row.id),
    eq(notifications.status, "PENDING"),
    eq(notifications.attempts, row.attempts),
  );

/** Records an attempt that came to nothing, and when the next may be made. */
export async function recordVain(db: Database, row: Row, lastError: string, nextAttemptAt: number) {
  await db.update(notifications).set({ lastError, nextAttemptAt }).where(stillMine(row));
}

/** Takes back a notification that nobody needs any more. Returns whose turn it is. */
export async function forget(db: Database, row: Row): Promise<string | undefined> {
  const [, [next]] = await db.batch([db.delete(notifications).where(stillMine(row)), whoseTurn(db, row)]);
  return next?.id;
}

/** Records a failure that nothing will change. Returns whose turn it is. */
export async function recordFailed(db: Database, row: Row, lastError: string): Promise<string | undefined> {
  const [, [next]] = await db.batch([
    db.update(notifications).set({ status: "FAILED", lastError }).where(stillMine(row)),
    whoseTurn(db, row),
  ]);
  return next?.id;
}

/**
 * Records that the mail is out, whatever was made of the row meanwhile. Tried a few times: a record that is missing is
 * a mail that goes out again. Returns whose turn it is.
 */
export async function recordSent(db: Database, row: Row, sentAt: number): Promise<string | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      const [, [next]] = await db.batch([
        db
          .update(notifications)
          .set({ status: "SENT", sentAt, lastError: null })
          .where(and(eq(notifications.id, row.id), ne(notifications.status, "SENT"))),
        whoseTurn(db, row),
      ]);
      return next?.id;
    } catch (error) {
      if (tries === RECORD_TRIES) throw error;
      log.warn("notifications.record_failed", { notification: row.id, error: describeError(error) });
    }
  }
}

/** The earliest waiting notification about the same booking for the same reader. */
const whoseTurn = (db: Database, { bookingId, userId, recipient }: Row) =>
  db
    .select({ id: notifications.id })
    .from(notifications)
    .where(
      and(
        sql`${notifications.bookingId} = ${bookingId}`,
        eq(notifications.status, "PENDING"),
        sql`coalesce(${notifications.userId}, ${notifications.recipient}) = ${userId ?? recipient}`,
      ),
    )
    .orderBy(sql`${notifications}.rowid`)
    .limit(1);
