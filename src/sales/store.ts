/** Sales and commissions in the database: reading them, and the statements that a sale and its reversal are made of. */

import type { z } from "@hono/zod-openapi";
import { and, count, desc, eq, gte, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { query } from "../db/query.ts";
import { commissions, sales, staffProfiles } from "../db/schema.ts";
import { insertInto, type Statement, statementOf } from "../db/statement.ts";
import { window } from "../http/pagination.ts";
import { formatInstant } from "../http/validation.ts";
import type { Role } from "../shared/enums.ts";
import { formatCents } from "../shared/money.ts";
import { daySpan } from "../shared/showroom-time.ts";
import type { SalesQuery, saleSchema } from "./schemas.ts";

/** A sale's row. */
export type Sale = typeof sales.$inferSelect;
/** A ledger entry's row. */
export type Commission = typeof commissions.$inferSelect;

// The outer table is named by hand: Drizzle leaves it out of a query of one table, and "id" would be the entry's.
const saleWithCommissions = {
  sale: sales,
  commissions: sql<string>`(
    SELECT json_group_array(json_object(
      'id', c.id, 'saleId', c.sale_id, 'salespersonId', c.salesperson_id, 'rate', c.rate,
      'amountCents', c.amount_cents, 'createdAt', c.created_at) ORDER BY c.created_at, c.id)
    FROM ${commissions} c WHERE c.sale_id = sales.id)`.as("commissions"),
};

/** A sale and its ledger entries in their wire form. */
export function saleBody(
  sale: Sale,
  entries: readonly Omit<Commission, "reverses">[],
): z.infer<typeof saleSchema> {
  return {
    id: sale.id,
    car: sale.carId,
    customer: sale.customerId,
    salesperson: sale.salespersonId,
    sale_price: formatCents(sale.salePriceCents),
    currency: sale.currency,
    payment_method: sale.paymentMethod,
    sale_datetime: formatInstant(sale.saleAt),
    contract_number: sale.contractNumber,
    remarks: sale.remarks,
    created_at: formatInstant(sale.createdAt),
    voided_at: sale.voidedAt === null ? null : formatInstant(sale.voidedAt),
    void_reason: sale.voidReason,
    commissions: entries.map((entry) => ({
      id: entry.id,
      sale: entry.saleId,
      salesperson: entry.salespersonId,
      rate: formatCents(entry.rate),
      amount: formatCents(entry.amountCents),
      created_at: formatInstant(entry.createdAt),
    })),
  };
}

const rowBody = (row: { sale: Sale; commissions: string }) => saleBody(row.sale, JSON.parse(row.commissions));

/** One page of the sales that match, newest first. One round trip. @param only the one seller whose sales are seen */
export async function listSales(db: Database, query: SalesQuery, only: string | undefined, timeZone: string) {
  const span = daySpan(query.from, query.to, timeZone);
  const when = <T>(value: T | undefined, condition: (value: T) => SQL) =>
    value === undefined ? undefined : condition(value);
  const which = and(
    when(only, (seller) => eq(sales.salespersonId, seller)),
    when(query.salesperson, (seller) => inArray(sales.salespersonId, sellerIds(db, seller))),
    when(query.customer, (customer) => eq(sales.customerId, customer)),
    when(query.car, (car) => eq(sales.carId, car)),
    when(span.from, (from) => gte(sales.saleAt, from)),
    when(span.to, (to) => lt(sales.saleAt, to)),
  );
  const { limit, offset } = window(query);
  const [rows, [total]] = await db.batch([
    db
      .select(saleWithCommissions)
      .from(sales)
      .where(which)
      .orderBy(desc(sales.saleAt), desc(sales.id))
      .limit(limit)
      .offset(offset),
    db.select({ count: count() }).from(sales).where(which),
  ]);
  return { count: total?.count ?? 0, sales: rows.map(rowBody) };
}

/** A sale in its wire form. @param only the one seller whose sales are seen */
export async function findSale(db: Database, id: string, only: string | undefined) {
  const row = await db
    .select(saleWithCommissions)
    .from(sales)
    .where(and(eq(sales.id, id), only === undefined ? undefined : eq(sales.salespersonId, only)))
    .get();
  return row && rowBody(row);
}

/** User ids of the staff member with this user or profile id: one or none. */
const sellerIds = (db: Database, id: string) =>
  db
    .select({ id: staffProfiles.userId })
    .from(staffProfiles)
    .where(or(eq(staffProfiles.userId, id), eq(staffProfiles.id, id)));

/** The questions about everything a sale is checked against: the car's currency, the buyer, and the seller with their rate. */
export const partiesOf = (ids: { car: string; customer: string; salesperson: string }) =>
  [
    query<{ currency: string }>`SELECT currency FROM cars WHERE id = ${ids.car}`,
    query<{ role: Role }>`SELECT role FROM users WHERE id = ${ids.customer}`,
    query<{ userId: string; rate: number; isActive: 0 | 1 }>`
      SELECT user_id AS "userId", commission_rate AS rate, is_active AS "isActive"
      FROM staff_profiles JOIN users ON users.id = user_id
      WHERE user_id = ${ids.salesperson} OR staff_profiles.id = ${ids.salesperson}`,
  ] as const;

/** The statements that put a sale and its commission on record. */
export const recordSale = (sale: Sale, commission: Commission): Statement[] => [
  insertInto(sales, sale),
  insertInto(commissions, commission),
];

/** The open sale with this id and its commission, which a reversal takes back. */
export async function findForVoid(db: Database, id: string) {
  return db
    .select({ sale: sales, commission: commissions })
    .from(sales)
    .innerJoin(commissions, and(eq(commissions.saleId, sales.id), sql`${commissions.reverses} IS NULL`))
    .where(eq(sales.id, id))
    .get();
}

/** The statements that make a sale void: the sale marked, and an entry that takes the commission back. */
export const recordVoid = (db: Database, sale: Sale, reversal: Commission): Statement[] => [
  statementOf(
    db
      .update(sales)
      .set({ voidedAt: sale.voidedAt, voidReason: sale.voidReason, voidedBy: sale.voidedBy })
      .where(eq(sales.id, sale.id)),
  ),
  insertInto(commissions, reversal),
];
