/**
 * What a row of the seed must be like on its own to be one of ours. The rules are those of the API, so that nothing
 * comes in by this door that the front door refuses; blanks become what the API's defaults are.
 */
import { z } from "@hono/zod-openapi";
import { newUserShape } from "../../src/auth/schemas.ts";
import { vin } from "../../src/cars/schemas.ts";
import { currencyInput, moneyQuery, rateInput } from "../../src/http/money.ts";
import { line, prose, rule, wholeNumber } from "../../src/http/validation.ts";
import {
  BODY_TYPES,
  BOOKING_STATUSES,
  CAR_LOCATIONS,
  CAR_STATUSES,
  DRIVE_TYPES,
  FUEL_TYPES,
  PAYMENT_METHODS,
  ROLES,
  TRANSMISSIONS,
} from "../../src/shared/enums.ts";
import { isDate, parseInstant } from "../../src/shared/showroom-time.ts";

/** What stands for nothing: NULL, a missing column, and Django's empty text. */
const blankAs = <Schema extends z.ZodType, Fallback>(schema: Schema, fallback: Fallback) =>
  z
    .preprocess((value) => (value === null || value === "" ? undefined : value), schema.optional())
    .transform((value) => value ?? fallback);

/** A word of a closed set, in any case, with spaces or hyphens for underscores. */
const word = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z
    .string()
    .transform((text) =>
      text
        .trim()
        .toUpperCase()
        .replaceAll(/[\s-]+/g, "_"),
    )
    .pipe(z.enum(words));

const flag = (fallback: boolean) =>
  blankAs(z.enum(["t", "f"]), fallback ? "t" : "f").transform((sign) => sign === "t");

/** An instant as PostgreSQL writes it, `2026-03-02 10:15:00.123456+01`; one without an offset is showroom time. */
const instantIn = (timeZone: string) =>
  z.string().transform((text, context): number => {
    const iso = text
      .replace(" ", "T")
      .replace(/(\.\d{3})\d+/, "$1")
      .replace(/([+-]\d{2})$/, "$1:00");
    const at = parseInstant(iso, timeZone);
    if (at !== undefined) return at;
    context.addIssue({ code: "custom", message: `No moment that can be read: ${text.slice(0, 40)}` });
    return z.NEVER;
  });

/** The readers of each area. `now` in milliseconds. */
export function rowReaders({
  now,
  timeZone,
  defaultCurrency,
}: {
  now: number;
  timeZone: string;
  defaultCurrency: string;
}) {
  const instant = instantIn(timeZone);
  const created = blankAs(instant, now);
  const reference = z.string();
  return {
    users: z.object({
      username: newUserShape.username,
      password: z.string(),
      email: newUserShape.email.transform((address) => address ?? null),
      first_name: blankAs(line(150), ""),
      last_name: blankAs(line(150), ""),
      phone: blankAs(newUserShape.phone, ""),
      role: blankAs(word(ROLES), "CUSTOMER" as const),
      is_superuser: flag(false),
      is_active: flag(true),
      date_joined: created,
    }),
    staff: z.object({
      user: reference,
      salary: moneyQuery,
      commission_rate: rateInput,
      hire_date: blankAs(z.string().refine(isDate, "Must be an existing day"), undefined),
      is_active: flag(true),
    }),
    cars: z
      .object({
        vin,
        make: line(50).min(1),
        model: line(50).min(1),
        year: wholeNumber(1886, new Date(now).getUTCFullYear() + 1),
        mileage: blankAs(wholeNumber(0, 10_000_000), 0),
        fuel_type: word(FUEL_TYPES),
        transmission: word(TRANSMISSIONS),
        color: blankAs(line(30), ""),
        body_type: word(BODY_TYPES),
        engine_cc: blankAs(wholeNumber(0, 100_000), null),
        doors: blankAs(wholeNumber(0, 20), null),
        seats: blankAs(wholeNumber(0, 200), null),
        drive_type: blankAs(word(DRIVE_TYPES), null),
        base_price: moneyQuery,
        discount_price: blankAs(moneyQuery, null),
        currency: blankAs(currencyInput, defaultCurrency),
        status: word(CAR_STATUSES),
        location: blankAs(word(CAR_LOCATIONS), "SHOWROOM" as const),
        description: blankAs(prose(10_000), ""),
        created_at: created,
        updated_at: blankAs(instant, undefined),
      })
      .check(
        rule(
          "above_base_price",
          "Must not exceed base_price",
          ({ base_price, discount_price }) => (discount_price ?? 0) <= base_price,
          "discount_price",
        ),
      ),
    bookings: z.object({
      car: reference,
      customer: reference,
      start_at: instant,
      end_at: blankAs(instant, undefined),
      status: word(BOOKING_STATUSES),
      notes: blankAs(prose(2000), ""),
      created_at: created,
      updated_at: blankAs(instant, undefined),
    }),
    sales: z.object({
      car: reference,
      customer: reference,
      salesperson: reference,
      sale_price: moneyQuery.check(rule("not_positive", "Must be more than zero", (cents) => cents > 0)),
      // Nothing stands for the currency of the car.
      currency: blankAs(currencyInput, undefined),
      payment_method: word(PAYMENT_METHODS),
      sale_datetime: instant.check(rule("in_the_future", "Must not be in the future", (at) => at <= now)),
      contract_number: blankAs(line(50), ""),
      remarks: blankAs(prose(2000), ""),
      created_at: blankAs(instant, undefined),
    }),
    commissions: z.object({
      sale: reference,
      salesperson: reference,
      rate: rateInput,
      amount: moneyQuery,
      created_at: blankAs(instant, undefined),
    }),
  };
}
