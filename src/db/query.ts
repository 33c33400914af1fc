/** Queries written as text, for what Drizzle cannot say. The plan of each is checked by a test. */
import { getTableColumns } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Query, Statement } from "./statement.ts";

/** Writes a query, or a piece of one: pieces are inserted as they are, and values become parameters. */
export function query<Row = unknown>(
  texts: TemplateStringsArray,
  ...parts: readonly (Statement | string | number)[]
): Query<Row> {
  let sql = texts[0] ?? "";
  const params: unknown[] = [];
  parts.forEach((part, at) => {
    if (typeof part === "object") {
      sql += part.sql;
      params.push(...part.params);
    } else {
      sql += "?";
      params.push(part);
    }
    sql += texts[at + 1];
  });
  return { sql, params } as unknown as Query<Row>;
}

/** A piece of text, which must be our own: never what a client sent. */
export const raw = (sql: string): Query => ({ sql, params: [] }) as unknown as Query;

/** The condition that all of some conditions hold; those that are undefined are left out. */
export function all(...conditions: readonly (Query | undefined)[]): Query {
  const given = conditions.filter((condition) => condition !== undefined);
  if (given.length === 0) return raw("TRUE");
  return query`(${given.slice(1).reduce((joined, condition) => query`${joined}) AND (${condition}`, given[0] ?? raw("TRUE"))})`;
}

/** All columns of a table as text, under the names of their members. */
export const columnList = (table: SQLiteTable, name: string): Query =>
  raw(
    Object.entries(getTableColumns(table))
      .map(([member, column]) => `${name}.${column.name} AS "${member}"`)
      .join(", "),
  );
