/** The use cases of notifications. */
import { and, desc, eq, isNull, lte, not, or, type SQL, sql } from "drizzle-orm";
import { commitAs, readAs } from "../auth/verification.ts";
import { counted, listing } from "../db/listing.ts";
import { bookings, notifications, users } from "../db/schema.ts";
import { build, columnsOf, compile, statementOf } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import { enqueue } from "../outbox/outbox.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import type { NotificationFilters } from "./schemas.ts";

/** Age at which a pending notification is late: several runs of the cron have not delivered it. */
const LATE_AFTER_MS = 5 * 60 * 1000;

const isLate = sql`(${eq(notifications.status, "PENDING")} AND ${lte(notifications.createdAt, sql.placeholder("before"))})`;
const { facts: _, ...shown } = columnsOf(notifications);

/** A notification as administrators see it, without its facts. */
export type Notification = Omit<typeof notifications.$inferSelect, "facts">;

// Ids rise with time.
/** Lists notifications, newest first. */
export const notificationList = listing({
  rows: () => build.select(shown).from(notifications).$dynamic(),
  count: () => build.select(counted).from(notifications).$dynamic(),
  conditions: {
    status: eq(notifications.status, sql.placeholder("status")),
    kind: eq(notifications.kind, sql.placeholder("kind")),
    // Those to its customer and those to the showroom, each along the index.
    booking: or(
      and(
        eq(notifications.bookingId, sql.placeholder("booking")),
        sql`${notifications.userId} = (SELECT customer_id FROM ${bookings} WHERE id = ${sql.placeholder("booking")})`,
      ),
      and(eq(notifications.bookingId, sql.placeholder("booking")), isNull(notifications.userId)),
    ) as SQL,
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
  deps: Deps,
  claimed: ClaimedCaller,
  { late, ...filters }: NotificationFilters,
  window: { limit: number; offset: number },
): Promise<Result<{ count: number; rows: Notification[] }>> {
  const [isLate, isNotLate] = [late === "true" || undefined, late === "false" || undefined];
  const matching = { ...filters, late: isLate, notLate: isNotLate, before: deps.now - LATE_AFTER_MS };
  const read = await readAs(deps, claimed, ...notificationList(matching, window));
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows });
}

/**
 * Makes a failed notification pending again, with all its attempts. It goes to the current address of its reader; one
 * about an address goes to that address.
 */
export async function replayNotification(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
): Promise<Result<Notification>> {
  const { now, env, requestId } = deps;
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
  const written = await commitAs(deps, claimed, "notification.replay", `notification:${id}`, [
    statementOf(replay),
    notificationById({ id }),
  ]);
  if (!written.ok) return written;
  const [, [row]] = written.value;
  if (!row) return refuse("not_found");
  if (row.status === "SENT") return refuse("already_sent");
  if (row.status === "FAILED") return refuse("recipient_deleted");
  deps.afterwards(enqueue(env.NOTIFICATIONS, [id], requestId));
  return ok(row);
}
