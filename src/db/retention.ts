/**
 * How long rows are kept, and the statements that delete older ones (docs/operations/retention.md). The cron runs them.
 * Each handles a limited number of rows, so that after an outage of the cron none exceeds D1's time limit; the next
 * runs handle the rest.
 */
import { and, gte, isNotNull, lt, type SQL, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import {
  bookingChanges,
  emailVerifications,
  failedLogins,
  idempotencyKeys,
  mailCounts,
  notifications,
  passwordResets,
  refreshTokens,
  sessions,
} from "./schema.ts";
import { build, type Statement, statementOf } from "./statement.ts";

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/** How long the stored answer of an idempotency key is kept, at least. */
const IDEMPOTENCY_KEPT_MS = DAY_MS;
/** How long a notification is kept that was sent or has failed. */
const NOTIFICATION_KEPT_MS = 90 * DAY_MS;
/** How long the address of a sent notification is kept. */
const RECIPIENT_KEPT_MS = 30 * DAY_MS;
/** For how long the cron may fail without leaving addresses until their notifications are deleted. */
const RECIPIENT_OUTAGE_MS = 7 * DAY_MS;
/** How many days' counts of mails and of failed logins are kept, besides the current day's. */
const COUNTS_KEPT_DAYS = 2;

/** The most rows that one statement handles. */
const ROWS_AT_ONCE = 5000;

/** The statements that delete expired rows. */
export function deleteExpired(now: number, atOnce = ROWS_AT_ONCE): Statement[] {
  const deleteSome = (table: SQLiteTable, isExpired: SQL | undefined) =>
    statementOf(build.delete(table).where(someOf(table, isExpired, atOnce)));
  const firstDay = Math.floor(now / DAY_MS) - COUNTS_KEPT_DAYS;
  return [
    deleteSome(idempotencyKeys, lt(idempotencyKeys.createdAt, now - IDEMPOTENCY_KEPT_MS)),
    deleteSome(refreshTokens, lt(refreshTokens.expiresAt, now)),
    // A session of which some tokens are left would break their reference.
    deleteSome(
      sessions,
      and(
        lt(sessions.expiresAt, now),
        sql`NOT EXISTS (SELECT 1 FROM ${refreshTokens} t WHERE t.session_id = ${sessions.id})`,
      ),
    ),
    deleteSome(passwordResets, lt(passwordResets.expiresAt, now)),
    deleteSome(emailVerifications, lt(emailVerifications.expiresAt, now)),
    deleteSome(failedLogins, lt(failedLogins.day, firstDay)),
    deleteSome(bookingChanges, lt(bookingChanges.hour, Math.floor(now / HOUR_MS))),
    deleteSome(mailCounts, lt(mailCounts.day, firstDay)),
    ...(["SENT", "FAILED"] as const).map((status) =>
      deleteSome(notifications, and(hasStatus(status), isOlderThan(now - NOTIFICATION_KEPT_MS))),
    ),
  ];
}

/**
 * The statement that deletes the addresses of old notifications. Without an index of its own it reads a window of them,
 * so it runs once an hour: in the first minute.
 */
export function deleteOldRecipients(now: number, atOnce = ROWS_AT_ONCE): Statement[] {
  if (now % HOUR_MS >= 60_000) return [];
  const before = now - RECIPIENT_KEPT_MS;
  const isDue = and(
    hasStatus("SENT"),
    isOlderThan(before),
    gte(notifications.id, idAt(before - RECIPIENT_OUTAGE_MS)),
    isNotNull(notifications.recipient),
  );
  return [
    statementOf(
      build
        .update(notifications)
        .set({ recipient: null })
        .where(someOf(notifications, isDue, atOnce)),
    ),
  ];
}

/** Some rows of a table, along the index that finds them. */
const someOf = (table: SQLiteTable, condition: SQL | undefined, atOnce: number): SQL =>
  sql`rowid IN (SELECT rowid FROM ${table} WHERE ${condition} LIMIT ${atOnce})`;

const hasStatus = (status: "SENT" | "FAILED"): SQL => sql`${notifications.status} = ${status}`;

/** Ids are version 7 UUIDs, which begin with their time. So they find the rows, and `createdAt` confirms them. */
const isOlderThan = (at: number): SQL | undefined =>
  and(lt(notifications.id, idAt(at)), lt(notifications.createdAt, at));

/** The beginning of every version 7 UUID of an instant. */
const idAt = (at: number): string => at.toString(16).padStart(12, "0").replace(/^.{8}/, "$&-");
