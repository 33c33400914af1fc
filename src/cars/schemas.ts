/** What goes over the wire under /api/cars. */
import { z } from "@hono/zod-openapi";
import { currencyInput, money, moneyInput, moneyQuery } from "../http/money.ts";
import { StreamedFile } from "../http/multipart.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, id, instant, line, prose, rule, wholeNumber } from "../http/validation.ts";
import {
  BODY_TYPES,
  CAR_LOCATIONS,
  CAR_STATUSES,
  DRIVE_TYPES,
  FUEL_TYPES,
  TRANSMISSIONS,
} from "../shared/enums.ts";

const MAX_MILEAGE = 10_000_000;
/** The maximum number of photos of a car. */
export const MAX_PHOTOS = 40;

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
      description: "The current price: the discount price if set, else the base price",
    }),
    currency: z.string().openapi({ example: "EUR" }),
    status: z.enum(CAR_STATUSES),
    showroom: id.openapi({ description: "Where it stands, and where its test drives begin" }),
    location: z.enum(CAR_LOCATIONS),
    description: z.string(),
    created_at: instant,
    updated_at: instant,
    photos: z.array(photoSchema),
  })
  .openapi("Car");

/** The orderings of a list of cars. A leading `-` reverses one. */
export const ORDERINGS = ["year", "mileage", "price", "base_price", "discount_price", "created_at"] as const;
const orderings = ORDERINGS.flatMap((key) => [key, `-${key}`] as const);

const year = wholeNumber(0, 9999).openapi({ type: "integer" });

const filters = {
  make: line(50).optional(),
  model: line(50).optional(),
  year: year.optional(),
  min_year: year.optional(),
  max_year: year.optional(),
  min_price: moneyQuery.optional(),
  max_price: moneyQuery.optional(),
  max_mileage: wholeNumber(0, MAX_MILEAGE).openapi({ type: "integer" }).optional(),
  fuel_type: z.enum(FUEL_TYPES).optional(),
  body_type: z.enum(BODY_TYPES).optional(),
  transmission: z.enum(TRANSMISSIONS).optional(),
  drive_type: z.enum(DRIVE_TYPES).optional(),
  status: z.enum(CAR_STATUSES).optional(),
  showroom: id.optional(),
  location: z.enum(CAR_LOCATIONS).optional(),
  // Nobody reads these words, so they may be pasted with whatever a longer text may have.
  search: prose(100).trim().optional().openapi({
    description:
      "Words that must all occur in the make, model, year, colour, types, VIN or description. Case and accents do not matter. The last word may be the beginning of a word.",
    example: "skoda oct",
  }),
};

/** Query of `GET /api/cars/`. */
export const carsQuery = closed({
  ...pageQuery,
  ...filters,
  ordering: z.enum(orderings).default("-created_at").openapi({ example: "price" }),
});

/** The filters, ordering and page of a list of cars. */
export type CarsQuery = z.infer<typeof carsQuery>;

/** Query of `GET /api/cars/facets/`. */
export const facetsQuery = closed(filters);

/** The filters of cars. Prices in cents. */
export type CarFilters = z.infer<typeof facetsQuery>;

const counted = <Value extends z.ZodType>(value: Value) => z.object({ value, count: z.int() });

/** Answer of `GET /api/cars/facets/`. */
export const facetsSchema = z
  .object({
    make: z.array(counted(z.string())),
    model: z.array(counted(z.string())),
    fuel_type: z.array(counted(z.enum(FUEL_TYPES))),
    body_type: z.array(counted(z.enum(BODY_TYPES))),
    transmission: z.array(counted(z.enum(TRANSMISSIONS))),
    drive_type: z.array(counted(z.enum(DRIVE_TYPES))),
    status: z.array(counted(z.enum(CAR_STATUSES))),
    year: z.array(counted(z.int())).openapi({ description: "Newest first" }),
    price: z
      .array(z.object({ min: money, max: money, count: z.int() }))
      .openapi({ description: "Ranges of `price` in rising order; ranges without cars are left out" }),
  })
  .openapi("CarFacets");

/** Whole numbers within the limits of the columns. */
const whole = (min: number, max: number) => z.int().min(min).max(max);

/** A VIN in capitals. With the standard's 17 characters it must consist of the standard's characters. */
export const vin = line(255)
  .min(1)
  .toUpperCase()
  .check(
    // Some letters become two in capitals.
    rule("too_big", "At most 32 characters, as capitals", (text) => text.length <= 32),
  )
  .check(
    rule(
      "invalid_vin",
      "A VIN of 17 characters may contain only digits and letters, and not I, O or Q",
      (text) => text.length !== 17 || /^[0-9A-HJ-NPR-Z]{17}$/.test(text),
    ),
  )
  .openapi({ type: "string", maxLength: 32, example: "WVWZZZ1KZAW000001" });

const modelYear = z
  .int()
  .min(1886)
  .check(
    rule(
      "too_far_ahead",
      "Must not be later than next year",
      (value) => value <= new Date().getUTCFullYear() + 1,
    ),
  )
  .openapi({ type: "integer", minimum: 1886, example: 2024 });

const ignored = z.unknown().optional().openapi({ readOnly: true });

/** Read-only members of a car: a client may send them back, and they are ignored. */
const readOnly = { id: ignored, price: ignored, created_at: ignored, updated_at: ignored, photos: ignored };

const described = {
  vin,
  make: line(50).min(1),
  model: line(50).min(1),
  year: modelYear,
  mileage: whole(0, MAX_MILEAGE),
  fuel_type: z.enum(FUEL_TYPES),
  transmission: z.enum(TRANSMISSIONS),
  color: line(30),
  body_type: z.enum(BODY_TYPES),
  engine_cc: whole(0, 100_000).nullable(),
  doors: whole(0, 20).nullable(),
  seats: whole(0, 200).nullable(),
  drive_type: z.enum(DRIVE_TYPES).nullable(),
  base_price: moneyInput,
  discount_price: moneyInput.nullable().openapi({ type: ["string", "number", "null"], example: "23990.00" }),
  currency: currencyInput,
  status: z.enum(CAR_STATUSES),
  showroom: id,
  location: z.enum(CAR_LOCATIONS),
  description: prose(10_000),
};

const discountFits = rule<{ base_price?: number | undefined; discount_price?: number | null | undefined }>(
  "above_base_price",
  "Must not exceed base_price",
  ({ base_price, discount_price }) =>
    base_price === undefined || discount_price === undefined || (discount_price ?? 0) <= base_price,
  "discount_price",
);

/** Body of `POST /` and `PUT /{id}/`. Omitted members are as in a new car, except that a PUT keeps the status. */
export const wholeCar = closed({
  ...readOnly,
  ...described,
  mileage: described.mileage.default(0),
  color: described.color.default(""),
  engine_cc: described.engine_cc.default(null),
  doors: described.doors.default(null),
  seats: described.seats.default(null),
  drive_type: described.drive_type.default(null),
  discount_price: described.discount_price.default(null),
  currency: described.currency.optional(),
  status: described.status.optional(),
  showroom: described.showroom.optional().openapi({
    description:
      "Without it, a new car stands in the oldest active showroom, and a PUT keeps where it stands",
  }),
  location: described.location.default("SHOWROOM"),
  description: described.description.default(""),
}).check(discountFits);

/** Body of `PATCH /api/cars/{id}/`. */
export const carChange = closed({ ...readOnly, ...z.object(described).partial().shape }).check(discountFits);

/** The input for a change of a car. Prices in cents. */
export type CarChange = z.infer<typeof carChange>;
/** The input for a new car. Prices in cents. */
export type WholeCar = z.infer<typeof wholeCar>;

const altText = line(255);

/** Body of `POST /api/cars/{id}/photos/`. */
export const newPhoto = closed({
  // Its bytes are not here: they are read as a stream. Typed clients send a file.
  file: (z.instanceof(StreamedFile) as unknown as z.ZodType<File>).openapi({
    type: "string",
    format: "binary",
  }),
  alt_text: altText.default(""),
  is_primary: z
    .enum(["true", "false"])
    .default("false")
    .transform((word) => word === "true"),
});

/** Body of `PATCH /api/cars/{id}/photos/{photo_id}/`. */
export const photoChange = closed({
  id: ignored,
  url: ignored,
  thumbnail_url: ignored,
  width: ignored,
  height: ignored,
  alt_text: altText.optional(),
  is_primary: z.boolean().optional(),
  sort_order: whole(0, 9999).optional(),
});

/** The input for a change of a photo. */
export type PhotoChange = z.infer<typeof photoChange>;

/** Body of `PUT /api/cars/{id}/photos/order/`. */
export const photoOrder = closed({ photos: z.array(id).max(MAX_PHOTOS) });

/** The `{id}` and `{photo_id}` of a path. */
export const photoParams = z.object({ id, photo_id: id });

/** The `{name}` of a photo's file. */
export const fileParam = z.object({ name: z.string().regex(/^[\w-]{1,64}\.(webp|png)$/) });

/** The header that makes a write depend on the caller's version. */
export const ifMatch = z.object({
  "if-match": z.string().optional().openapi({
    description: "The `ETag` of the car as the caller last read it; 412 when the car has changed since",
  }),
});
