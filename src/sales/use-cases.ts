/** The use cases of sales. */
import { uuidv7 } from "uuidv7";
import { salespersonById } from "../auth/salespeople.ts";
import { readAs } from "../auth/verification.ts";
import { execute } from "../coordinator.ts";
import type { IdempotencyKey, StoredAnswer } from "../db/idempotency.ts";
import type { Deps } from "../deps.ts";
import type { Caller, ClaimedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { daySpan, parseInstant } from "../shared/showroom-time.ts";
import { commissionOn } from "./commission.ts";
import type { NewSale, SaleBody, SaleFilters } from "./schemas.ts";
import {
  buyerById,
  type Commission,
  carForSale,
  commissionOfSale,
  type Sale,
  saleBody,
  saleById,
  saleList,
  saleRowBody,
} from "./store.ts";

/** The path of a sale. */
export const salePath = (id: string): string => `/api/sales/${id}/`;

/**
 * Sells a car. One transaction records the sale and its commission, marks the car SOLD, cancels its future test drives
 * and writes the notifications. SALES can credit only themselves.
 */
export async function createSale(
  deps: Deps,
  claimed: ClaimedCaller,
  input: NewSale,
  key: IdempotencyKey | undefined,
): Promise<Result<SaleBody>> {
  const saleAt = readSaleTime(deps, input.sale_datetime);
  if (!saleAt.ok) return saleAt;
  const parties = await checkParties(deps, claimed, input);
  if (!parties.ok) return parties;
  const { caller, car, salesperson } = parties.value;
  if (saleAt.value < wholeSeconds(car.createdAt))
    return refuseField("sale_datetime", "before_stock", "Must not be before the car was in stock");
  const sale: Sale = {
    id: uuidv7(),
    carId: input.car,
    customerId: input.customer,
    salespersonId: salesperson.userId,
    salePriceCents: input.sale_price,
    currency: car.currency,
    paymentMethod: input.payment_method,
    saleAt: saleAt.value,
    contractNumber: input.contract_number ?? "",
    remarks: input.remarks ?? "",
    createdAt: deps.now,
    voidedAt: null,
    voidReason: null,
    voidedBy: null,
  };
  const commission: Commission = {
    id: uuidv7(),
    saleId: sale.id,
    salespersonId: salesperson.userId,
    rate: salesperson.rate,
    amountCents: commissionOn(sale.salePriceCents, salesperson.rate),
    reverses: null,
    createdAt: deps.now,
  };
  const body = saleBody(sale, [commission]);
  const answer: StoredAnswer = { status: 201, body, location: salePath(sale.id) };
  const command = { type: "sell", sale, commission } as const;
  const outcome = await execute(deps, sale.carId, caller, command, key && { key, answer });
  if (!outcome.ok) return outcome;
  return ok(body);
}

/** The matching sales, newest first: SALES sees only their own, ADMIN sees all. One round trip. */
export async function listSales(
  deps: Deps,
  claimed: ClaimedCaller,
  filters: SaleFilters,
  window: { limit: number; offset: number },
): Promise<Result<{ count: number; rows: SaleBody[] }>> {
  const span = daySpan(filters.from, filters.to, deps.config.showroom.timeZone);
  const readFor = (caller: Caller) =>
    readAs(deps, claimed, ...saleList({ ...filters, ...span, only: visibleOnly(caller) }, window));
  let read = await readFor(claimed);
  // The role has changed since the token was issued, and with it what the caller sees.
  if (read.ok && read.value.caller.role !== claimed.role) read = await readFor(read.value.caller);
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows: rows.map(saleRowBody) });
}

/** One sale. SALES does not find the sales of others. One round trip. */
export async function getSale(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<SaleBody>> {
  const read = await readAs(deps, claimed, saleById({ id }));
  if (!read.ok) return read;
  const [[row]] = read.value.rows;
  const only = visibleOnly(read.value.caller);
  const isVisible = row && (only === undefined || row.salespersonId === only);
  return isVisible ? ok(saleRowBody(row)) : refuse("not_found");
}

/** Voids a sale: the car becomes AVAILABLE again, and a negative ledger entry reverses the commission. */
export async function voidSale(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  reason: string,
  key: IdempotencyKey | undefined,
): Promise<Result<SaleBody>> {
  const read = await readAs(deps, claimed, saleById({ id }), commissionOfSale({ id }));
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[row], [commission]] = rows;
  if (!row || !commission) return refuse("not_found");
  if (row.voidedAt !== null) return refuse("already_void");
  const { commissions: _, ...recorded } = row;
  const sale: Sale = { ...recorded, voidedAt: deps.now, voidReason: reason, voidedBy: caller.id };
  const reversal: Commission = {
    ...commission,
    id: uuidv7(),
    // Not -0, which differs from 0 in comparisons.
    amountCents: 0 - commission.amountCents,
    reverses: commission.id,
    createdAt: deps.now,
  };
  const body = saleBody(sale, [commission, reversal]);
  const answer: StoredAnswer = { status: 200, body };
  const command = { type: "void_sale", sale, reversal } as const;
  const outcome = await execute(deps, sale.carId, caller, command, key && { key, answer });
  if (!outcome.ok) return outcome;
  return ok(body);
}

/** The time of the sale. Default: now. */
function readSaleTime({ config, now }: Deps, text: string | undefined): Result<number> {
  if (text === undefined) return ok(now);
  const at = parseInstant(text, config.showroom.timeZone);
  if (at === undefined)
    return refuseField("sale_datetime", "invalid_instant", "Must be an existing ISO 8601 date and time");
  if (at > now) return refuseField("sale_datetime", "in_the_future", "Must not be in the future");
  return ok(at);
}

/** An instant as clients see it. The first whole second of a car's time in stock may begin before the car did. */
const wholeSeconds = (at: number): number => at - (at % 1000);

/** Returns the car and the salesperson with their rate, when the caller may make this sale. */
async function checkParties(deps: Deps, claimed: ClaimedCaller, input: NewSale) {
  const read = await readAs(
    deps,
    claimed,
    carForSale({ car: input.car }),
    buyerById({ customer: input.customer }),
    salespersonById({ salesperson: input.salesperson ?? claimed.id }),
  );
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[car], [customer], [salesperson]] = rows;
  if (caller.role !== "ADMIN" && input.salesperson !== undefined && salesperson?.userId !== caller.id)
    return refuse("forbidden", { detail: "SALES can credit only themselves" });
  if (!salesperson?.isActive)
    return refuseField("salesperson", "not_active_staff", "Must be an active staff member");
  if (!customer) return refuseField("customer", "unknown", "There is no such user");
  if (customer.role !== "CUSTOMER")
    return refuseField("customer", "not_a_customer", "Staff cannot be the buyer");
  if (!car) return refuse("car_not_found");
  if (input.currency !== undefined && input.currency !== car.currency)
    return refuseField("currency", "not_the_cars", `Must be the car's currency, ${car.currency}`);
  return ok({ caller, car, salesperson });
}

/** The only salesperson whose sales the caller sees; undefined for all. */
const visibleOnly = (caller: Caller): string | undefined => (caller.role === "ADMIN" ? undefined : caller.id);
