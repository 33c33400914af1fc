/** Reading the stock. */

import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Database } from "../db/client.ts";
import { all, columnsOf, type Query, query, raw } from "../db/query.ts";
import { type carPhotos, cars } from "../db/schema.ts";
import { window } from "../http/pagination.ts";
import { partsOf } from "../http/url.ts";
import { formatInstant } from "../http/validation.ts";
import { formatCents } from "../shared/money.ts";
import type { CarsQuery, carSchema, ORDERINGS, photoSchema } from "./schemas.ts";
import { conditions, countedStatus, countOf, isWholeStock } from "./search/filters.ts";

/** What the wire form of a photo is made of. */
export type PhotoFacts = Pick<
  typeof carPhotos.$inferSelect,
  "id" | "key" | "thumbnailKey" | "altText" | "sortOrder" | "isPrimary" | "width" | "height"
>;

/** A car with its photos in order as JSON: a row of `CAR_WITH_PHOTOS`. */
type CarRow = typeof cars.$inferSelect & { photos: string };

const CAR_WITH_PHOTOS = query`${columnsOf(cars, "cars")}, (
  SELECT json_group_array(json_object(
    'id', p.id, 'key', p.key, 'thumbnailKey', p.thumbnail_key, 'altText', p.alt_text, 'sortOrder', p.sort_order,
    'isPrimary', p.is_primary, 'width', p.width, 'height', p.height) ORDER BY p.sort_order, p.id)
  FROM car_photos p WHERE p.car_id = cars.id) AS photos`;

type Order = {
  /** The column. */
  by: string;
  /** The rows of `car_counts` that count the stock in steps along this order, and how wide a step is. */
  steps: { facet: string; width: number };
};

// The facets and widths are those of the view car_count_keys in migrations/.
const ORDERS: Record<(typeof ORDERINGS)[number], Order> = {
  year: { by: "year", steps: { facet: "year", width: 1 } },
  mileage: { by: "mileage", steps: { facet: "mileage_step", width: 1000 } },
  price: { by: "price_cents", steps: { facet: "price_step", width: 50_000 } },
  base_price: { by: "base_price_cents", steps: { facet: "base_price_step", width: 50_000 } },
  discount_price: { by: "discount_rank", steps: { facet: "discount_price_step", width: 50_000 } },
  created_at: { by: "created_at", steps: { facet: "created_at_step", width: 86_400_000 } },
};

/** One page of the cars that match, and how many match in all. One round trip. */
export async function findCars(db: Database, asked: CarsQuery, seesRemoved: boolean, origin: string) {
  const { page, page_size, ordering, ...filters } = asked;
  const order = ORDERS[ordering.replace(/^-/, "") as (typeof ORDERINGS)[number]];
  const direction = ordering.startsWith("-") ? "DESC" : "ASC";
  // Total, and in one direction, so that one index serves it.
  const orderBy = raw(`cars.${order.by} ${direction}, cars.id ${direction}`);
  const { limit, offset } = window({ page, page_size });
  const which = conditions(filters, seesRemoved);
  const start =
    offset > 0 && isWholeStock(filters)
      ? startOfPage(order, direction, offset, countedStatus(filters, seesRemoved))
      : { as: raw(""), which: undefined, offset };
  const count = countOf(filters, seesRemoved);
  // Where the count is known, nothing is looked for past the last match.
  const rest = count.isKept ? query`min(${limit}, max(0, (${count.query}) - ${offset}))` : limit;
  // The page is found in an index; only its own rows are fetched.
  const ids = query`(${start.as} SELECT cars.id FROM cars WHERE ${all(which, start.which)}
    ORDER BY ${orderBy} LIMIT ${rest} OFFSET ${start.offset}) AS page`;
  const [rows, [total]] = await db.ask(
    query<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM ${ids} CROSS JOIN cars WHERE page.id = cars.id ORDER BY ${orderBy}`,
    count.query,
  );
  return { count: total?.count ?? 0, cars: rows.map((row) => carBody(row, origin)) };
}

/**
 * Where a page far down the whole stock begins: the last step of the order that starts at or before it, and how many
 * rows of that step come before the page. So only a step is walked, not all the rows before the page.
 */
function startOfPage({ by, steps }: Order, direction: "ASC" | "DESC", offset: number, status: Query) {
  const [column, width] = [raw(`cars.${by}`), raw(String(steps.width))];
  return {
    as: query`WITH start AS MATERIALIZED (
      SELECT value, passed FROM (
        SELECT value, sum(sum(n)) OVER (ORDER BY value ${raw(direction)}) - sum(n) AS passed
        FROM car_counts WHERE ${all(query`facet = ${steps.facet}`, raw("n > 0"), status)} GROUP BY value)
      WHERE passed <= ${offset} ORDER BY passed DESC LIMIT 1)`,
    which:
      direction === "DESC"
        ? query`${column} < ((SELECT value FROM start) + 1) * ${width}`
        : query`${column} >= (SELECT value FROM start) * ${width}`,
    offset: query`${offset} - (SELECT passed FROM start)`,
  };
}

/** One car in its wire form and its version; `undefined` when there is none, or it was removed and the caller may not see that. */
export async function findCar(db: Database, id: string, seesRemoved: boolean, origin: string) {
  const row = await carById(db, id);
  const isSeen = row && (seesRemoved || row.status !== "REMOVED");
  return isSeen ? { body: carBody(row, origin), version: row.version } : undefined;
}

/** One car with its photos. */
export async function carById(db: Database, id: string): Promise<CarRow | undefined> {
  const [[row]] = await db.ask(query<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM cars WHERE id = ${id}`);
  return row;
}

/** The wire form of a car; `origin` is where its photos are served. */
export function carBody(car: CarRow, origin: string): z.infer<typeof carSchema> {
  return {
    id: car.id,
    vin: car.vin,
    make: car.make,
    model: car.model,
    year: car.year,
    mileage: car.mileage,
    fuel_type: car.fuelType,
    transmission: car.transmission,
    color: car.color,
    body_type: car.bodyType,
    engine_cc: car.engineCc,
    doors: car.doors,
    seats: car.seats,
    drive_type: car.driveType,
    base_price: formatCents(car.basePriceCents),
    discount_price: car.discountPriceCents === null ? null : formatCents(car.discountPriceCents),
    price: formatCents(car.priceCents),
    currency: car.currency,
    status: car.status,
    location: car.location,
    description: car.description,
    created_at: formatInstant(car.createdAt),
    updated_at: formatInstant(car.updatedAt),
    photos: (JSON.parse(car.photos) as PhotoFacts[]).map((photo) => photoBody(photo, origin)),
  };
}

/** The wire form of a photo; `origin` is where it is served. */
export const photoBody = (photo: PhotoFacts, origin: string): z.infer<typeof photoSchema> => ({
  id: photo.id,
  url: `${origin}/photos/${photo.key}`,
  thumbnail_url: `${origin}/photos/${photo.thumbnailKey}`,
  alt_text: photo.altText,
  sort_order: photo.sortOrder,
  is_primary: Boolean(photo.isPrimary),
  width: photo.width,
  height: photo.height,
});

/** Where the caller reached us, without a slash at the end. */
export const originOf = (c: Context): string => partsOf(c.req.url).origin;
