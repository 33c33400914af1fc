/** The use cases of cars. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { readPublic } from "../auth/verification.ts";
import { execute } from "../coordinator.ts";
import { type IdempotencyKey, KEY_TAKEN, storeAnswer } from "../db/idempotency.ts";
import type { Statement } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { type ClaimedCaller, isStaff, type VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { fieldsOf, insertCar, newCar, refusalOf, updateCar } from "./car-writes.ts";
import { photosTag } from "./photo-storage.ts";
import type { CarChange, CarFilters, CarsQuery, carSchema, WholeCar } from "./schemas.ts";
import { facetCounts, facetsBody } from "./search/facets.ts";
import { carList } from "./search/list.ts";
import { type CarRow, carBody, carById, carWithPhotos } from "./store.ts";

/** A car in its wire form, and its version. */
export type VersionedCar = { body: z.infer<typeof carSchema>; version: number };

/** The versions of a car that a write accepts; undefined for any. */
type Versions = readonly number[] | undefined;

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

/** Adds a car to the stock. */
export async function createCar(
  deps: Deps,
  caller: VerifiedCaller,
  input: WholeCar,
  key: IdempotencyKey | undefined,
): Promise<Result<VersionedCar>> {
  if (input.status === "SOLD") return soldByHand();
  const { now, config } = deps;
  const car = newCar(input, { id: uuidv7(), now, currency: config.defaultCurrency });
  const created = versioned(deps, { ...car, photos: "[]" });
  const answer = { status: 201, body: created.body, location: carPath(car.id) } as const;
  const written = await commitCar(deps, caller, "car.create", car.id, [
    insertCar(car),
    ...storeAnswer(key, answer, now),
  ]);
  return written.ok ? ok(created) : written;
}

/** Changes a car. The coordinator changes the status, and cancels test drives when the car leaves the stock. */
export async function changeCar(
  deps: Deps,
  caller: VerifiedCaller,
  id: string,
  change: CarChange,
  versions: Versions,
): Promise<Result<VersionedCar>> {
  const found = await carToChange(deps, id, versions);
  if (!found.ok) return found;
  const { status, expected } = found.value;
  const to = change.status;
  if (to !== undefined && to !== status) {
    if (status === "SOLD") return refuse("car_sold");
    if (to === "SOLD") return soldByHand();
    const fields = fieldsOf(change);
    const command = { type: "set_status", to, fields, expectedVersion: expected } as const;
    const outcome = await execute(deps, id, caller, command);
    if (!outcome.ok) return outcome;
    if (to === "REMOVED") deps.purge([photosTag(id)]);
  } else {
    const statement = updateCar(id, fieldsOf(change), expected, deps.now);
    const written = await commitCar(deps, caller, "car.update", id, [statement]);
    if (!written.ok) return written;
  }
  // The coordinator wrote in its own session, so this request's session may read an older state.
  const row = await carById(deps.primary(), id);
  return row ? ok(versioned(deps, row)) : refuse("car_not_found");
}

/** Removes a car from the stock. It stays on record as REMOVED, and its future test drives are cancelled. */
export async function removeCar(
  deps: Deps,
  caller: VerifiedCaller,
  id: string,
  versions: Versions,
): Promise<Result<undefined>> {
  const found = await carToChange(deps, id, versions);
  if (!found.ok) return found;
  const { status, expected } = found.value;
  if (status === "SOLD") return refuse("car_sold");
  if (status !== "REMOVED") {
    const command = { type: "set_status", to: "REMOVED", expectedVersion: expected } as const;
    const outcome = await execute(deps, id, caller, command);
    if (!outcome.ok) return outcome;
  }
  // Also when it was removed before, so that a purge that failed can be repeated.
  deps.purge([photosTag(id)]);
  return ok(undefined);
}

/** The car's status, and the version that the write expects if the caller sent one. */
async function carToChange(deps: Deps, id: string, versions: Versions) {
  const row = await carById(deps.db, id);
  if (!row) return refuse("car_not_found");
  if (versions && !versions.includes(row.version)) return refuse("precondition_failed");
  return ok({ status: row.status, expected: versions && row.version });
}

async function commitCar(
  deps: Deps,
  caller: VerifiedCaller,
  action: string,
  id: string,
  statements: readonly Statement[],
): Promise<Result<undefined>> {
  try {
    await deps.db.commit(caller, action, `car:${id}`, statements);
  } catch (error) {
    const violation = violationOf(error);
    if (violation === KEY_TAKEN) return refuse("duplicate_request");
    if (violation === "not_signed_in") return refuse("invalid_token");
    const refusal = refusalOf(violation);
    if (refusal) return { ok: false, refusal };
    throw error;
  }
  deps.stockChanged();
  return ok(undefined);
}

const soldByHand = () => refuseField("status", "sold_needs_sale", "Only a sale sets SOLD");
