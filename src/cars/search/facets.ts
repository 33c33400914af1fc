/** Counts the matching cars by make, fuel and so on, for the filters of a shop. */
import type { z } from "zod";
import { query, raw } from "../../db/query.ts";
import type { Query } from "../../db/statement.ts";
import { formatCents } from "../../shared/money.ts";
import type { CarFilters, facetsSchema } from "../schemas.ts";
import { conditions, countedStatus, isWholeStock } from "./filters.ts";

/** The maximum number of values of a facet. The values with the most cars are listed. */
const MAX_VALUES = 100;
/** The approximate number of price ranges. */
const PRICE_RANGES = 12;
/** The facet of price steps and their width in cents, as in the view car_count_keys. The answer has ranges of steps. */
const PRICES = "price_step";
const PRICE_STEP = 50_000;

type Facet = {
  /** Its name in car_counts. */
  counted: string;
  /** Its value in a row of cars, as SQL. */
  value: string;
  /** Its own filters, which its counts ignore. */
  own: (keyof CarFilters)[];
  /** It has so many values that grouping by it together with the other facets would merge few cars. */
  hasManyValues?: boolean;
};

const FACETS: readonly Facet[] = [
  { counted: "make", value: "make_key", own: ["make"] },
  { counted: "model", value: "model_key", own: ["model"] },
  { counted: "fuel_type", value: "fuel_type", own: ["fuel_type"] },
  { counted: "body_type", value: "body_type", own: ["body_type"] },
  { counted: "transmission", value: "transmission", own: ["transmission"] },
  { counted: "drive_type", value: "drive_type", own: ["drive_type"] },
  { counted: "status", value: "status", own: ["status"] },
  { counted: "year", value: "year", own: ["year", "min_year", "max_year"], hasManyValues: true },
  {
    counted: PRICES,
    value: `price_cents / ${PRICE_STEP}`,
    own: ["min_price", "max_price"],
    hasManyValues: true,
  },
];

type Counted = { facet: string; value: string | number; n: number; label: string };

/** Whether facets under these filters read many rows of the stock. */
export const areCostlyFacets = (filters: CarFilters): boolean => !isWholeStock(filters);

/**
 * The queries that count every facet. Without filters the kept counts are read: one row per value. With filters the
 * matching cars are read once for all facets, and once more for each facet that has its own filter.
 */
export function facetCounts(filters: CarFilters, seesRemoved: boolean): Query<Counted>[] {
  const isFiltered = (facet: Facet) => facet.own.some((name) => filters[name] !== undefined);
  const unfiltered = FACETS.filter((facet) => !isFiltered(facet));
  const filtered = FACETS.filter(isFiltered);
  return [
    ...(unfiltered.length > 0 ? [queryOf(unfiltered, filters, seesRemoved)] : []),
    ...filtered.map((facet) => queryOf([facet], without(filters, facet.own), seesRemoved)),
  ];
}

function without(filters: CarFilters, names: (keyof CarFilters)[]): CarFilters {
  const kept = Object.entries(filters).filter(([name]) => !(names as string[]).includes(name));
  return Object.fromEntries(kept);
}

/** The query that counts several facets under the same filters. */
function queryOf(facets: readonly Facet[], filters: CarFilters, seesRemoved: boolean): Query<Counted> {
  if (isWholeStock(filters)) {
    const names = JSON.stringify(facets.map((facet) => facet.counted));
    return query`SELECT facet, value, sum(n) AS n, min(label) AS label FROM car_counts
      WHERE facet IN (SELECT value FROM json_each(${names})) AND ${countedStatus(filters, seesRemoved)}
      GROUP BY facet, value HAVING sum(n) > 0`;
  }
  const columns = facets.map(({ value, counted }) => `${value} AS ${counted}`);
  // Many cars differ only in year and price. So these two are counted row by row, and the others from groups.
  const coarseFacets = facets.filter((facet) => !facet.hasManyValues).map(({ counted }) => counted);
  const groupColumns = raw(coarseFacets.join(", ") || "NULL");
  const counts = facets.map(
    ({ counted, hasManyValues }) => `SELECT * FROM (
      SELECT '${counted}' AS facet, ${counted} AS value,
        ${hasManyValues ? "count(*) AS n FROM matching" : "sum(n) AS n FROM grouped"}
      WHERE ${counted} IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ${counted === PRICES ? -1 : MAX_VALUES})`,
  );
  return query`WITH matching AS MATERIALIZED (
      SELECT ${raw(columns.join(", "))} FROM cars WHERE ${conditions(filters, seesRemoved)}
    ), grouped AS MATERIALIZED (
      SELECT ${groupColumns}, count(*) AS n FROM matching GROUP BY ${groupColumns}
    ), counts AS (${raw(unionAll(counts))})
    SELECT facet, value, n, (
      SELECT min(label) FROM car_counts WHERE car_counts.facet = counts.facet AND car_counts.value = counts.value
    ) AS label
    FROM counts`;
}

/** UNION ALL of any number of queries. D1 accepts at most five at one level. */
function unionAll(queries: readonly string[]): string {
  if (queries.length <= 5) return queries.join(" UNION ALL ");
  const [head, tail] = [queries.slice(0, 4), queries.slice(4)];
  return `${head.join(" UNION ALL ")} UNION ALL SELECT * FROM (${unionAll(tail)})`;
}

/** The wire form of the rows of `facetCounts`. */
export function facetsBody(counted: readonly Counted[]): z.infer<typeof facetsSchema> {
  const of = (facet: string) => counted.filter((row) => row.facet === facet);
  const byCount = <T>(facet: string, value: (row: Counted) => T) =>
    of(facet)
      .sort((a, b) => b.n - a.n || (a.value < b.value ? -1 : 1))
      .slice(0, MAX_VALUES)
      .map((row) => ({ value: value(row), count: row.n }));
  const words = <T extends string>(facet: string) => byCount(facet, (row) => row.value as T);
  return {
    make: byCount("make", (row) => row.label),
    model: byCount("model", (row) => row.label),
    fuel_type: words("fuel_type"),
    body_type: words("body_type"),
    transmission: words("transmission"),
    drive_type: words("drive_type"),
    status: words("status"),
    year: byCount("year", (row) => Number(row.value)).sort((a, b) => b.value - a.value),
    price: priceRanges(of(PRICES).map((row) => ({ step: Number(row.value), n: row.n }))),
  };
}

/**
 * Groups counts of price steps into ranges of one round width (1, 2 or 5 times a power of ten steps). A range includes
 * `min` and `max`, as do the filters `min_price` and `max_price`.
 */
export function priceRanges(steps: readonly { step: number; n: number }[]) {
  const last = Math.max(0, ...steps.map(({ step }) => step));
  let width = 1;
  for (let at = 1; last / width >= PRICE_RANGES; at += 1)
    width = (at % 3 === 0 ? 1 : at % 3 === 1 ? 2 : 5) * 10 ** Math.floor(at / 3);
  const ranges = new Map<number, number>();
  for (const { step, n } of steps) {
    const range = Math.floor(step / width);
    ranges.set(range, (ranges.get(range) ?? 0) + n);
  }
  return [...ranges]
    .sort(([a], [b]) => a - b)
    .map(([range, count]) => ({
      min: formatCents(range * width * PRICE_STEP),
      max: formatCents((range + 1) * width * PRICE_STEP - 1),
      count,
    }));
}
