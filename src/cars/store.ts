/** Cars in the database, and their wire form. */
import type { z } from "@hono/zod-openapi";
import { eq, sql } from "drizzle-orm";
import type { Reader } from "../db/client.ts";
import { columnList, query } from "../db/query.ts";
import { type carPhotos, cars } from "../db/schema.ts";
import { build, compile } from "../db/statement.ts";
import { formatCents } from "../shared/money.ts";
import { formatInstant } from "../shared/showroom-time.ts";
import type { carSchema, photoSchema } from "./schemas.ts";

/** The columns for the wire form of a photo. */
export type PhotoFacts = Pick<
  typeof carPhotos.$inferSelect,
  "id" | "key" | "thumbnailKey" | "altText" | "sortOrder" | "width" | "height"
> & { isPrimary: 0 | 1 };

/** A row of `CAR_WITH_PHOTOS`: a car, and its photos in order as JSON. */
export type CarRow = typeof cars.$inferSelect & { photos: string };

/** The columns of a car with its photos. */
export const CAR_WITH_PHOTOS = query`${columnList(cars, "cars")}, (
  SELECT json_group_array(json_object(
    'id', p.id, 'key', p.key, 'thumbnailKey', p.thumbnail_key, 'altText', p.alt_text, 'sortOrder', p.sort_order,
    'isPrimary', p.is_primary, 'width', p.width, 'height', p.height) ORDER BY p.sort_order, p.id)
  FROM car_photos p WHERE p.car_id = cars.id) AS photos`;

/** The query for one car with its photos. */
export const carWithPhotos = (id: string) =>
  query<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM cars WHERE id = ${id}`;

/** One car with its photos. */
export async function carById(db: Reader, id: string): Promise<CarRow | undefined> {
  const [[row]] = await db.ask(carWithPhotos(id));
  return row;
}

/** The status and version of a car, and when it last changed. */
export const carStatus = compile(
  build
    .select({
      status: cars.status,
      version: cars.version,
      updatedAt: sql<number>`${cars.updatedAt}`.as("updatedAt"),
    })
    .from(cars)
    .where(eq(cars.id, sql.placeholder("carId"))),
);

/** The wire form of a car. The URLs of its photos begin with `origin`. */
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
    showroom: car.showroomId,
    location: car.location,
    description: car.description,
    created_at: formatInstant(car.createdAt),
    updated_at: formatInstant(car.updatedAt),
    photos: (JSON.parse(car.photos) as PhotoFacts[]).map((photo) => photoBody(photo, origin)),
  };
}

/** The wire form of a photo. Its URLs begin with `origin`. */
export const photoBody = (photo: PhotoFacts, origin: string): z.infer<typeof photoSchema> => ({
  id: photo.id,
  url: `${origin}/photos/${photo.key}`,
  thumbnail_url: `${origin}/photos/${photo.thumbnailKey}`,
  alt_text: photo.altText,
  sort_order: photo.sortOrder,
  is_primary: photo.isPrimary === 1,
  width: photo.width,
  height: photo.height,
});
