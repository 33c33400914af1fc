/** Lists in pages: `page` from 1, `page_size` up to 100, and links to the neighbours. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";
import { wholeNumber } from "./validation.ts";

/** The largest page number. No list is longer. */
const MAX_PAGE = 1_000_000;

/** The query parameters of every list. */
export const pageQuery = {
  page: wholeNumber(1, MAX_PAGE).default(1).openapi({ type: "integer", example: 1 }),
  page_size: wholeNumber(1, 100).default(20).openapi({ type: "integer", example: 20 }),
};

/** The rows to read. */
export type Page = { page: number; page_size: number };

/** The rows of a page, and the number of rows on all pages. */
export type Listed<Row> = { count: number; rows: Row[] };

/** LIMIT and OFFSET of a page. */
export const window = ({ page, page_size }: Page) => ({ limit: page_size, offset: (page - 1) * page_size });

/** The wire form of a list of `item`s. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    count: z.int().openapi({ description: "The number of results on all pages" }),
    next: z.string().nullable(),
    previous: z.string().nullable(),
    results: z.array(item),
  });

/**
 * Converts one page of rows to its wire form, with links to its neighbours.
 * @throws a `not_found` problem for a page past the end (page 1 of an empty list exists).
 */
export function framePage<Row, Item>(
  c: Context<AppEnv>,
  { page, page_size }: Page,
  { count, rows }: Listed<Row>,
  toItem: (row: Row) => Item,
) {
  const last = Math.max(1, Math.ceil(count / page_size));
  if (page > last) throw new Problem("not_found", `There are only ${last} pages`);
  const link = (to: number) => {
    const { pathname, searchParams } = new URL(c.req.url);
    searchParams.set("page", String(to));
    return `${c.get("config").publicUrl}${pathname}?${searchParams}`;
  };
  return {
    count,
    next: page < last ? link(page + 1) : null,
    previous: page > 1 ? link(page - 1) : null,
    results: rows.map(toItem),
  };
}
