/** What narrows a list of cars down, as SQL. */
import { and, eq, gte, lte, ne, type SQL, sql } from "drizzle-orm";
import { carCounts, cars } from "../db/schema.ts";
import { foldCase } from "../http/text.ts";
import type { CarFilters } from "./schemas.ts";

/** Which cars match. Removed ones only for those who see them. */
export function conditions(filters: CarFilters, seesRemoved: boolean): SQL | undefined {
  const when = <T>(value: T | undefined, condition: (value: T) => SQL) =>
    value === undefined ? undefined : condition(value);
  return and(
    seesRemoved ? undefined : ne(cars.status, "REMOVED"),
    when(filters.make, (make) => eq(cars.makeKey, foldCase(make))),
    when(filters.model, (model) => eq(cars.modelKey, foldCase(model))),
    when(filters.year, (year) => eq(cars.year, year)),
    when(filters.min_year, (year) => gte(cars.year, year)),
    when(filters.max_year, (year) => lte(cars.year, year)),
    when(filters.min_price, (price) => gte(cars.priceCents, price)),
    when(filters.max_price, (price) => lte(cars.priceCents, price)),
    when(filters.max_mileage, (mileage) => lte(cars.mileage, mileage)),
    when(filters.fuel_type, (fuel) => eq(cars.fuelType, fuel)),
    when(filters.body_type, (body) => eq(cars.bodyType, body)),
    when(filters.transmission, (transmission) => eq(cars.transmission, transmission)),
    when(filters.drive_type, (drive) => eq(cars.driveType, drive)),
    when(filters.status, (status) => eq(cars.status, status)),
    when(filters.location, (location) => eq(cars.location, location)),
    when(filters.search || undefined, searched),
  );
}

/**
 * The cars in which all words of a search occur. Each word is quoted, so nothing in it is an operator, and the
 * index takes it apart as it did the text; what holds neither letter nor digit is no word.
 */
function searched(text: string): SQL {
  const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  if (words.length === 0) return sql`FALSE`;
  const match = `${words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" ")} *`;
  return sql`cars.rowid IN (SELECT rowid FROM cars_search WHERE cars_search MATCH ${match})`;
}

/** The filters whose single values are counted in `car_counts`, with the value that they ask for. */
const COUNTED = {
  make: (filters) => filters.make && foldCase(filters.make),
  model: (filters) => filters.model && foldCase(filters.model),
  year: (filters) => filters.year,
  fuel_type: (filters) => filters.fuel_type,
  body_type: (filters) => filters.body_type,
  transmission: (filters) => filters.transmission,
  drive_type: (filters) => filters.drive_type,
  location: (filters) => filters.location,
} satisfies Partial<Record<keyof CarFilters, (filters: CarFilters) => string | number | undefined>>;

const given = (filters: CarFilters) =>
  (Object.keys(filters) as (keyof CarFilters)[]).filter(
    (name) => filters[name] !== undefined && filters[name] !== "",
  );

/** Whether a list is the whole stock, or all of it that has one status. */
export const isWholeStock = (filters: CarFilters): boolean =>
  given(filters).every((name) => name === "status");

/** The rows of `car_counts` that count cars of the status asked for. */
export const countedStatus = (filters: CarFilters, seesRemoved: boolean): SQL | undefined =>
  and(
    seesRemoved ? undefined : ne(carCounts.status, "REMOVED"),
    filters.status ? eq(carCounts.status, filters.status) : undefined,
  );

/**
 * How many cars match, as a query of one row. The stock, and a list with one filter, are counted already
 * (`isKept`), and cost a handful of rows; any other list is counted along an index, a row for each car that the
 * index cannot rule out.
 */
export function countOf(
  filters: CarFilters,
  seesRemoved: boolean,
): { query: SQL<{ count: number }>; isKept: boolean } {
  const [name, ...more] = given(filters).filter((name) => name !== "status");
  const isKept = more.length === 0 && (name === undefined || name in COUNTED);
  const value = isKept && name ? COUNTED[name as keyof typeof COUNTED](filters) : undefined;
  const kept = and(
    eq(carCounts.facet, name ?? "status"),
    value === undefined ? undefined : sql`${carCounts.value} = ${value}`,
    countedStatus(filters, seesRemoved),
  );
  return {
    isKept,
    query: isKept
      ? sql<{ count: number }>`SELECT coalesce(sum(n), 0) AS count FROM ${carCounts} WHERE ${kept}`
      : sql<{
          count: number;
        }>`SELECT count(*) AS count FROM ${cars} WHERE ${conditions(filters, seesRemoved) ?? sql`TRUE`}`,
  };
}
