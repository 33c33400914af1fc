/** Pages of rows that match filters: one query for the rows and one for their number, in the same round trip. */
import { and, type SQL, sql } from "drizzle-orm";
import type { SQLiteSelect } from "drizzle-orm/sqlite-core";
import { compile, type Query } from "./statement.ts";

/** The column of a count. */
export const counted = { count: sql<number>`count(*)`.as("count") };

type RowOf<Q> = Q extends { _: { result: (infer Row)[] } } ? Row : never;

/**
 * Describes a list. The set of given filters decides the text of its queries, so each set is built once.
 * @param parts `rows` and `count` begin the two selects; a condition holds `sql.placeholder` under its own name, and may
 *   hold others that are given with it
 * @returns a function from filters and a page to the two queries
 */
export function listing<Name extends string, Q extends SQLiteSelect>(parts: {
  rows: () => Q;
  count: () => SQLiteSelect;
  conditions: Readonly<Record<Name, SQL>>;
  orderBy: readonly SQL[];
}) {
  const known = new Map<string, [rows: ReturnType<typeof compile>, count: ReturnType<typeof compile>]>();
  const build = (names: readonly Name[]) => {
    const which = and(...names.map((name) => parts.conditions[name]));
    const [limit, offset] = [sql.placeholder("limit"), sql.placeholder("offset")];
    return [
      compile(
        parts
          .rows()
          .where(which)
          .orderBy(...parts.orderBy)
          .limit(limit)
          .offset(offset),
      ),
      compile(parts.count().where(which)),
    ] as const;
  };
  return (
    filters: Readonly<Partial<Record<Name, unknown>> & Record<string, unknown>>,
    page: { limit: number; offset: number },
  ) => {
    const names = (Object.keys(parts.conditions) as Name[]).filter((name) => filters[name] !== undefined);
    const key = names.join();
    const [rows, count] = known.get(key) ?? build(names);
    if (!known.has(key)) known.set(key, [rows, count]);
    const values = { ...filters, ...page };
    return [rows(values), count(values)] as [Query<RowOf<Q>>, Query<{ count: number }>];
  };
}
