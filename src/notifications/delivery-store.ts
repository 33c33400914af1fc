/** The database side of a delivery: claims a notification and records the outcome. */
import { and, asc, eq, exists, ne, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { bookings, cars, notifications, sales, showrooms, users } from "../db/schema.ts";
import { build, compile, type Statement, statementOf } from "../db/statement.ts";
import type { BookingKind } from "../outbox/notices.ts";
import { anEarlierOneWaits, isOfSameReader } from "../outbox/outbox.ts";
import type { BookingStatus } from "../shared/enums.ts";
import { describeError, log } from "../shared/log.ts";
import { addressOfShowroom } from "../showrooms/address.ts";
import {
  ALL_READERS,
  countForAddress,
  countForAll,
  countWaiting,
  dayOf,
  endOf,
  isAccountMail,
  type MailCount,
  readerOf,
  uncount,
} from "./daily-limits.ts";

/** The lease: the time for which one consumer has a notification to itself. Longer than any send. */
const LEASE_MS = 60_000;
/** The maximum number of attempts: one more than the queue's `max_retries`, and enough for an outage of a day. */
export const MAX_ATTEMPTS = 30;
/** How often the record of a sent mail is tried. If it fails, the mail is sent again. */
const RECORD_TRIES = 3;

const isClaimable = and(
  eq(notifications.id, sql.placeholder("id")),
  eq(notifications.status, "PENDING"),
  sql`${notifications.nextAttemptAt} <= ${sql.placeholder("now")}`,
  sql`${notifications.attempts} < ${MAX_ATTEMPTS}`,
  sql`NOT ${anEarlierOneWaits}`,
);

const countClaim = countForAll(sql`FROM ${notifications} WHERE ${isClaimable}`);

const claimStatement = compile(
  build
    .update(notifications)
    .set({
      attempts: sql`${notifications.attempts} + 1`,
      nextAttemptAt: sql`${sql.placeholder("now")} + ${LEASE_MS}`,
    })
    .where(isClaimable)
    .returning({ id: notifications.id }),
);

/**
 * The kinds that replace an earlier one. Each states the booking as it is, and with `inherited` also what the reader
 * knew before. A reminder replaces nothing, because it does not say what has changed.
 */
const REPLACING = [
  "booking_approved",
  "booking_declined",
  "booking_cancelled",
  "booking_rescheduled",
  "staff_booking",
] as const satisfies readonly BookingKind[];

/** The id of the next later notification that replaces this one. */
const replacedBy = sql`(
  SELECT later.id FROM notifications later
  WHERE ${isOfSameReader("later")} AND later.status = 'PENDING'
    AND later.kind IN (${sql.raw(REPLACING.map((kind) => `'${kind}'`).join(", "))})
    AND later.rowid > "notifications".rowid
  ORDER BY later.rowid LIMIT 1)`;

/**
 * Whether the recipient is not verified: it is an address of a user who has verified none, or the new one of a change
 * that waits for verification. Null for the fixed addresses of the showroom.
 */
const isUnverified = sql`(
  SELECT owner.email_verified_at IS NULL OR owner.pending_email IS "notifications"."recipient"
  FROM users owner WHERE owner.id = "notifications"."user_id")`;

/** Whether the user whom a mail goes to may still sign in. Null for the fixed addresses of the showroom. */
const isReaderActive = sql`(
  SELECT reader.is_active FROM users reader WHERE reader.id = "notifications"."user_id")`;

/** The full name of who drives along now; may be empty. Null when nobody does. */
const salespersonName = sql`(
  SELECT trim(seller.first_name || ' ' || seller.last_name) FROM users seller WHERE seller.id = ${bookings.salespersonId})`;

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
      showroomName: sql<string | null>`${showrooms.name}`.as("showroomName"),
      showroomZone: sql<string | null>`${showrooms.timeZone}`.as("showroomZone"),
      showroomAddress: sql<string | null>`${addressOfShowroom}`.as("showroomAddress"),
      showroomPhone: sql<string | null>`${showrooms.phone}`.as("showroomPhone"),
      latitude: sql<number | null>`${showrooms.latitude}`.as("latitude"),
      longitude: sql<number | null>`${showrooms.longitude}`.as("longitude"),
      username: users.username,
      firstName: sql<string | null>`${users.firstName}`.as("firstName"),
      lastName: sql<string | null>`${users.lastName}`.as("lastName"),
      phone: sql<string | null>`${users.phone}`.as("phone"),
      email: users.email,
      emailVerifiedAt: sql<number | null>`${users.emailVerifiedAt}`.as("emailVerifiedAt"),
      pendingEmail: sql<string | null>`${users.pendingEmail}`.as("pendingEmail"),
      isActive: sql<0 | 1 | null>`${users.isActive}`.as("isActive"),
      replacedBy: sql<string | null>`${replacedBy}`.as("replacedBy"),
      isUnverified: sql<0 | 1 | null>`${isUnverified}`.as("isUnverified"),
      isReaderActive: sql<0 | 1 | null>`${isReaderActive}`.as("isReaderActive"),
      salespersonId: sql<string | null>`${bookings.salespersonId}`.as("salespersonId"),
      salespersonName: sql<string | null>`${salespersonName}`.as("salespersonName"),
      requestId: sql<string | null>`${notifications.requestId}`.as("requestId"),
    })
    .from(notifications)
    .leftJoin(bookings, eq(bookings.id, notifications.bookingId))
    .leftJoin(sales, eq(sales.id, notifications.saleId))
    .leftJoin(cars, sql`${cars.id} = coalesce(${bookings.carId}, ${sales.carId})`)
    .leftJoin(showrooms, sql`${showrooms.id} = coalesce(${bookings.showroomId}, ${cars.showroomId})`)
    .leftJoin(
      users,
      sql`${users.id} = coalesce(${bookings.customerId}, ${sales.customerId}, ${notifications.userId}, ${notifications.facts} ->> '$.userId')`,
    )
    .where(eq(notifications.id, sql.placeholder("id"))),
);

/** A notification with its subject. `facts` is JSON; `count`: what the claim counted. */
export type Row = NonNullable<Awaited<ReturnType<typeof claim>>["row"]>;

/**
 * Claims a notification for one attempt, unless it is done, not due, exhausted, or waiting for an earlier one. Reads
 * the row in the same transaction, after the claim, and counts the mail. Nothing is counted when the day has no room
 * for it.
 * @param most how many mails may be sent on one day
 */
export async function claim(db: Database, id: string, now: number, most: number) {
  const statements = [
    countClaim(most, { id, now }),
    claimStatement({ id, now }),
    notificationWithSubject({ id }),
  ] as const;
  const [counted, taken, [row]] = await db.commit(
    "system",
    "notification.claim",
    `notification:${id}`,
    statements,
  );
  const count: MailCount = { day: dayOf(now), readers: counted.map(() => ALL_READERS) };
  return { claimed: taken.length > 0, row: row && { ...row, count } };
}

/** Counts the mail for its address. Returns the row with that count, or `undefined` when the limit is reached. */
export async function reserveForAddress(db: Database, row: Row, most: number): Promise<Row | undefined> {
  const { day, readers } = row.count;
  const reader = await readerOf(row.recipient);
  const [counted] = await db.commit("system", "notification.count", `notification:${row.id}`, [
    countForAddress({ day, reader, most }),
  ]);
  return counted.length > 0 ? { ...row, count: { day, readers: [...readers, reader] } } : undefined;
}

/** The row, unless another consumer claimed it after our lease ended. */
const stillOurs = (row: Row) =>
  and(
    eq(notifications.id, row.id),
    eq(notifications.status, "PENDING"),
    eq(notifications.attempts, row.attempts),
  );

/** The earliest other pending notification of the same booking and reader. */
const nextInOrder = compile(
  build
    .select({ id: notifications.id })
    .from(notifications)
    .where(
      and(
        sql`${notifications.userId} IS ${sql.placeholder("userId")}`,
        eq(notifications.bookingId, sql.placeholder("bookingId")),
        sql`(${notifications.userId} IS NOT NULL OR ${notifications.recipient} = ${sql.placeholder("recipient")})`,
        eq(notifications.status, "PENDING"),
        ne(notifications.id, sql.placeholder("id")),
      ),
    )
    .orderBy(asc(sql`${notifications}.rowid`))
    .limit(1),
);

/** Records an outcome. Returns the notification that is next in order. */
async function record(db: Database, action: string, row: Row, ...statements: Statement[]) {
  const { id, bookingId, userId, recipient } = row;
  const next = nextInOrder({ id, bookingId, userId, recipient });
  const [[found]] = await db.commit("system", action, `notification:${id}`, [next, ...statements] as const);
  return found?.id;
}

/** Records a failed attempt, and the time of the next one. */
export async function recordFailedAttempt(db: Database, row: Row, lastError: string, nextAttemptAt: number) {
  await db.commit("system", "notification.fail_attempt", `notification:${row.id}`, [
    statementOf(build.update(notifications).set({ lastError, nextAttemptAt }).where(stillOurs(row))),
    ...uncount(row.count),
  ]);
}

/**
 * Lets a claimed notification wait for the next day, as if it had not been claimed. Returns whether it is the first of
 * its class on this day.
 */
export async function postpone(db: Database, row: Row): Promise<boolean> {
  const { day } = row.count;
  const [[waiting]] = await db.commit("system", "notification.postpone", `notification:${row.id}`, [
    countWaiting(day, isAccountMail(row.kind)),
    statementOf(
      build
        .update(notifications)
        .set({
          attempts: notAttempted,
          nextAttemptAt: endOf(day),
          lastError: "waits for the next day (UTC): the daily limit of mails is reached",
        })
        .where(stillOurs(row)),
    ),
  ]);
  return waiting?.n === 1;
}

/**
 * Deletes an obsolete notification. The one that replaces it gets what its reader knew before. Returns the one that is
 * next in order.
 * @param previousStartAt the start before the booking was moved, in the facts of the obsolete notification
 */
export const discard = (
  db: Database,
  row: Row,
  previousStartAt: number | undefined,
): Promise<string | undefined> =>
  record(
    db,
    "notification.discard",
    row,
    ...(row.replacedBy === null ? [] : inherited(row, row.replacedBy, previousStartAt)),
    statementOf(build.delete(notifications).where(stillOurs(row))),
    ...uncount(row.count),
  );

/**
 * The statements after which the facts of the replacing notification are those since the reader's last mail: the
 * booking was moved from where that mail said, or, for staff who have had none, it is new. Customers know where their
 * booking began.
 */
function inherited(row: Row, by: string, previousStartAt: number | undefined): Statement[] {
  const write = (facts: SQL, when?: SQL) =>
    statementOf(
      build
        .update(notifications)
        .set({ facts })
        .where(
          and(
            eq(notifications.id, by),
            exists(build.select({ id: notifications.id }).from(notifications).where(stillOurs(row))),
            when,
          ),
        ),
    );
  if (previousStartAt !== undefined)
    return [
      write(
        sql`json_set(${notifications.facts}, '$.previousStartAt', ${previousStartAt})`,
        // Moved there and back: then the time between stays, so that the mail still says what happened.
        sql`${notifications.facts} ->> '$.startAt' <> ${previousStartAt}`,
      ),
    ];
  return row.kind === "staff_booking"
    ? [write(sql`json_remove(${notifications.facts}, '$.previousStartAt')`)]
    : [];
}

const notAttempted = sql`${notifications.attempts} - 1`;

/** Records a permanent failure. Returns the notification that is next in order. */
export const recordFailed = (db: Database, row: Row, lastError: string): Promise<string | undefined> =>
  record(
    db,
    "notification.fail",
    row,
    statementOf(build.update(notifications).set({ status: "FAILED", lastError }).where(stillOurs(row))),
    ...uncount(row.count),
  );

/** Records that a claimed notification may not be sent. Returns the notification that is next in order. */
export const recordRefused = (db: Database, row: Row, lastError: string): Promise<string | undefined> =>
  record(
    db,
    "notification.refuse",
    row,
    statementOf(
      build
        .update(notifications)
        .set({ status: "FAILED", lastError, attempts: notAttempted })
        .where(stillOurs(row)),
    ),
    ...uncount(row.count),
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
      log.warn("notifications.record_failed", {
        notification: row.id,
        request: row.requestId,
        error: describeError(error),
      });
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
