/** Writes of cars: rows and statements. */
import { eq } from "drizzle-orm";
import { cars } from "../db/schema.ts";
import { build, insertInto, type Statement, statementOf } from "../db/statement.ts";
import type { Violation } from "../db/violations.ts";
import type { CarStatus } from "../shared/enums.ts";
import type { Refusal } from "../shared/refusals.ts";
import { foldCase } from "../shared/text.ts";
import { raiseVersion, VERSION_STALE, type Versions } from "./optimistic-locking.ts";
import type { CarChange, WholeCar } from "./schemas.ts";

type Car = typeof cars.$inferSelect;
type Generated = "priceCents" | "discountRank";

/** The columns that describe a car. Undefined members do not change. Plain data, because it is sent over RPC. */
export type CarFields = Partial<
  Omit<Car, Generated | "id" | "status" | "createdAt" | "updatedAt" | "version">
>;

/** The row of a new car. */
export function newCar(
  input: WholeCar,
  more: { id: string; now: number; currency: string; showroomId: string },
): Car {
  return {
    id: more.id,
    vin: input.vin,
    make: input.make,
    makeKey: foldCase(input.make),
    model: input.model,
    modelKey: foldCase(input.model),
    year: input.year,
    mileage: input.mileage,
    fuelType: input.fuel_type,
    transmission: input.transmission,
    color: input.color,
    bodyType: input.body_type,
    engineCc: input.engine_cc,
    doors: input.doors,
    seats: input.seats,
    driveType: input.drive_type,
    basePriceCents: input.base_price,
    discountPriceCents: input.discount_price,
    priceCents: input.discount_price ?? input.base_price,
    discountRank: input.discount_price ?? -1,
    currency: input.currency ?? more.currency,
    status: input.status ?? "AVAILABLE",
    showroomId: more.showroomId,
    location: input.location,
    description: input.description,
    createdAt: more.now,
    updatedAt: more.now,
    version: 1,
  };
}

/** The statement that stores a new car. */
export const insertCar = ({ priceCents: _, discountRank: __, ...row }: Car): Statement =>
  insertInto(cars, row);

/** The columns that a change sets, except the status. */
export const fieldsOf = (change: CarChange): CarFields => ({
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
  showroomId: change.showroom,
  location: change.location,
  description: change.description,
});

/**
 * The statement that changes a car and raises its version. Only the coordinator changes the status.
 * @param expected the versions of which the car must have one; undefined for any
 */
export const updateCar = (
  id: string,
  columns: CarFields & { status?: CarStatus },
  expected: Versions,
  now: number,
): Statement =>
  statementOf(
    build
      .update(cars)
      .set({ ...columns, updatedAt: now, version: raiseVersion(expected) })
      .where(eq(cars.id, id)),
  );

/** Maps a violation to a refusal of a car's write. `undefined` when no write should cause it. */
export function refusalOf(violation: Violation | undefined): Refusal | undefined {
  switch (violation) {
    case "unique:cars.vin":
      return field("vin", "taken", "Another car has this VIN");
    case "check:cars_discount_price_range":
      return field("discount_price", "above_base_price", "Must not exceed base_price");
    case "unknown_showroom":
      return field("showroom", "unknown", "There is no such showroom");
    case VERSION_STALE:
      return { code: "precondition_failed" };
    default:
      return undefined;
  }
}

const field = (name: string, code: string, message: string): Refusal => ({
  code: "invalid_request",
  faults: [{ field: name, code, message }],
});
