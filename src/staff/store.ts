/** Staff members in the database. */
import type { z } from "@hono/zod-openapi";
import { and, asc, eq, gte, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { counted, listing } from "../db/listing.ts";
import { bookings, commissions, sales, staffProfiles, users } from "../db/schema.ts";
import {
  build,
  columnsOf,
  compile,
  insertInto,
  queryOf,
  type RowsOf,
  type Statement,
  statementOf,
} from "../db/statement.ts";
import type { VerifiedCaller } from "../shared/callers.ts";
import { STAFF_ROLES } from "../shared/enums.ts";
import { formatCents } from "../shared/money.ts";
import type { metricsSchema, StaffChange, staffSchema } from "./schemas.ts";

type Profile = typeof staffProfiles.$inferSelect;

const member = {
  ...columnsOf(staffProfiles),
  username: sql<string>`${users.username}`.as("username"),
  firstName: sql<string>`${users.firstName}`.as("firstName"),
  lastName: sql<string>`${users.lastName}`.as("lastName"),
  email: sql<string | null>`${users.email}`.as("email"),
  phone: sql<string>`${users.phone}`.as("phone"),
  role: sql<(typeof users.$inferSelect)["role"]>`${users.role}`.as("role"),
  isActive: sql<0 | 1>`${users.isActive}`.as("isActive"),
  salesCount: sql<number>`(
    SELECT count(*) FROM ${sales} WHERE ${sales.salespersonId} = ${staffProfiles.userId} AND ${sales.voidedAt} IS NULL
  )`.as("salesCount"),
};

const members = () =>
  build.select(member).from(staffProfiles).innerJoin(users, eq(users.id, staffProfiles.userId));

/** A staff member: the profile, the user, and the number of their open sales. */
export type Member = ReturnType<typeof members>["_"]["result"][number];

/** Whether a caller may see a staff member: ADMIN sees any, SALES only themselves. */
export const isVisible = (member: Member | undefined, caller: VerifiedCaller): member is Member =>
  member !== undefined && (caller.role === "ADMIN" || member.userId === caller.id);

/** A staff member in their wire form. */
export function staffBody(member: Member): z.infer<typeof staffSchema> {
  const role = STAFF_ROLES.find((known) => known === member.role);
  if (!role) throw new Error("the user of a staff profile has no staff role");
  return {
    id: member.id,
    user: member.userId,
    username: member.username,
    first_name: member.firstName,
    last_name: member.lastName,
    email: member.email,
    phone: member.phone,
    role,
    salary: formatCents(member.salaryCents),
    commission_rate: formatCents(member.commissionRate),
    hire_date: member.hireDate,
    total_sales_count: member.salesCount,
    is_active: member.isActive === 1,
  };
}

/** Lists the staff, longest employed first. */
export const staffList = listing({
  rows: () => members().$dynamic(),
  count: () => build.select(counted).from(staffProfiles).$dynamic(),
  conditions: {},
  orderBy: [asc(staffProfiles.createdAt), asc(staffProfiles.id)],
});

/** A staff member by the id of their profile or of their user. */
export const staffById = compile(
  members().where(
    or(eq(staffProfiles.id, sql.placeholder("id")), eq(staffProfiles.userId, sql.placeholder("id"))),
  ),
);

/** The statement that stores a new profile. */
export const insertProfile = (profile: Profile): Statement => insertInto(staffProfiles, profile);

/** The statements that change a staff member's terms, role and access. */
export const updateStaff = (
  { id, userId }: Pick<Profile, "id" | "userId">,
  change: StaffChange,
  now: number,
) =>
  [
    statementOf(
      build
        .update(users)
        .set({ role: change.role, isActive: change.is_active, updatedAt: now })
        .where(eq(users.id, userId)),
    ),
    statementOf(
      build
        .update(staffProfiles)
        .set({
          salaryCents: change.salary,
          commissionRate: change.commission_rate,
          hireDate: change.hire_date,
          updatedAt: now,
        })
        .where(eq(staffProfiles.id, id)),
    ),
  ] as const;

/** A span of time in milliseconds. The end is excluded. An open side is undefined. */
type Span = { from: number | undefined; to: number | undefined };

/**
 * The queries for the metrics of a staff member within a span. They always sum the sales and the ledger, so they cannot
 * differ from them. Each currency has its own sums.
 * @param id of the profile or of the user
 */
export function metricsQueries(id: string, { from, to }: Span) {
  const within = (at: Parameters<typeof gte>[0]): SQL | undefined =>
    and(from === undefined ? undefined : gte(at, from), to === undefined ? undefined : lt(at, to));
  const userId = build
    .select({ id: staffProfiles.userId })
    .from(staffProfiles)
    .where(or(eq(staffProfiles.id, id), eq(staffProfiles.userId, id)));
  const completed = (by: SQL | undefined) =>
    queryOf(
      build
        .select(counted)
        .from(bookings)
        .where(and(by, eq(bookings.status, sql`'COMPLETED'`), within(bookings.startAt))),
    );
  return [
    queryOf(
      build
        .select({
          currency: sql<string>`${sales.currency}`.as("currency"),
          ...counted,
          revenue: sql<number>`sum(${sales.salePriceCents})`.as("revenue"),
        })
        .from(sales)
        .where(and(eq(sales.salespersonId, userId), isNull(sales.voidedAt), within(sales.saleAt)))
        .groupBy(sales.currency),
    ),
    queryOf(
      build
        .select({
          currency: sql<string>`${sales.currency}`.as("currency"),
          amount: sql<number>`sum(${commissions.amountCents})`.as("amount"),
        })
        .from(commissions)
        .innerJoin(sales, eq(sales.id, commissions.saleId))
        .where(and(eq(commissions.salespersonId, userId), within(sales.saleAt)))
        .groupBy(sales.currency)
        // The entries of void sales add up to nothing.
        .having(sql`sum(${commissions.amountCents}) <> 0`),
    ),
    // Two counts, because one of both would go through the drives of everybody.
    completed(eq(bookings.salespersonId, userId)),
    completed(and(isNull(bookings.salespersonId), eq(bookings.handledBy, userId))),
  ] as const;
}

/**
 * The metrics in their wire form.
 * @param ownCurrency the currency of `total_revenue` and `total_commission`
 */
export function metricsBody(
  [sold, earned, [driven], [handled]]: RowsOf<ReturnType<typeof metricsQueries>>,
  ownCurrency: string,
): z.infer<typeof metricsSchema> {
  const totalOf = (currency: string) => {
    const { count = 0, revenue = 0 } = sold.find((sum) => sum.currency === currency) ?? {};
    const { amount = 0 } = earned.find((sum) => sum.currency === currency) ?? {};
    return {
      currency,
      sales_count: count,
      revenue: formatCents(revenue),
      commission: formatCents(amount),
    };
  };
  const currencies = new Set([...sold, ...earned].map(({ currency }) => currency));
  const own = totalOf(ownCurrency);
  return {
    total_sales_count: sold.reduce((sum, { count }) => sum + count, 0),
    total_revenue: own.revenue,
    total_commission: own.commission,
    totals: [...currencies].sort().map(totalOf),
    // Who drove along counts; without a salesperson, who completed it.
    test_drives_completed: (driven?.count ?? 0) + (handled?.count ?? 0),
  };
}
