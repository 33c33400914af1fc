/** Wire schemas of money, percentages and currencies. */
import { z } from "@hono/zod-openapi";
import { currencies, MAX_RATE, parseCents } from "../shared/money.ts";

const MESSAGE = "Must be an amount of at most ten digits with at most two decimals, not negative";

const toCents = (value: string | number, context: z.RefinementCtx): number => {
  const cents = parseCents(String(value));
  if (cents !== undefined) return cents;
  context.addIssue({ code: "custom", message: MESSAGE, params: { code: "invalid_amount" } });
  return z.NEVER;
};

/** An amount in a JSON body: a string, or a number with at most two decimals. Read as cents. */
export const moneyInput = z
  .union([z.string().max(20), z.number()])
  .transform(toCents)
  .openapi({ type: ["string", "number"], example: "25990.00" });

/** An amount in a query string. Read as cents. */
export const moneyQuery = z
  .string()
  .max(20)
  .transform(toCents)
  .openapi({ type: "string", example: "25990.00" });

/** A percentage from 0 to 100 in a JSON body: a string, or a number with at most two decimals. Read as hundredths. */
export const rateInput = z
  .union([z.string().max(20), z.number()])
  .transform((value, context): number => {
    const rate = parseCents(String(value));
    if (rate !== undefined && rate <= MAX_RATE) return rate;
    context.addIssue({
      code: "custom",
      message: "Must be a percentage from 0 to 100 with at most two decimals",
      params: { code: "invalid_rate" },
    });
    return z.NEVER;
  })
  .openapi({ type: ["string", "number"], example: "2.50" });

/** A percentage in an answer. */
export const rate = z.string().openapi({ example: "2.50" });

/** An amount in an answer. */
export const money = z.string().openapi({ example: "25990.00" });

/** A currency in a JSON body: its ISO 4217 code. */
export const currencyInput = z
  .string()
  .max(10)
  .refine((code) => currencies.has(code), {
    error: "Must be an ISO 4217 code, such as EUR",
    params: { code: "unknown_currency" },
  })
  .openapi({ type: "string", example: "EUR" });
