/** What narrows a list of cars down, as SQL. */
import { all, query, raw } from "../../db/query.ts";
import type { Query } from "../../db/statement.ts";
import { foldCase } from "../../shared/text.ts";
import type { CarFilters } from "../schemas.ts";

/** The condition that a filter sets; none when the filter is not given. */
const when = <T>(value: T | undefined, condition: (value: T) => Query): Query | undefined =>
  value === undefined ? undefined : condition(value);

/** Which cars match. Removed ones only for those who see them. */
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
    when(filters.location, (location) => query`location = ${location}`),
    when(filters.search || undefined, searched),
  );

/**
 * The cars in which all words of a search occur. Each word is quoted, so nothing in it is an operator, and the
 * index takes it apart as it did the text; what holds neither letter nor digit is no word.
 */
function searched(text: string): Query {
  const words = text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  if (words.length === 0) return raw("FALSE");
  const match = `${words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" ")} *`;
  return query`cars.rowid IN (SELECT rowid FROM cars_search WHERE cars_search MATCH ${match})`;
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
export const countedStatus = (filters: CarFilters, seesRemoved: boolean): Query =>
  all(
    seesRemoved ? undefined : query`status <> 'REMOVED'`,
    when(filters.status, (status) => query`status = ${status}`),
  );

/**
 * How many cars match, as a query of one row. The stock, and a list with one filter, are counted already
 * (`isKept`), and cost a handful of rows; any other list is counted along an index, a row for each car that the
 * index cannot rule out.
 */
export function countOf(
  filters: CarFilters,
  seesRemoved: boolean,
): { query: Query<{ count: number }>; isKept: boolean } {
  const [name, ...more] = given(filters).filter((name) => name !== "status");
  const isKept = more.length === 0 && (name === undefined || name in COUNTED);
  if (!isKept)
    return {
      isKept,
      query: query`SELECT count(*) AS count FROM cars WHERE ${conditions(filters, seesRemoved)}`,
    };
  const value = name && COUNTED[name as keyof typeof COUNTED](filters);
  const kept = all(
    query`facet = ${name ?? "status"}`,
    when(value, (value) => query`value = ${value}`),
    countedStatus(filters, seesRemoved),
  );
  return { isKept, query: query`SELECT coalesce(sum(n), 0) AS count FROM car_counts WHERE ${kept}` };
}
