/** Users as the dealership keeps them: closing an account, erasing personal data, exporting it, and deleting old rows. */
import type { z } from "@hono/zod-openapi";
import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { deleteCredentials, voidCredentials } from "../auth/credentials.ts";
import { type User, userBody } from "../auth/users.ts";
import { bookingBody } from "../bookings/schemas.ts";
import { cancelComing, eraseBookingTexts } from "../bookings/store.ts";
import { deleteAnswersAbout } from "../db/idempotency.ts";
import {
  absences,
  bookings,
  commissions,
  emailVerifications,
  notifications,
  passwordResets,
  sales,
  sessions,
  staffProfiles,
  users,
} from "../db/schema.ts";
import { build, columnsOf, compile, type Statement, statementOf } from "../db/statement.ts";
import { notificationBody } from "../notifications/schemas.ts";
import { type Closing, closingNotice, deleteUnsent, forgetSent } from "../outbox/closing.ts";
import { eraseSaleTexts, saleBody } from "../sales/store.ts";
import { formatCents } from "../shared/money.ts";
import { DAY_MS, formatInstant } from "../shared/showroom-time.ts";
import type { exportSchema, managedUserSchema } from "./schemas.ts";

/** A user in the form for administrators. */
export const managedUserBody = (user: User): z.infer<typeof managedUserSchema> => ({
  ...userBody(user),
  is_active: user.isActive === 1,
  created_at: formatInstant(user.createdAt),
});

/** The statement that lets a user in, or not, and returns the row: none for an unknown or an erased user. */
export const setActive = (id: string, isActive: boolean, now: number) =>
  statementOf(
    build
      .update(users)
      .set({ isActive, updatedAt: now })
      .where(and(eq(users.id, id), isNull(users.erasedAt)))
      .returning(columnsOf(users)),
  );

/** The reason of the cancellations by a closing, as `bookings.reason` keeps it. */
const reasonOf = ({ erased }: Closing): string =>
  erased ? "The account was erased" : "The account was deactivated";

/**
 * The statements that deactivate a user: the sales team gets one notification, the coming test drives are cancelled,
 * and the user is signed out and gets no mail. The first returns the notification, the second the user.
 * @param noticeId the id of the notification
 */
export const deactivate = (closing: Closing, noticeId: string, staffAddress: string) =>
  [
    closingNotice(noticeId, closing, staffAddress),
    setActive(closing.userId, false, closing.now),
    ...cancelComing(closing.userId, reasonOf(closing), closing.now),
    ...voidCredentials(closing.userId, closing.now),
    deleteUnsent(closing.userId),
  ] as const;

/** Not a hash, so that no password matches it. */
const NO_PASSWORD = "!";

/**
 * The statements that erase the personal data of a user. Bookings, sales and commissions stay, without free texts. The
 * first returns the notification to the sales team. The name that stays ends in an id, as only the service gives them, so
 * nobody can take it first.
 */
export const erase = (closing: Closing, noticeId: string, staffAddress: string) => {
  const { userId, now } = closing;
  const name = `erased-${userId}`;
  return [
    closingNotice(noticeId, closing, staffAddress),
    eraseBookingTexts(userId),
    ...cancelComing(userId, reasonOf(closing), now),
    eraseSaleTexts(userId),
    // Those of former staff. Their reasons may say what nobody needs to know any more.
    statementOf(build.delete(absences).where(eq(absences.userId, userId))),
    deleteUnsent(userId),
    forgetSent(userId),
    deleteAnswersAbout(userId),
    ...deleteCredentials(userId),
    statementOf(
      build
        .update(users)
        .set({
          username: name,
          usernameKey: name,
          email: null,
          emailKey: null,
          emailVerifiedAt: null,
          pendingEmail: null,
          passwordHash: NO_PASSWORD,
          firstName: "",
          lastName: "",
          phone: "",
          isActive: false,
          erasedAt: now,
          updatedAt: now,
        })
        .where(eq(users.id, userId)),
    ),
  ] as const;
};

/** How many rows of each list one page of an export has. */
export const EXPORT_PAGE = 500;

const page = { limit: sql.placeholder("limit"), offset: sql.placeholder("offset") };
const user = sql.placeholder("userId");

const sessionsOf = compile(
  build
    .select(columnsOf(sessions))
    .from(sessions)
    .where(eq(sessions.userId, user))
    .orderBy(desc(sessions.id))
    .limit(page.limit)
    .offset(page.offset),
);
const bookingsOf = compile(
  build
    .select(columnsOf(bookings))
    .from(bookings)
    .where(eq(bookings.customerId, user))
    .orderBy(desc(bookings.startAt), desc(bookings.id))
    .limit(page.limit)
    .offset(page.offset),
);
const purchasesOf = compile(
  build
    .select(columnsOf(sales))
    .from(sales)
    .where(eq(sales.customerId, user))
    .orderBy(desc(sales.id))
    .limit(page.limit)
    .offset(page.offset),
);
const notificationsOf = compile(
  build
    .select(columnsOf(notifications))
    .from(notifications)
    .where(eq(notifications.userId, user))
    .orderBy(desc(notifications.id))
    .limit(page.limit)
    .offset(page.offset),
);
const absencesOf = compile(
  build
    .select(columnsOf(absences))
    .from(absences)
    .where(eq(absences.userId, user))
    .orderBy(desc(absences.startAt), desc(absences.id))
    .limit(page.limit)
    .offset(page.offset),
);
const commissionsOf = compile(
  build
    .select(columnsOf(commissions))
    .from(commissions)
    .where(eq(commissions.salespersonId, user))
    .orderBy(desc(commissions.createdAt), desc(commissions.id))
    .limit(page.limit)
    .offset(page.offset),
);
const accountOf = compile(build.select(columnsOf(users)).from(users).where(eq(users.id, user)));
const employmentOf = compile(
  build.select(columnsOf(staffProfiles)).from(staffProfiles).where(eq(staffProfiles.userId, user)),
);

/** The queries of one page of an export. Each list has one row more than a page when there is another page. */
export function exportQueries(userId: string, number: number) {
  const values = { userId, limit: EXPORT_PAGE + 1, offset: (number - 1) * EXPORT_PAGE };
  return [
    accountOf(values),
    employmentOf(values),
    sessionsOf(values),
    bookingsOf(values),
    purchasesOf(values),
    notificationsOf(values),
    commissionsOf(values),
    absencesOf(values),
  ] as const;
}

type Rows = {
  account: User;
  employment: typeof staffProfiles.$inferSelect | undefined;
  sessions: readonly (typeof sessions.$inferSelect)[];
  bookings: readonly (typeof bookings.$inferSelect)[];
  purchases: readonly (typeof sales.$inferSelect)[];
  notifications: readonly (Omit<typeof notifications.$inferSelect, "facts"> & { facts: string })[];
  commissions: readonly (typeof commissions.$inferSelect)[];
  absences: readonly (typeof absences.$inferSelect)[];
};

/** One page of an export in its wire form. `next`: the URL of the next page. */
export function exportBody(rows: Rows, now: number, next: string | null): z.infer<typeof exportSchema> {
  const { account, employment } = rows;
  const [createdAt, updatedAt] = [formatInstant(account.createdAt), formatInstant(account.updatedAt)];
  return {
    exported_at: formatInstant(now),
    account: {
      ...userBody(account),
      email_verified_at: instantOrNull(account.emailVerifiedAt),
      created_at: createdAt,
      updated_at: updatedAt,
    },
    sessions: rows.sessions.map((session) => ({
      created_at: formatInstant(session.createdAt),
      expires_at: formatInstant(session.expiresAt),
      ended_at: instantOrNull(session.endedAt),
    })),
    bookings: rows.bookings.map((booking) => ({
      ...bookingBody(booking, now),
      updated_at: formatInstant(booking.updatedAt),
    })),
    purchases: rows.purchases.map((sale) => {
      const { commissions: _, ...body } = saleBody(sale, []);
      return body;
    }),
    notifications: rows.notifications.map((row) => {
      const { attempts: _, last_error: __, ...body } = notificationBody(row);
      return { ...body, facts: JSON.parse(row.facts) };
    }),
    employment: employment
      ? {
          id: employment.id,
          salary: formatCents(employment.salaryCents),
          commission_rate: formatCents(employment.commissionRate),
          hire_date: employment.hireDate,
          created_at: formatInstant(employment.createdAt),
          updated_at: formatInstant(employment.updatedAt),
        }
      : null,
    absences: rows.absences.map(({ id, startAt, endAt, reason, createdAt }) => ({
      id,
      from: formatInstant(startAt),
      to: formatInstant(endAt),
      reason,
      created_at: formatInstant(createdAt),
    })),
    commissions: rows.commissions.map((entry) => ({
      id: entry.id,
      sale: entry.saleId,
      rate: formatCents(entry.rate),
      amount: formatCents(entry.amountCents),
      created_at: formatInstant(entry.createdAt),
    })),
    next,
  };
}

const instantOrNull = (at: number | null): string | null => (at === null ? null : formatInstant(at));

/** How long an account is kept that was never verified nor used. */
const UNUSED_ACCOUNT_KEPT_MS = 30 * DAY_MS;
/** How many accounts one run of the cron deletes. */
const PRUNED_AT_ONCE = 100;

/**
 * The statements that delete accounts without a verified address that were never used: no booking, no purchase, no
 * session. A staff member's account is always kept. Each statement finds the same rows, because what the earlier ones
 * delete is no part of the condition.
 */
export function pruneUnusedAccounts(now: number): Statement[] {
  const unused = sql`(
    SELECT id FROM ${users} u
    WHERE u.email_verified_at IS NULL AND u.erased_at IS NULL AND u.created_at < ${now - UNUSED_ACCOUNT_KEPT_MS}
      AND u.role = 'CUSTOMER'
      AND NOT EXISTS (SELECT 1 FROM ${bookings} WHERE customer_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM ${sales} WHERE customer_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM ${sessions} WHERE user_id = u.id)
      AND NOT EXISTS (SELECT 1 FROM ${staffProfiles} WHERE user_id = u.id)
    ORDER BY u.created_at LIMIT ${PRUNED_AT_ONCE})`;
  return [
    statementOf(build.delete(notifications).where(sql`user_id IN ${unused}`)),
    statementOf(build.delete(passwordResets).where(sql`user_id IN ${unused}`)),
    statementOf(build.delete(emailVerifications).where(sql`user_id IN ${unused}`)),
    statementOf(build.delete(users).where(sql`id IN ${unused}`)),
  ];
}
