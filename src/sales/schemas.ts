/** What goes over the wire under /api/sales. */
import { z } from "@hono/zod-openapi";
import { currencyInput, money, moneyInput, rate } from "../http/money.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, fromBeforeTo, id, instant, line, prose, rule } from "../http/validation.ts";
import { PAYMENT_METHODS } from "../shared/enums.ts";

/** An entry of the commission ledger. A void sale has a second entry that reverses the first. */
const commissionSchema = z
  .object({
    id,
    sale: id,
    salesperson: id,
    rate,
    amount: money.openapi({ example: "649.75" }),
    created_at: instant,
  })
  .openapi("Commission");

/** A sale. */
export const saleSchema = z
  .object({
    id,
    car: id,
    customer: id,
    salesperson: id,
    sale_price: money,
    currency: z.string(),
    payment_method: z.enum(PAYMENT_METHODS),
    sale_datetime: instant,
    contract_number: z.string(),
    remarks: z.string(),
    created_at: instant,
    voided_at: instant.nullable().openapi({ description: "When the sale was voided; null for an open sale" }),
    void_reason: z.string().nullable(),
    commissions: z.array(commissionSchema),
  })
  .openapi("Sale");

const someone = id.openapi({ description: "A staff member, by the id of their user or of their profile" });

/** Body of `POST /`. `parseInstant` reads `sale_datetime`, because it knows the showroom's zone. */
export const newSale = closed({
  car: id,
  customer: id,
  salesperson: someone.optional(),
  sale_price: moneyInput.check(rule("not_positive", "Must be more than zero", (cents: number) => cents > 0)),
  currency: currencyInput.optional().openapi({ description: "The car's currency; may be left out" }),
  payment_method: z.enum(PAYMENT_METHODS),
  sale_datetime: z.string().max(40).optional().openapi({
    description:
      "Default: now. It must not be in the future, nor before the car was in stock (`created_at`). Without an offset it is the showroom's local time.",
    example: "2026-12-01T15:30:00Z",
  }),
  contract_number: line(50).optional(),
  remarks: prose(2000).optional(),
}).openapi("NewSale");

/** Body of `POST /{id}/void/`. */
export const voiding = closed({ reason: line(500).min(1) }).openapi("Voiding");

/** Query of `GET /`. */
export const salesQuery = closed({
  ...pageQuery,
  salesperson: someone.optional(),
  customer: id.optional(),
  car: id.optional(),
  from: day.openapi({ description: "First day of the sale, showroom time" }).optional(),
  to: day.openapi({ description: "Last day of the sale, showroom time" }).optional(),
}).check(fromBeforeTo);

/** The input for a sale. Prices in cents. */
export type NewSale = z.infer<typeof newSale>;

/** The filters of a list of sales. */
export type SaleFilters = z.infer<typeof salesQuery>;

/** A sale in its wire form. */
export type SaleBody = z.infer<typeof saleSchema>;
