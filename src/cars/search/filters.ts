/** The filters of cars as SQL. */
import { all, query, raw } from "../../db/query.ts";
import type { Query } from "../../db/statement.ts";
import { foldCase } from "../../shared/text.ts";
import type { CarFilters } from "../schemas.ts";

/** The condition of a filter, if the filter is given. */
const when = <T>(value: T | undefined, condition: (value: T) => Query): Query | undefined =>
  value === undefined ? undefined : condition(value);

/** The condition for matching cars. Removed cars match only for callers who see them. */
export const conditions = (filters: CarFilters, seesRemoved: boolean): Query =>
  all(
    seesRemoved ? undefined : query`status <> 'REMOVED'`,
    when(filters.make, (make) => query`make_key = ${foldCase(make)}`),
    when(filters.model, (model) => query`model_key = ${foldCase(model)}`),
    when(filters.year, (year) => query`year = ${year}`),
    when(filters.min_year, (year) => query`year >= ${year}`),
    when(filters.max_year, (year) => query`year <= ${year}`),
    when(filters.min_price, (price) => query`price_cents >= ${price}`),
    when(filters.max_price, (price) => query`price_cents <= ${price}`),
    when(filters.max_mileage, (mileage) => query`mileage <= ${mileage}`),
    when(filters.fuel_type, (fuel) => query`fuel_type = ${fuel}`),
    when(filters.body_type, (body) => query`body_type = ${body}`),
    when(filters.transmission, (transmission) => query`transmission = ${transmission}`),
    when(filters.drive_type, (drive) => query`drive_type = ${drive}`),
    when(filters.status, (status) => query`status = ${status}`),
    when(filters.showroom, (showroom) => query`showroom_id = ${showroom}`),
    when(filters.location, (location) => query`location = ${location}`),
    when(filters.search || undefined, searched),
  );

/**
 * The cars that contain all words of a search. Each word is quoted, so that it cannot contain an operator. A word needs
 * a letter or digit, because the index stores nothing else.
 */
function searched(text: string): Query {
  const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  if (words.length === 0) return raw("FALSE");
  const match = `${words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" ")} *`;
  return query`cars.rowid IN (SELECT rowid FROM cars_search WHERE cars_search MATCH ${match})`;
}

/** The filters whose values have kept counts in `car_counts`, each with the value of a request. */
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

/** Whether the filters select the whole stock, or all of it that has one status. */
export const isWholeStock = (filters: CarFilters): boolean =>
  given(filters).every((name) => name === "status");

/** Whether the number of matching cars is a kept count: that of the whole stock, or of a list with one filter. */
export function isKept(filters: CarFilters): boolean {
  const [name, ...more] = given(filters).filter((name) => name !== "status");
  return more.length === 0 && (name === undefined || name in COUNTED);
}

/** The rows of `car_counts` for the requested status. */
export const countedStatus = (filters: CarFilters, seesRemoved: boolean): Query =>
  all(
    seesRemoved ? undefined : query`status <> 'REMOVED'`,
    when(filters.status, (status) => query`status = ${status}`),
  );

/**
 * The query for the number of matching cars. A kept count costs a few rows. Any other list is counted along an index: one
 * row for each car that the index cannot exclude.
 */
export function countOf(filters: CarFilters, seesRemoved: boolean): Query<{ count: number }> {
  if (!isKept(filters))
    return query`SELECT count(*) AS count FROM cars WHERE ${conditions(filters, seesRemoved)}`;
  const [name] = given(filters).filter((name) => name !== "status");
  const value = name && COUNTED[name as keyof typeof COUNTED](filters);
  const kept = all(
    query`facet = ${name ?? "status"}`,
    when(value, (value) => query`value = ${value}`),
    countedStatus(filters, seesRemoved),
  );
  return query`SELECT coalesce(sum(n), 0) AS count FROM car_counts WHERE ${kept}`;
}
