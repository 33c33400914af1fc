/** The people who work for the dealership, in the database. */

import type { z } from "@hono/zod-openapi";
import { and, asc, count, eq, gte, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { bookings, commissions, sales, sessions, staffProfiles, users } from "../db/schema.ts";
import { violationOf } from "../db/violations.ts";
import { type Page, window } from "../http/pagination.ts";
import { STAFF_ROLES } from "../shared/enums.ts";
import { formatCents } from "../shared/money.ts";
import type { metricsSchema, staffChange, staffSchema } from "./schemas.ts";

/** A profile's row. */
export type Profile = typeof staffProfiles.$inferSelect;

const member = {
  profile: staffProfiles,
  username: users.username,
  firstName: users.firstName,
  lastName: users.lastName,
  email: users.email,
  phone: users.phone,
  role: users.role,
  isActive: users.isActive,
  salesCount: sql<number>`(
    SELECT count(*) FROM ${sales} WHERE ${sales.salespersonId} = ${staffProfiles.userId} AND ${sales.voidedAt} IS NULL
  )`.as("sales_count"),
};

type Member = {
  profile: Profile;
  username: string;
  firstName: string;
  lastName: string;
  email: string | null;
  phone: string;
  role: (typeof users.$inferSelect)["role"];
  isActive: boolean;
  salesCount: number;
};

/** A staff member in their wire form. */
export function staffBody(member: Member): z.infer<typeof staffSchema> {
  const { profile } = member;
  const role = STAFF_ROLES.find((known) => known === member.role);
  if (!role) throw new Error("a staff profile belongs to a user who is no staff");
  return {
    id: profile.id,
    user: profile.userId,
    username: member.username,
    first_name: member.firstName,
    last_name: member.lastName,
    email: member.email,
    phone: member.phone,
    role,
    salary: formatCents(profile.salaryCents),
    commission_rate: formatCents(profile.commissionRate),
    hire_date: profile.hireDate,
    total_sales_count: member.salesCount,
    is_active: member.isActive,
  };
}

const members = (db: Database) =>
  db.select(member).from(staffProfiles).innerJoin(users, eq(users.id, staffProfiles.userId));

/** One page of the staff, longest here first. One round trip. */
export async function listStaff(db: Database, page: Page) {
  const { limit, offset } = window(page);
  const [rows, [total]] = await db.batch([
    members(db).orderBy(asc(staffProfiles.createdAt), asc(staffProfiles.id)).limit(limit).offset(offset),
    db.select({ count: count() }).from(staffProfiles),
  ]);
  return { count: total?.count ?? 0, staff: rows.map(staffBody) };
}

/** A staff member by the id of their profile or of their user, which is the one that they know themselves by. */
export const findStaff = (db: Database, id: string): Promise<Member | undefined> =>
  members(db)
    .where(or(eq(staffProfiles.id, id), eq(staffProfiles.userId, id)))
    .get();

/** Changes to a staff member. */
export type StaffChange = z.infer<typeof staffChange>;

/**
 * Changes a staff member; deactivating ends their sessions. `last_admin`: nobody would be left to let people in,
 * so nothing was changed.
 */
export async function changeStaff(
  db: Database,
  { id, userId }: Pick<Profile, "id" | "userId">,
  change: StaffChange,
  now: number,
): Promise<"changed" | "last_admin"> {
  try {
    await db.batch([
      db
        .update(users)
        .set({ role: change.role, isActive: change.is_active, updatedAt: now })
        .where(eq(users.id, userId)),
      db
        .update(staffProfiles)
        .set({
          salaryCents: change.salary,
          commissionRate: change.commission_rate,
          hireDate: change.hire_date,
          updatedAt: now,
        })
        .where(eq(staffProfiles.id, id)),
      ...(change.is_active === false
        ? [
            db
              .update(sessions)
              .set({ endedAt: now })
              .where(and(eq(sessions.userId, userId), isNull(sessions.endedAt))),
          ]
        : []),
    ]);
    return "changed";
  } catch (error) {
    if (violationOf(error) === "last_admin") return "last_admin";
    throw error;
  }
}

/** A span of time in milliseconds; the end is not part of it. An open end is undefined. */
export type Span = { from: number | undefined; to: number | undefined };

/**
 * What somebody has achieved within a span. Always summed from the sales and the ledger, never kept: it cannot
 * drift. One round trip.
 */
export async function metricsOf(
  db: Database,
  userId: string,
  span: Span,
): Promise<z.infer<typeof metricsSchema>> {
  const within = (at: Parameters<typeof gte>[0]): SQL | undefined =>
    and(
      span.from === undefined ? undefined : gte(at, span.from),
      span.to === undefined ? undefined : lt(at, span.to),
    );
  const [[sold], [earned], [driven]] = await db.batch([
    db
      .select({
        count: count(),
        revenue: sql<number>`coalesce(sum(${sales.salePriceCents}), 0)`.as("revenue"),
      })
      .from(sales)
      .where(and(eq(sales.salespersonId, userId), isNull(sales.voidedAt), within(sales.saleAt))),
    db
      .select({ amount: sql<number>`coalesce(sum(${commissions.amountCents}), 0)`.as("amount") })
      .from(commissions)
      .innerJoin(sales, eq(sales.id, commissions.saleId))
      .where(and(eq(commissions.salespersonId, userId), within(sales.saleAt))),
    db
      .select({ count: count() })
      .from(bookings)
      .where(and(eq(bookings.handledBy, userId), eq(bookings.status, "COMPLETED"), within(bookings.startAt))),
  ]);
  return {
    total_sales_count: sold?.count ?? 0,
    total_revenue: formatCents(sold?.revenue ?? 0),
    total_commission: formatCents(earned?.amount ?? 0),
    test_drives_completed: driven?.count ?? 0,
  };
}
