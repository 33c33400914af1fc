/** The use cases of cars. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { commitPublic, readAs, readPublic } from "../auth/verification.ts";
import { execute } from "../coordinator.ts";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import type { Deps } from "../deps.ts";
import { type ClaimedCaller, isStaff } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { oldestActiveShowroom } from "../showrooms/store.ts";
import { fieldsOf, insertCar, newCar, refusalOf, updateCar } from "./car-writes.ts";
import type { Versions } from "./optimistic-locking.ts";
import { photosTag } from "./photo-storage.ts";
import type { CarChange, CarFilters, CarsQuery, carSchema, WholeCar } from "./schemas.ts";
import { facetCounts, facetsBody } from "./search/facets.ts";
import { carList } from "./search/list.ts";
import { type CarRow, carBody, carById, carStatus, carWithPhotos } from "./store.ts";

/** A car in its wire form, and its version. */
export type VersionedCar = { body: z.infer<typeof carSchema>; version: number };

/** The path of a car. */
export const carPath = (id: string): string => `/api/cars/${id}/`;

const versioned = ({ config }: Deps, row: CarRow): VersionedCar => ({
  body: carBody(row, config.publicUrl),
  version: row.version,
});

/** One page of the matching cars. Only staff see removed cars. One round trip. */
export async function listCars(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  query: CarsQuery,
): Promise<Result<{ count: number; rows: VersionedCar["body"][] }>> {
  const read = await readPublic(deps, claimed, (seesRemoved) => carList(query, seesRemoved));
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows: rows.map((row) => carBody(row, deps.config.publicUrl)) });
}

/** Counts the matching cars by make, fuel and so on. One round trip. */
export async function countCarFacets(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  filters: CarFilters,
): Promise<Result<ReturnType<typeof facetsBody>>> {
  const read = await readPublic(deps, claimed, (seesRemoved) => facetCounts(filters, seesRemoved));
  return read.ok ? ok(facetsBody(read.value.rows.flat())) : read;
}

/** One car. Only staff find a removed one. One round trip. */
export async function getCar(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  id: string,
): Promise<Result<VersionedCar>> {
  const read = await readPublic(deps, claimed, () => [carWithPhotos(id)]);
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[row]] = rows;
  return row && (isStaff(caller) || row.status !== "REMOVED")
    ? ok(versioned(deps, row))
    : refuse("car_not_found");
}

/** Adds a car to the stock, in the oldest active showroom if none is named. One round trip, and one more in that case. */
export async function createCar(
  deps: Deps,
  claimed: ClaimedCaller,
  input: WholeCar,
  key: IdempotencyKey | undefined,
): Promise<Result<VersionedCar>> {
  if (input.status === "SOLD") return soldByHand();
  const { now, config } = deps;
  const showroom = await showroomOf(deps, claimed, input);
  if (!showroom.ok) return showroom;
  const more = { id: uuidv7(), now, currency: config.defaultCurrency, showroomId: showroom.value };
  const car = newCar(input, more);
  const created = versioned(deps, { ...car, photos: "[]" });
  const answer = { status: 201, body: created.body, location: carPath(car.id) } as const;
  const written = await commitPublic(
    deps,
    claimed,
    "car.create",
    `car:${car.id}`,
    [insertCar(car), ...storeAnswer(key, answer, now)],
    refusalOf,
  );
  return written.ok ? ok(created) : written;
}

async function showroomOf(deps: Deps, claimed: ClaimedCaller, input: WholeCar): Promise<Result<string>> {
  if (input.showroom !== undefined) return ok(input.showroom);
  const read = await readAs(deps, claimed, oldestActiveShowroom({}));
  if (!read.ok) return read;
  const [[oldest]] = read.value.rows;
  if (!oldest) throw new Error("no showroom is active, which the database rules out");
  return ok(oldest.id);
}

/**
 * Changes a car. The coordinator changes the status, and cancels test drives when the car leaves the stock. A change
 * without a status is one round trip.
 */
export async function changeCar(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  change: CarChange,
  versions: Versions,
): Promise<Result<VersionedCar>> {
  const to = change.status;
  if (to === undefined) return changeFields(deps, claimed, id, change, versions);
  const found = await carToChange(deps, claimed, id, versions);
  if (!found.ok) return found;
  const { caller, status, version } = found.value;
  if (to === status) return changeFields(deps, claimed, id, change, versions);
  if (status === "SOLD") return refuse("car_sold");
  if (to === "SOLD") return soldByHand();
  const fields = fieldsOf(change);
  const command = { type: "set_status", to, fields, expectedVersion: versions && version } as const;
  const outcome = await execute(deps, id, caller, command);
  if (!outcome.ok) return outcome;
  if (to === "REMOVED") deps.purge([photosTag(id)]);
  // A commit with an unknown outcome, and an object of an earlier version, do not return the car.
  const row = outcome.car ?? (await carById(deps.primary(), id));
  return row ? ok(versioned(deps, row)) : refuse("car_not_found");
}

async function changeFields(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  change: CarChange,
  versions: Versions,
): Promise<Result<VersionedCar>> {
  const written = await commitPublic(
    deps,
    claimed,
    "car.update",
    `car:${id}`,
    [updateCar(id, fieldsOf(change), versions, deps.now), carWithPhotos(id)],
    refusalOf,
  );
  if (!written.ok) return written;
  const [, [row]] = written.value;
  return row ? ok(versioned(deps, row)) : refuse("car_not_found");
}

/** Removes a car from the stock. It stays on record as REMOVED, and its future test drives are cancelled. */
export async function removeCar(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  versions: Versions,
): Promise<Result<undefined>> {
  const found = await carToChange(deps, claimed, id, versions);
  if (!found.ok) return found;
  const { caller, status, version } = found.value;
  if (status === "SOLD") return refuse("car_sold");
  if (status !== "REMOVED") {
    const command = { type: "set_status", to: "REMOVED", expectedVersion: versions && version } as const;
    const outcome = await execute(deps, id, caller, command);
    if (!outcome.ok) return outcome;
  }
  // Also when it was removed before, so that a purge that failed can be repeated.
  deps.purge([photosTag(id)]);
  return ok(undefined);
}

/** The verified caller, and the car as it is. Refuses when its version is none of `versions`. */
async function carToChange(deps: Deps, claimed: ClaimedCaller, id: string, versions: Versions) {
  const read = await readAs(deps, claimed, carStatus({ carId: id }));
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[car]] = rows;
  if (!car) return refuse("car_not_found");
  if (versions && !versions.includes(car.version)) return refuse("precondition_failed");
  return ok({ caller, ...car });
}

const soldByHand = () => refuseField("status", "sold_needs_sale", "Only a sale sets SOLD");
