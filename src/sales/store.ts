/** Sales and the commission ledger in the database: queries, and the statements that the coordinator commits. */
import type { z } from "@hono/zod-openapi";
import { and, desc, eq, gte, isNull, lt, sql } from "drizzle-orm";
import { salespersonIds } from "../auth/salespeople.ts";
import { counted, listing } from "../db/listing.ts";
import { cars, commissions, sales, users } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import type { Violation } from "../db/violations.ts";
import { formatCents } from "../shared/money.ts";
import type { Refusal } from "../shared/refusals.ts";
import { formatInstant } from "../shared/showroom-time.ts";
import type { saleSchema } from "./schemas.ts";

/** A sale's row. */
export type Sale = typeof sales.$inferSelect;
/** A ledger entry's row. */
export type Commission = typeof commissions.$inferSelect;

// The outer table is named by hand. Drizzle omits it in a query of one table, and "id" would be the entry's.
const saleWithCommissions = {
  ...columnsOf(sales),
  commissions: sql<string>`(
    SELECT json_group_array(json_object(
      'id', c.id, 'saleId', c.sale_id, 'salespersonId', c.salesperson_id, 'rate', c.rate,
      'amountCents', c.amount_cents, 'createdAt', c.created_at) ORDER BY c.created_at, c.id)
    FROM ${commissions} c WHERE c.sale_id = sales.id)`.as("commissions"),
};

/** The members of an entry in the JSON of the query above. */
type Entry = Pick<Commission, "id" | "saleId" | "salespersonId" | "rate" | "amountCents" | "createdAt">;

/** A sale and its ledger entries in their wire form. */
export function saleBody(sale: Sale, entries: readonly Entry[]): z.infer<typeof saleSchema> {
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

/** The wire form of a row of these queries. */
export const saleRowBody = (row: Sale & { commissions: string }) =>
  saleBody(row, JSON.parse(row.commissions) as Entry[]);

/** Lists sales, newest first. `only`: the only salesperson whose sales are visible. `to` is excluded. */
export const saleList = listing({
  rows: () => build.select(saleWithCommissions).from(sales).$dynamic(),
  count: () => build.select(counted).from(sales).$dynamic(),
  conditions: {
    only: eq(sales.salespersonId, sql.placeholder("only")),
    salesperson: sql`${sales.salespersonId} IN ${salespersonIds}`,
    customer: eq(sales.customerId, sql.placeholder("customer")),
    car: eq(sales.carId, sql.placeholder("car")),
    from: gte(sales.saleAt, sql.placeholder("from")),
    to: lt(sales.saleAt, sql.placeholder("to")),
  },
  orderBy: [desc(sales.saleAt), desc(sales.id)],
});

/** One sale with its ledger entries. */
export const saleById = compile(
  build
    .select(saleWithCommissions)
    .from(sales)
    .where(eq(sales.id, sql.placeholder("id"))),
);

/** The first ledger entry of a sale, which a void reverses. */
export const commissionOfSale = compile(
  build
    .select(columnsOf(commissions))
    .from(commissions)
    .where(and(eq(commissions.saleId, sql.placeholder("id")), isNull(commissions.reverses))),
);

/** The currency of the car, and since when it is in stock. */
export const carForSale = compile(
  build
    .select({ currency: cars.currency, createdAt: sql<number>`${cars.createdAt}`.as("createdAt") })
    .from(cars)
    .where(eq(cars.id, sql.placeholder("car"))),
);

/** The role of the buyer. None for a user whose data was erased. */
export const buyerById = compile(
  build
    .select({ role: users.role })
    .from(users)
    .where(and(eq(users.id, sql.placeholder("customer")), isNull(users.erasedAt))),
);

/** The statements that record a sale and its commission. */
export const recordSale = (sale: Sale, commission: Commission): Statement[] => [
  insertInto(sales, sale),
  insertInto(commissions, commission),
];

/** The statements that void a sale: they mark the sale, and add an entry that reverses the commission. */
export const recordVoid = (
  { id, voidedAt, voidReason, voidedBy }: Sale,
  reversal: Commission,
): Statement[] => [
  statementOf(build.update(sales).set({ voidedAt, voidReason, voidedBy }).where(eq(sales.id, id))),
  insertInto(commissions, reversal),
];

/** The statement that erases the free texts of a customer's sales. The rest of a sale stays on record. */
export const eraseSaleTexts = (customerId: string): Statement =>
  statementOf(
    build
      .update(sales)
      .set({ remarks: "", voidReason: sql`iif(${sales.voidReason} IS NULL, NULL, '')` })
      .where(eq(sales.customerId, customerId)),
  );

/** Maps a violation to a refusal of a sale or a void. `undefined` when neither should cause it. */
export function refusalOf(violation: Violation): Refusal | undefined {
  switch (violation) {
    case "immutable":
      // Another request voided the sale, and the car was sold again, after this one read it.
      return { code: "already_void" };
    case "not_the_cars_currency":
      // The currency of the car was changed after this request read it.
      return {
        code: "invalid_request",
        faults: [{ field: "currency", code: "not_the_cars", message: "Must be the car's currency" }],
      };
    case "foreign_key":
      return {
        code: "invalid_request",
        faults: [{ field: "customer", code: "unknown", message: "There is no such user" }],
      };
    default:
      return undefined;
  }
}
