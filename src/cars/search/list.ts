/** The list of the stock, as text: its plan, and the rows that it reads, are the point (docs/adr). */
import type { Reader } from "../../db/client.ts";
import { all, query, raw } from "../../db/query.ts";
import type { Query } from "../../db/statement.ts";
import type { CarsQuery, ORDERINGS } from "../schemas.ts";
import { CAR_WITH_PHOTOS, type CarRow } from "../store.ts";
import { conditions, countedStatus, countOf, isWholeStock } from "./filters.ts";

type Order = {
  /** The column. */
  by: string;
  /** The rows of `car_counts` that count the stock in steps along this order, and how wide a step is. */
  steps: { facet: string; width: number };
};

// The facets and widths are those of the view car_count_keys in migrations/.
const ORDERS: Record<(typeof ORDERINGS)[number], Order> = {
  year: { by: "year", steps: { facet: "year", width: 1 } },
  mileage: { by: "mileage", steps: { facet: "mileage_step", width: 1000 } },
  price: { by: "price_cents", steps: { facet: "price_step", width: 50_000 } },
  base_price: { by: "base_price_cents", steps: { facet: "base_price_step", width: 50_000 } },
  discount_price: { by: "discount_rank", steps: { facet: "discount_price_step", width: 50_000 } },
  created_at: { by: "created_at", steps: { facet: "created_at_step", width: 86_400_000 } },
};

/** One page of the cars that match, and how many match in all. One round trip. */
export async function findCars(
  db: Reader,
  asked: CarsQuery,
  seesRemoved: boolean,
): Promise<{ count: number; rows: CarRow[] }> {
  const { page, page_size, ordering, ...filters } = asked;
  const order = ORDERS[ordering.replace(/^-/, "") as (typeof ORDERINGS)[number]];
  const direction = ordering.startsWith("-") ? "DESC" : "ASC";
  // Total, and in one direction, so that one index serves it.
  const orderBy = raw(`cars.${order.by} ${direction}, cars.id ${direction}`);
  const [limit, offset] = [page_size, (page - 1) * page_size];
  const which = conditions(filters, seesRemoved);
  const start =
    offset > 0 && isWholeStock(filters)
      ? startOfPage(order, direction, offset, countedStatus(filters, seesRemoved))
      : { as: raw(""), which: undefined, offset };
  const count = countOf(filters, seesRemoved);
  // Where the count is known, nothing is looked for past the last match.
  const rest = count.isKept ? query`min(${limit}, max(0, (${count.query}) - ${offset}))` : limit;
  // The page is found in an index; only its own rows are fetched.
  const ids = query`(${start.as} SELECT cars.id FROM cars WHERE ${all(which, start.which)}
    ORDER BY ${orderBy} LIMIT ${rest} OFFSET ${start.offset}) AS page`;
  const [rows, [total]] = await db.ask(
    query<CarRow>`SELECT ${CAR_WITH_PHOTOS} FROM ${ids} CROSS JOIN cars WHERE page.id = cars.id ORDER BY ${orderBy}`,
    count.query,
  );
  return { count: total?.count ?? 0, rows };
}

/**
 * Where a page far down the whole stock begins: the last step of the order that starts at or before it, and how many
 * rows of that step come before the page. So only a step is walked, not all the rows before the page.
 */
function startOfPage({ by, steps }: Order, direction: "ASC" | "DESC", offset: number, status: Query) {
  const [column, width] = [raw(`cars.${by}`), raw(String(steps.width))];
  return {
    as: query`WITH start AS MATERIALIZED (
      SELECT value, passed FROM (
        SELECT value, sum(sum(n)) OVER (ORDER BY value ${raw(direction)}) - sum(n) AS passed
        FROM car_counts WHERE ${all(query`facet = ${steps.facet}`, raw("n > 0"), status)} GROUP BY value)
      WHERE passed <= ${offset} ORDER BY passed DESC LIMIT 1)`,
    which:
      direction === "DESC"
        ? query`${column} < ((SELECT value FROM start) + 1) * ${width}`
        : query`${column} >= (SELECT value FROM start) * ${width}`,
    offset: query`${offset} - (SELECT passed FROM start)`,
  };
}
