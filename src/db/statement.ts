/** SQL as data: what one part of the house asks another to commit in its batch, also over RPC. */

import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";

/** One statement and its parameters, as the driver takes them. */
export type Statement = { sql: string; params: unknown[] };

/** Turns a Drizzle query into a statement. */
export const statementOf = (query: { toSQL(): Statement }): Statement => query.toSQL();

/**
 * The statement that inserts a row, of which what is undefined is left to the table. Written by hand, because it is the
 * heart of every commit, and having Drizzle build it costs more than the rest of deciding it.
 */
export function insertInto<T extends SQLiteTable>(table: T, row: T["$inferInsert"]): Statement {
  const values: Record<string, unknown> = row;
  const given = Object.entries(getTableColumns(table)).filter(([member]) => values[member] !== undefined);
  const names = given.map(([, column]) => `"${column.name}"`).join(", ");
  return {
    sql: `INSERT INTO "${getTableName(table)}" (${names}) VALUES (${given.map(() => "?").join(", ")})`,
    params: given.map(([member, column]) =>
      values[member] === null ? null : column.mapToDriverValue(values[member]),
    ),
  };
}
