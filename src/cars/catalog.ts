/** Reading the stock. */

import type { z } from "@hono/zod-openapi";
import { and, asc, desc, eq, gt, type SQL, sql } from "drizzle-orm";
import type { AnySQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Context } from "hono";
import { columnsOf, type Database } from "../db/client.ts";
import { carCounts, type carPhotos, cars } from "../db/schema.ts";
import { formatCents } from "../http/money.ts";
import { window } from "../http/pagination.ts";
import { formatInstant } from "../http/validation.ts";
import { conditions, countedStatus, countOf, isWholeStock } from "./filters.ts";
import type { CarsQuery, carSchema, ORDERINGS, photoSchema } from "./schemas.ts";

/** What the wire form of a photo is made of. */
export type PhotoFacts = Pick<
  typeof carPhotos.$inferSelect,
  "id" | "key" | "thumbnailKey" | "altText" | "sortOrder" | "isPrimary" | "width" | "height"
>;

/** A car with its photos in order as JSON: a row of `CAR_WITH_PHOTOS`. */
type CarRow = typeof cars.$inferSelect & { photos: string };

const CAR_WITH_PHOTOS = sql`${columnsOf(cars, "cars")}, (
  SELECT json_group_array(json_object(
    'id', p.id, 'key', p.key, 'thumbnailKey', p.thumbnail_key, 'altText', p.alt_text, 'sortOrder', p.sort_order,
    'isPrimary', p.is_primary, 'width', p.width, 'height', p.height) ORDER BY p.sort_order, p.id)
  FROM car_photos p WHERE p.car_id = cars.id) AS photos`;

type Order = {
  by: AnySQLiteColumn;
  /** The rows of `car_counts` that count the stock in steps along this order, and how wide a step is. */
  steps: { facet: string; width: number };
};

// The facets and widths are those of the view car_count_keys in migrations/.
const ORDERS: Record<(typeof ORDERINGS)[number], Order> = {
  year: { by: cars.year, steps: { facet: "year", width: 1 } },
  mileage: { by: cars.mileage, steps: { facet: "mileage_step", width: 1000 } },
  price: { by: cars.priceCents, steps: { facet: "price_step", width: 50_000 } },
  base_price: { by: cars.basePriceCents, steps: { facet: "base_price_step", width: 50_000 } },
  discount_price: { by: cars.discountRank, steps: { facet: "discount_price_step", width: 50_000 } },
  created_at: { by: cars.createdAt, steps: { facet: "created_at_step", width: 86_400_000 } },
};

/** One page of the cars that match, and how many match in all. One round trip. */
export async function findCars(db: Database, query: CarsQuery, seesRemoved: boolean, origin: string) {
  const { page, page_size, ordering, ...filters } = query;
  const descending = ordering.startsWith("-");
  const order = ORDERS[ordering.replace(/^-/, "") as (typeof ORDERINGS)[number]];
  // Total, and in one direction, so that one index serves it.
  const direction = descending ? desc : asc;
  const orderBy = [direction(order.by), direction(cars.id)];
  const { limit, offset } = window({ page, page_size });
  const which = conditions(filters, seesRemoved);
  const start =
    offset > 0 && isWholeStock(filters)
      ? startOfPage(order, descending, offset, countedStatus(filters, seesRemoved))
      : { as: sql``, which: undefined, offset: sql`${offset}` };
  const count = countOf(filters, seesRemoved);
  // Where the count is known, nothing is looked for past the last match.
  const rest = count.isKept ? sql`min(${limit}, max(0, (${count.query}) - ${offset}))` : sql`${limit}`;
  // The page is found in an index; only its own rows are fetched.
  const ids = sql`(${start.as} SELECT ${cars.id} FROM ${cars} WHERE ${and(which, start.which) ?? sql`TRUE`}
    ORDER BY ${sql.join(orderBy, sql`, `)} LIMIT ${rest} OFFSET ${start.offset}) AS page`;
  const [rows, [total]] = await db.ask(
    sql<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM ${ids} CROSS JOIN cars WHERE page.id = cars.id
        ORDER BY ${sql.join(orderBy, sql`, `)}`,
    count.query,
  );
  return { count: total?.count ?? 0, cars: rows.map((row) => carBody(row, origin)) };
}

/**
 * Where a page far down the whole stock begins: the last step of the order that starts at or before it, and how many
 * rows of that step come before the page. So only a step is walked, not all the rows before the page.
 */
function startOfPage({ by, steps }: Order, descending: boolean, offset: number, status: SQL | undefined) {
  const counted = and(eq(carCounts.facet, steps.facet), gt(carCounts.n, 0), status);
  const [first, passed] = [sql`(SELECT value FROM start)`, sql`(SELECT passed FROM start)`];
  return {
    as: sql`WITH start AS MATERIALIZED (
      SELECT value, passed FROM (
        SELECT value, sum(sum(n)) OVER (ORDER BY value ${sql.raw(descending ? "DESC" : "ASC")}) - sum(n) AS passed
        FROM ${carCounts} WHERE ${counted} GROUP BY value)
      WHERE passed <= ${offset} ORDER BY passed DESC LIMIT 1)`,
    which: descending
      ? sql`${by} < (${first} + 1) * ${steps.width}`
      : sql`${by} >= ${first} * ${steps.width}`,
    offset: sql`${offset} - ${passed}`,
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
  const [[row]] = await db.ask(sql<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM cars WHERE id = ${id}`);
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
export const originOf = (c: Context): string => new URL(c.req.url).origin;
