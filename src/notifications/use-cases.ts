/** The use cases of notifications. */
import { and, desc, eq, lte, not, sql } from "drizzle-orm";
import { counted, listing } from "../db/listing.ts";
import { notifications, users } from "../db/schema.ts";
import { build, columnsOf, compile, statementOf } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { enqueue } from "../outbox/outbox.ts";
import type { VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import type { NotificationFilters } from "./schemas.ts";

/** Age at which a pending notification is late: several runs of the cron have not delivered it. */
const LATE_AFTER_MS = 5 * 60 * 1000;

const isLate = sql`(${eq(notifications.status, "PENDING")} AND ${lte(notifications.createdAt, sql.placeholder("before"))})`;
const { facts: _, ...shown } = columnsOf(notifications);

/** A notification as administrators see it, without its facts. */
export type Notification = Omit<typeof notifications.$inferSelect, "facts">;

// Ids rise with time.
const notificationList = listing({
  rows: () => build.select(shown).from(notifications).$dynamic(),
  count: () => build.select(counted).from(notifications).$dynamic(),
  conditions: {
    status: eq(notifications.status, sql.placeholder("status")),
    kind: eq(notifications.kind, sql.placeholder("kind")),
    booking: eq(notifications.bookingId, sql.placeholder("booking")),
    sale: eq(notifications.saleId, sql.placeholder("sale")),
    late: isLate,
    notLate: not(isLate),
  },
  orderBy: [desc(notifications.id)],
});
const notificationById = compile(
  build
    .select(shown)
    .from(notifications)
    .where(eq(notifications.id, sql.placeholder("id"))),
);

/** The matching notifications, newest first. One round trip. */
export async function listNotifications(
  { db, now }: Deps,
  _caller: VerifiedCaller,
  { late, ...filters }: NotificationFilters,
  window: { limit: number; offset: number },
): Promise<{ count: number; rows: Notification[] }> {
  const [isLate, isNotLate] = [late === "true" || undefined, late === "false" || undefined];
  const matching = { ...filters, late: isLate, notLate: isNotLate, before: now - LATE_AFTER_MS };
  const [rows, [total]] = await db.ask(...notificationList(matching, window));
  return { count: total?.count ?? 0, rows };
}

/**
 * Makes a failed notification pending again, with all its attempts. It goes to the current address of its reader; one
 * about an address goes to that address.
 */
export async function replayNotification(
  { db, now, env, requestId }: Deps,
  caller: VerifiedCaller,
  id: string,
): Promise<Result<Notification>> {
  const present = build.select({ email: users.email }).from(users).where(eq(users.id, notifications.userId));
  const recipient = sql`iif(${notifications.kind} IN ('email_verification', 'email_changed'),
    ${notifications.recipient}, coalesce((${present}), ${notifications.recipient}))`;
  const replay = build
    .update(notifications)
    .set({
      status: "PENDING",
      attempts: 0,
      nextAttemptAt: now,
      recipient,
    })
    .where(and(eq(notifications.id, id), eq(notifications.status, "FAILED"), sql`${recipient} IS NOT NULL`));
  let row: Notification | undefined;
  try {
    [, [row]] = await db.commit(caller, "notification.replay", `notification:${id}`, [
      statementOf(replay),
      notificationById({ id }),
    ] as const);
  } catch (error) {
    if (violationOf(error) === "not_signed_in") return refuse("invalid_token");
    throw error;
  }
  if (!row) return refuse("not_found");
  if (row.status === "SENT") return refuse("already_sent");
  if (row.status === "FAILED") return refuse("recipient_deleted");
  await enqueue(env.NOTIFICATIONS, [id], requestId);
  return ok(row);
}
