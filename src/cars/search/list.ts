/** The list of the stock. The SQL is text, because its plan and the rows it reads matter (docs/adr/0006). */
import { all, query, raw } from "../../db/query.ts";
import type { Query } from "../../db/statement.ts";
import type { CarsQuery, ORDERINGS } from "../schemas.ts";
import { CAR_WITH_PHOTOS, type CarRow } from "../store.ts";
import { conditions, countedStatus, countOf, isKept, isWholeStock } from "./filters.ts";

type Order = {
  /** The column. */
  by: string;
  /** The facet in `car_counts` that counts the stock in steps along this order, and the width of a step. */
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

/** How far down a filtered list a page may begin and still be cheap: the rows before it are read. */
const CHEAP_OFFSET = 1000;

/** Whether a list reads many rows of the stock: it is counted row by row, or its page is far down a filtered list. */
export const isCostlyList = ({ page, page_size, ordering: _, ...filters }: CarsQuery): boolean =>
  !isKept(filters) || (!isWholeStock(filters) && (page - 1) * page_size > CHEAP_OFFSET);

/** The queries for one page of the matching cars, and for the number of matching cars. */
export function carList(
  request: CarsQuery,
  seesRemoved: boolean,
): readonly [Query<CarRow>, Query<{ count: number }>] {
  const { page, page_size, ordering, ...filters } = request;
  const order = ORDERS[ordering.replace(/^-/, "") as (typeof ORDERINGS)[number]];
  const direction = ordering.startsWith("-") ? "DESC" : "ASC";
  // A total order, and all in one direction, so that one index serves it.
  const orderBy = raw(`cars.${order.by} ${direction}, cars.id ${direction}`);
  const [limit, offset] = [page_size, (page - 1) * page_size];
  const matches = conditions(filters, seesRemoved);
  const start =
    offset > 0 && isWholeStock(filters)
      ? startOfPage(order, direction, offset, countedStatus(filters, seesRemoved))
      : { table: raw(""), condition: undefined, offset };
  const count = countOf(filters, seesRemoved);
  // When the count is kept, the search stops at the last match.
  const rowLimit = isKept(filters) ? query`min(${limit}, max(0, (${count}) - ${offset}))` : limit;
  // An index finds the page; only the rows of the page are read from the table.
  const ids = query`(${start.table} SELECT cars.id FROM cars WHERE ${all(matches, start.condition)}
    ORDER BY ${orderBy} LIMIT ${rowLimit} OFFSET ${start.offset}) AS page`;
  return [
    query`SELECT ${CAR_WITH_PHOTOS} FROM ${ids} CROSS JOIN cars WHERE page.id = cars.id ORDER BY ${orderBy}`,
    count,
  ];
}

/**
 * Finds the beginning of a page far down the whole stock: the last step of the order that starts at or before it, and
 * the number of rows before that step. So only one step is scanned, not all rows before the page.
 */
function startOfPage({ by, steps }: Order, direction: "ASC" | "DESC", offset: number, status: Query) {
  const [column, width] = [raw(`cars.${by}`), raw(String(steps.width))];
  return {
    table: query`WITH start AS MATERIALIZED (
      SELECT value, rows_before FROM (
        SELECT value, sum(sum(n)) OVER (ORDER BY value ${raw(direction)}) - sum(n) AS rows_before
        FROM car_counts WHERE ${all(query`facet = ${steps.facet}`, raw("n > 0"), status)} GROUP BY value)
      WHERE rows_before <= ${offset} ORDER BY rows_before DESC LIMIT 1)`,
    condition:
      direction === "DESC"
        ? query`${column} < ((SELECT value FROM start) + 1) * ${width}`
        : query`${column} >= (SELECT value FROM start) * ${width}`,
    offset: query`${offset} - (SELECT rows_before FROM start)`,
  };
}
