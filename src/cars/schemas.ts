/** What goes over the wire under /api/cars. */
import { z } from "@hono/zod-openapi";
import { money, moneyQuery } from "../http/money.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, id, instant, line, wholeNumber } from "../http/validation.ts";
import {
  BODY_TYPES,
  CAR_LOCATIONS,
  CAR_STATUSES,
  DRIVE_TYPES,
  FUEL_TYPES,
  TRANSMISSIONS,
} from "../vocabulary.ts";

/** A photo of a car. */
export const photoSchema = z
  .object({
    id,
    url: z.string(),
    thumbnail_url: z.string(),
    alt_text: z.string(),
    sort_order: z.int(),
    is_primary: z.boolean(),
    width: z.int(),
    height: z.int(),
  })
  .openapi("Photo");

/** A car. */
export const carSchema = z
  .object({
    id,
    vin: z.string().openapi({ example: "WVWZZZ1KZAW000001" }),
    make: z.string().openapi({ example: "Volkswagen" }),
    model: z.string().openapi({ example: "Golf" }),
    year: z.int(),
    mileage: z.int(),
    fuel_type: z.enum(FUEL_TYPES),
    transmission: z.enum(TRANSMISSIONS),
    color: z.string(),
    body_type: z.enum(BODY_TYPES),
    engine_cc: z.int().nullable(),
    doors: z.int().nullable(),
    seats: z.int().nullable(),
    drive_type: z.enum(DRIVE_TYPES).nullable(),
    base_price: money,
    discount_price: money.nullable(),
    price: money.openapi({
      description: "What the car costs now: the discount price if set, else the base price",
    }),
    currency: z.string().openapi({ example: "EUR" }),
    status: z.enum(CAR_STATUSES),
    location: z.enum(CAR_LOCATIONS),
    description: z.string(),
    created_at: instant,
    updated_at: instant,
    photos: z.array(photoSchema),
  })
  .openapi("Car");

/** What a list of cars may be ordered by; a leading `-` turns it round. */
export const ORDERINGS = ["year", "mileage", "price", "base_price", "discount_price", "created_at"] as const;
const orderings = ORDERINGS.flatMap((key) => [key, `-${key}`] as const);

const year = wholeNumber(0, 9999).openapi({ type: "integer" });

/** Query of `GET /api/cars/`. */
export const carsQuery = closed({
  ...pageQuery,
  make: line(50).optional(),
  model: line(50).optional(),
  year: year.optional(),
  min_year: year.optional(),
  max_year: year.optional(),
  min_price: moneyQuery.optional(),
  max_price: moneyQuery.optional(),
  max_mileage: wholeNumber(0, 10_000_000).openapi({ type: "integer" }).optional(),
  fuel_type: z.enum(FUEL_TYPES).optional(),
  body_type: z.enum(BODY_TYPES).optional(),
  transmission: z.enum(TRANSMISSIONS).optional(),
  drive_type: z.enum(DRIVE_TYPES).optional(),
  status: z.enum(CAR_STATUSES).optional(),
  location: z.enum(CAR_LOCATIONS).optional(),
  ordering: z.enum(orderings).default("-created_at").openapi({ example: "price" }),
});

/** The filters and ordering of a list of cars. */
export type CarsQuery = z.infer<typeof carsQuery>;
