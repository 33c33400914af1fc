/** Queries as text, for SQL that Drizzle cannot express. A test checks the plan of each. */
import { getTableColumns } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Query, Statement } from "./statement.ts";

/** Writes a query or a part of one. Parts are inserted as text; values become parameters. */
export function query<Row = unknown>(
  texts: TemplateStringsArray,
  ...parts: readonly (Statement | string | number | null)[]
): Query<Row> {
  let sql = texts[0] ?? "";
  const params: unknown[] = [];
  parts.forEach((part, at) => {
    if (typeof part === "object" && part !== null) {
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

/** A piece of SQL text. It must be our own, never a client's. */
export const raw = (sql: string): Query => ({ sql, params: [] }) as unknown as Query;

/** The conjunction of conditions. Undefined conditions are left out. */
export function all(...conditions: readonly (Query | undefined)[]): Query {
  const given = conditions.filter((condition) => condition !== undefined);
  if (given.length === 0) return raw("TRUE");
  return query`(${given.slice(1).reduce((joined, condition) => query`${joined}) AND (${condition}`, given[0] ?? raw("TRUE"))})`;
}

/** All columns of a table as text, each under the name of its member. */
export const columnList = (table: SQLiteTable, name: string): Query =>
  raw(
    Object.entries(getTableColumns(table))
      .map(([member, column]) => `${name}.${column.name} AS "${member}"`)
      .join(", "),
  );
