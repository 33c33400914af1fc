/** What staff changes about a car: rows and statements out of what was asked for. */
import { eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { cars } from "../db/schema.ts";
import type { Violation } from "../db/violations.ts";
import { foldCase } from "../shared/text.ts";
import { raiseVersion, VERSION_STALE } from "./optimistic-locking.ts";
import type { CarChange, WholeCar } from "./schemas.ts";

type Car = typeof cars.$inferSelect;

/** A new car as the database will hold it. */
export function newCar(asked: WholeCar, more: { id: string; now: number; currency: string }): Car {
  return {
    id: more.id,
    vin: asked.vin,
    make: asked.make,
    makeKey: foldCase(asked.make),
    model: asked.model,
    modelKey: foldCase(asked.model),
    year: asked.year,
    mileage: asked.mileage,
    fuelType: asked.fuel_type,
    transmission: asked.transmission,
    color: asked.color,
    bodyType: asked.body_type,
    engineCc: asked.engine_cc,
    doors: asked.doors,
    seats: asked.seats,
    driveType: asked.drive_type,
    basePriceCents: asked.base_price,
    discountPriceCents: asked.discount_price,
    priceCents: asked.discount_price ?? asked.base_price,
    discountRank: asked.discount_price ?? -1,
    currency: asked.currency ?? more.currency,
    status: asked.status ?? "AVAILABLE",
    location: asked.location,
    description: asked.description,
    createdAt: more.now,
    updatedAt: more.now,
    version: 1,
  };
}

/**
 * The update that makes a change, but for the status, which the car's calendar has a say in.
 * @param expected the version that the car must still have; without one it may have any
 */
export const updateOf = (
  db: Database,
  id: string,
  change: CarChange,
  expected: number | undefined,
  now: number,
) =>
  db
    .update(cars)
    .set({
      vin: change.vin,
      make: change.make,
      makeKey: change.make && foldCase(change.make),
      model: change.model,
      modelKey: change.model && foldCase(change.model),
      year: change.year,
      mileage: change.mileage,
      fuelType: change.fuel_type,
      transmission: change.transmission,
      color: change.color,
      bodyType: change.body_type,
      engineCc: change.engine_cc,
      doors: change.doors,
      seats: change.seats,
      driveType: change.drive_type,
      basePriceCents: change.base_price,
      discountPriceCents: change.discount_price,
      currency: change.currency,
      location: change.location,
      description: change.description,
      updatedAt: now,
      version: raiseVersion(expected),
    })
    .where(eq(cars.id, id));

/** Which rule of the database a change of a car can meet, as a client is to understand it. */
export type CarRefusal = "vin_taken" | "discount_above_base" | "stale";

/** Names the refusal behind a violation; `undefined` when no change of a car should meet it. */
export function refusalOf(violation: Violation | undefined): CarRefusal | undefined {
  switch (violation) {
    case "unique:cars.vin":
      return "vin_taken";
    case "check:cars_discount_price_range":
      return "discount_above_base";
    case VERSION_STALE:
      return "stale";
    default:
      return undefined;
  }
}
