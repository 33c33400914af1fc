/**
 * Queries written as text, for what is asked all the time: having Drizzle build the text of a list of cars costs more
 * than shaping its answer. What is asked seldom is better off with Drizzle.
 */
import { getTableColumns } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";

declare const ROW: unique symbol;

/** The text of a query, or of a piece of one, and its parameters. `Row` is what its rows are. */
export type Query<Row = unknown> = { sql: string; params: Value[]; [ROW]?: Row };

/** What a parameter can be. */
type Value = string | number;

/** The rows that each of some queries answers with. */
export type RowsOf<Queries extends readonly Query[]> = {
  [At in keyof Queries]: Queries[At] extends Query<infer Row> ? Row[] : never;
};

/** Writes a query: pieces are taken in as they are, and values become parameters. */
export function query<Row = unknown>(
  texts: TemplateStringsArray,
  ...parts: readonly (Query | Value)[]
): Query<Row> {
  let sql = texts[0] ?? "";
  const params: Value[] = [];
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
  return { sql, params };
}

/** A piece of text, which must be our own: never what a client sent. */
export const raw = (sql: string): Query => ({ sql, params: [] });

/** The condition that all of some conditions hold; those that are undefined are left out. */
export function all(...conditions: readonly (Query | undefined)[]): Query {
  const given = conditions.filter((condition) => condition !== undefined);
  if (given.length === 0) return raw("TRUE");
  return {
    sql: `(${given.map((condition) => condition.sql).join(") AND (")})`,
    params: given.flatMap((condition) => condition.params),
  };
}

/**
 * All columns of a table by their members' names: a row is then what Drizzle would give, in a table without converted
 * values.
 */
export const columnsOf = (table: SQLiteTable, name: string): Query =>
  raw(
    Object.entries(getTableColumns(table))
      .map(([member, column]) => `${name}.${column.name} AS "${member}"`)
      .join(", "),
  );
