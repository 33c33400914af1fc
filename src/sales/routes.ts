/** /api/sales: selling cars, and taking a sale back. */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { uuidv7 } from "uuidv7";
import { askAs, callerOf, claimedBy, operation } from "../auth/access.ts";
import { calendarOf } from "../car-coordinator/car-coordinator.ts";
import type { Attached, Outcome } from "../car-coordinator/car-writer.ts";
import type { AppEnv, Caller } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { once, remembering } from "../http/idempotency.ts";
import { framePage, pageOf } from "../http/pagination.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { outboxStatement, outgoing } from "../outbox/outbox.ts";
import { parseInstant } from "../shared/showroom-time.ts";
import { commissionOn } from "./commission.ts";
import { newSale, saleSchema, salesQuery, voiding } from "./schemas.ts";
import {
  type Commission,
  findForVoid,
  findSale,
  listSales,
  partiesOf,
  recordSale,
  recordVoid,
  type Sale,
  saleBody,
} from "./store.ts";

const tags = ["Sales"];

/** The routes under /api/sales. */
export const saleRoutes = createRouter()
  .openapi(
    operation(
      "createSale",
      ["car_not_found", "car_not_sellable", "idempotency_key_reused", "duplicate_request", "busy"],
      {
        method: "post",
        path: "/",
        tags,
        summary: "Sell a car",
        description:
          "All or nothing: the car is SOLD, its future test drives are called off and their customers told, the commission is on the ledger, the buyer gets a confirmation. SALES credits itself only.",
        request: { body: jsonBody(newSale) },
        responses: { 201: jsonAnswer("The sale", saleSchema, "Location") },
      },
    ),
    async (c) => {
      const body = c.req.valid("json");
      return once(c, claimedBy(c).id, body, async (claim) => {
        const now = Date.now();
        const saleAt = readSaleTime(c, body.sale_datetime, now);
        const { car, seller } = await checkParties(c, body);
        const sale: Sale = {
          id: uuidv7(),
          carId: body.car,
          customerId: body.customer,
          salespersonId: seller.userId,
          salePriceCents: body.sale_price,
          currency: body.currency ?? car.currency,
          paymentMethod: body.payment_method,
          saleAt,
          contractNumber: body.contract_number ?? "",
          remarks: body.remarks ?? "",
          createdAt: now,
          voidedAt: null,
          voidReason: null,
          voidedBy: null,
        };
        const commission: Commission = {
          id: uuidv7(),
          saleId: sale.id,
          salespersonId: seller.userId,
          rate: seller.rate,
          amountCents: commissionOn(sale.salePriceCents, seller.rate),
          reverses: null,
          createdAt: now,
        };
        const notices = outgoing([
          {
            kind: "sale_confirmed",
            to: { userId: sale.customerId },
            saleId: sale.id,
            facts: {
              price: sale.salePriceCents,
              currency: sale.currency,
              contractNumber: sale.contractNumber,
            },
          },
        ]);
        const answer = saleBody(sale, [commission]);
        const location = `/api/sales/${sale.id}/`;
        const sold = await calendarOf(c.env, sale.carId).perform(
          { type: "set_status", from: ["AVAILABLE", "RESERVED"], to: "SOLD" },
          {
            alongside: [
              ...recordSale(sale, commission),
              outboxStatement(notices, now),
              ...remembering(claim, { status: 201, body: answer, location }, now),
            ],
            notificationIds: notices.map(({ id }) => id),
          } satisfies Attached,
        );
        settle(c, sold, "car_not_sellable");
        return c.json(answer, 201, { Location: location });
      });
    },
  )
  .openapi(
    operation("listSales", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "Sales, newest first",
      description: "SALES sees its own, ADMIN all. Void sales stay listed.",
      request: { query: salesQuery },
      responses: { 200: jsonAnswer("One page of them", pageOf(saleSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const [db, config] = [databaseOf(c), c.get("config")];
      const found = await listSales(db, query, ownOnly(callerOf(c)), config.showroom.timeZone);
      return c.json(framePage(c, query, found.count, found.sales), 200);
    },
  )
  .openapi(
    operation("getSale", ["not_found"], {
      method: "get",
      path: "/{id}/",
      tags,
      summary: "One sale",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The sale", saleSchema) },
    }),
    async (c) => {
      const sale = await findSale(databaseOf(c), c.req.valid("param").id, ownOnly(callerOf(c)));
      if (!sale) throw new Problem("not_found");
      return c.json(sale, 200);
    },
  )
  .openapi(
    operation(
      "voidSale",
      ["not_found", "already_void", "duplicate_request", "idempotency_key_reused", "busy"],
      {
        method: "post",
        path: "/{id}/void/",
        tags,
        summary: "Take a sale back",
        description:
          "The car is AVAILABLE again, a negative entry takes the commission back, and the sale stays on record as void.",
        request: { params: idParam, body: jsonBody(voiding) },
        responses: { 200: jsonAnswer("The sale, void", saleSchema) },
      },
    ),
    async (c) => {
      const { reason } = c.req.valid("json");
      const caller = callerOf(c);
      return once(c, caller.id, { reason }, async (claim) => {
        const db = databaseOf(c);
        const now = Date.now();
        const found = await findForVoid(db, c.req.valid("param").id);
        if (!found) throw new Problem("not_found");
        if (found.sale.voidedAt !== null) throw new Problem("already_void");
        const sale: Sale = { ...found.sale, voidedAt: now, voidReason: reason, voidedBy: caller.id };
        const reversal: Commission = {
          ...found.commission,
          id: uuidv7(),
          // Not -0, which is a number of its own.
          amountCents: 0 - found.commission.amountCents,
          reverses: found.commission.id,
          createdAt: now,
        };
        const answer = saleBody(sale, [found.commission, reversal]);
        const undone = await calendarOf(c.env, sale.carId).perform(
          { type: "set_status", from: ["SOLD"], to: "AVAILABLE" },
          {
            alongside: [
              ...recordVoid(db, sale, reversal),
              ...remembering(claim, { status: 200, body: answer }, now),
            ],
          } satisfies Attached,
        );
        settle(c, undone, "already_void");
        return c.json(answer, 200);
      });
    },
  );

/** When the sale took place. @throws when that is no instant, or still to come */
function readSaleTime(c: Context<AppEnv>, text: string | undefined, now: number): number {
  if (text === undefined) return now;
  const at = parseInstant(text, c.get("config").showroom.timeZone);
  if (at === undefined)
    throw fault("sale_datetime", "invalid_instant", "Must be an existing ISO 8601 date and time");
  if (at > now) throw fault("sale_datetime", "in_the_future", "Must not be in the future");
  return at;
}

/** The car, and the seller with their rate. @throws when car, buyer or seller cannot be part of a sale by this caller */
async function checkParties(c: Context<AppEnv>, body: z.infer<typeof newSale>) {
  const salesperson = body.salesperson ?? claimedBy(c).id;
  const [[car], [customer], [seller]] = await askAs(c, ...partiesOf({ ...body, salesperson }));
  const caller = callerOf(c);
  if (caller.role !== "ADMIN" && body.salesperson !== undefined && seller?.userId !== caller.id)
    throw new Problem("forbidden", "SALES credits itself only");
  if (!seller?.isActive) throw fault("salesperson", "not_active_staff", "Must be an active staff member");
  if (!customer) throw fault("customer", "unknown", "There is no such user");
  if (customer.role !== "CUSTOMER") throw fault("customer", "not_a_customer", "Staff cannot be the buyer");
  if (!car) throw new Problem("car_not_found");
  return { car, seller };
}

/** Whose sales the caller sees; undefined for all. */
const ownOnly = (caller: Caller): string | undefined => (caller.role === "ADMIN" ? undefined : caller.id);

const fault = (field: string, code: string, message: string): Problem => invalid([{ field, code, message }]);

/** Turns a refusal of the car's calendar into a problem. @param gone what it means that the car's status forbids this */
function settle(c: Context<AppEnv>, outcome: Outcome, gone: "car_not_sellable" | "already_void"): void {
  if (outcome.ok) {
    if (outcome.bookmark) c.header("X-D1-Bookmark", outcome.bookmark);
    return;
  }
  const { refusal } = outcome;
  switch (refusal.code) {
    case "illegal_status":
      throw new Problem(gone);
    case "rejected":
      switch (refusal.violation) {
        case "immutable":
          // Made void by somebody else, and the car sold again, since this request looked.
          throw new Problem("already_void");
        case "foreign_key":
          throw fault("customer", "unknown", "There is no such user");
        default:
          throw new Problem("unavailable");
      }
    case "car_not_found":
    case "duplicate_request":
    case "busy":
    case "unavailable":
      throw new Problem(refusal.code);
    default:
      throw new Error(`a sale was refused with ${refusal.code}`);
  }
}
