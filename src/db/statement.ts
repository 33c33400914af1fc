/**
 * SQL statements as data. Drizzle builds most of them: frequent ones once per process (`compile`), others on demand
 * (`statementOf`). SQL that Drizzle cannot express is text (`query.ts`).
 */
import {
  type Column,
  fillPlaceholders,
  getTableColumns,
  getTableName,
  type InferInsertModel,
  type SQL,
  sql,
} from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";

declare const ROW: unique symbol;
declare const READS: unique symbol;

/** A statement, its parameters as the driver takes them, and the type of its rows. */
export type Statement<Row = unknown> = { sql: string; params: unknown[]; [ROW]?: Row };

/** A statement that only reads. */
export type Query<Row = unknown> = Statement<Row> & { readonly [READS]: true };

/** The rows of each of several statements. */
export type RowsOf<Statements extends readonly Statement[]> = {
  [At in keyof Statements]: Statements[At] extends Statement<infer Row> ? Row[] : never;
};

/** Drizzle without a database: it builds statements but cannot run them. */
export const build = drizzle({} as D1Database);

type Buildable = { toSQL(): { sql: string; params: unknown[] } };
type Select = Buildable & { _: { selectedFields: unknown; result: unknown[] } };
/** The row type of a select, or of a write with `returning`. */
type RowOf<Q> = Q extends { _: { result: (infer Row)[] } } ? Row : unknown;

/** Converts a write of Drizzle's builder to a statement. */
export const statementOf = <Q extends Buildable>(write: Q): Statement<RowOf<Q>> => write.toSQL();

/** Converts a select of Drizzle's builder to a query. Each column needs its name as alias: see `columnsOf`. */
export const queryOf = <Q extends Select>(select: Q): Query<RowOf<Q>> => select.toSQL() as Query<RowOf<Q>>;

/**
 * Builds a query or statement once, with `sql.placeholder` for the values: building takes 65 µs, filling in 0.1 µs.
 * @returns a function that fills in the values
 */
export function compile<Q extends Select>(select: Q): (values: Record<string, unknown>) => Query<RowOf<Q>>;
export function compile<Q extends Buildable>(
  write: Q,
): (values: Record<string, unknown>) => Statement<RowOf<Q>>;
export function compile(built: Buildable): (values: Record<string, unknown>) => Statement {
  const { sql: text, params } = built.toSQL();
  return (values) => ({ sql: text, params: fillPlaceholders(params, values) });
}

/** The type of a column as SQLite returns it: flags are numbers, and JSON is text. */
type Stored<C extends Column> = C["_"]["data"] extends boolean
  ? 0 | 1
  : C["_"]["data"] extends string | number
    ? C["_"]["data"]
    : C["_"]["driverParam"];
type StoredOrNull<C extends Column> = C["_"]["notNull"] extends true ? Stored<C> : Stored<C> | null;

/** All columns of a table as SQLite returns them, each under the name of its member. */
export function columnsOf<T extends SQLiteTable>(
  table: T,
): { [Member in keyof T["_"]["columns"]]: SQL.Aliased<StoredOrNull<T["_"]["columns"][Member]>> } {
  const columns = Object.entries(getTableColumns(table));
  // The names are those of the table's members, which the type of `Object.entries` does not say.
  return Object.fromEntries(
    columns.map(([member, column]) => [member, sql`${column}`.as(member)]),
  ) as ReturnType<typeof columnsOf<T>>;
}

/**
 * The statement that inserts a row. Undefined members get the table's defaults; `computed` members are what a query of
 * one value finds. Written by hand, because every commit has several: building it takes 1.9 µs, and 29.9 µs with Drizzle.
 */
export function insertInto<T extends SQLiteTable>(
  table: T,
  row: InferInsertModel<T>,
  computed: Readonly<Record<string, Query>> = {},
): Statement {
  const values: Record<string, unknown> = row;
  const columns = Object.entries(getTableColumns(table));
  const given = columns.flatMap(([member, column]): { name: string; value: Statement }[] => {
    const query = computed[member];
    if (query) return [{ name: column.name, value: { ...query, sql: `(${query.sql})` } }];
    const value = values[member];
    if (value === undefined) return [];
    const param = value === null ? null : column.mapToDriverValue(value);
    return [{ name: column.name, value: { sql: "?", params: [param] } }];
  });
  const names = given.map(({ name }) => `"${name}"`).join(", ");
  return {
    sql: `INSERT INTO "${getTableName(table)}" (${names}) VALUES (${given.map(({ value }) => value.sql).join(", ")})`,
    params: given.flatMap(({ value }) => value.params),
  };
}
