/** Reading the stock. */

import type { z } from "@hono/zod-openapi";
import { and, asc, count, desc, eq, gte, lte, ne, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { carPhotos, cars } from "../db/schema.ts";
import { formatCents } from "../http/money.ts";
import { window } from "../http/pagination.ts";
import { foldCase } from "../http/text.ts";
import { formatInstant } from "../http/validation.ts";
import type { CarsQuery, carSchema, ORDERINGS, photoSchema } from "./schemas.ts";

type PhotoFacts = Pick<
  typeof carPhotos.$inferSelect,
  "id" | "key" | "thumbnailKey" | "altText" | "sortOrder" | "isPrimary" | "width" | "height"
>;

/** A car with its photos in order, fetched as one row. */
const carWithPhotos = {
  car: cars,
  photos: sql<string>`(
    SELECT json_group_array(json_object(
      'id', p.id, 'key', p.key, 'thumbnailKey', p.thumbnail_key, 'altText', p.alt_text, 'sortOrder', p.sort_order,
      'isPrimary', p.is_primary, 'width', p.width, 'height', p.height) ORDER BY p.sort_order, p.id)
    FROM ${carPhotos} p WHERE p.car_id = ${cars.id})`.as("photos"),
};

const ORDER_COLUMNS = {
  year: cars.year,
  mileage: cars.mileage,
  price: cars.priceCents,
  base_price: cars.basePriceCents,
  discount_price: cars.discountPriceCents,
  created_at: cars.createdAt,
} satisfies Record<(typeof ORDERINGS)[number], unknown>;

/** One page of the cars that match, and how many match in all. One round trip. */
export async function findCars(db: Database, query: CarsQuery, seesRemoved: boolean) {
  const which = conditions(query, seesRemoved);
  const { limit, offset } = window(query);
  const [rows, [total]] = await db.batch([
    db
      .select(carWithPhotos)
      .from(cars)
      .where(which)
      .orderBy(...order(query.ordering))
      .limit(limit)
      .offset(offset),
    db.select({ count: count() }).from(cars).where(which),
  ]);
  return { count: total?.count ?? 0, cars: rows.map(carBody) };
}

/** One car in its wire form; `undefined` when there is none, or it was removed and the caller may not see that. */
export async function findCar(db: Database, id: string, seesRemoved: boolean) {
  const row = await db
    .select(carWithPhotos)
    .from(cars)
    .where(and(eq(cars.id, id), seesRemoved ? undefined : ne(cars.status, "REMOVED")))
    .get();
  return row && carBody(row);
}

function conditions(query: CarsQuery, seesRemoved: boolean): SQL | undefined {
  const when = <T>(value: T | undefined, condition: (value: T) => SQL) =>
    value === undefined ? undefined : condition(value);
  return and(
    seesRemoved ? undefined : ne(cars.status, "REMOVED"),
    when(query.make, (make) => eq(cars.makeKey, foldCase(make))),
    when(query.model, (model) => eq(cars.modelKey, foldCase(model))),
    when(query.year, (year) => eq(cars.year, year)),
    when(query.min_year, (year) => gte(cars.year, year)),
    when(query.max_year, (year) => lte(cars.year, year)),
    when(query.min_price, (price) => gte(cars.priceCents, price)),
    when(query.max_price, (price) => lte(cars.priceCents, price)),
    when(query.max_mileage, (mileage) => lte(cars.mileage, mileage)),
    when(query.fuel_type, (fuel) => eq(cars.fuelType, fuel)),
    when(query.body_type, (body) => eq(cars.bodyType, body)),
    when(query.transmission, (transmission) => eq(cars.transmission, transmission)),
    when(query.drive_type, (drive) => eq(cars.driveType, drive)),
    when(query.status, (status) => eq(cars.status, status)),
    when(query.location, (location) => eq(cars.location, location)),
  );
}

/** The order asked for, made total by the id, in the same direction so that one index serves both. */
function order(ordering: CarsQuery["ordering"]): SQL[] {
  const direction = ordering.startsWith("-") ? desc : asc;
  const column = ORDER_COLUMNS[ordering.replace(/^-/, "") as (typeof ORDERINGS)[number]];
  return [direction(column), direction(cars.id)];
}

function carBody({
  car,
  photos,
}: {
  car: typeof cars.$inferSelect;
  photos: string;
}): z.infer<typeof carSchema> {
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
    photos: (JSON.parse(photos) as PhotoFacts[]).map(photoBody),
  };
}

const photoBody = (photo: PhotoFacts): z.infer<typeof photoSchema> => ({
  id: photo.id,
  url: `/photos/${photo.key}`,
  thumbnail_url: `/photos/${photo.thumbnailKey}`,
  alt_text: photo.altText,
  sort_order: photo.sortOrder,
  is_primary: Boolean(photo.isPrimary),
  width: photo.width,
  height: photo.height,
});
