/** Loading many rows at once: each statement takes hundreds of them as one JSON parameter. */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";

/** Rows per statement: far below the two megabytes that D1 takes as one parameter. */
const AT_ONCE = 500;

/**
 * The statements that insert those rows of a table that it does not have, if it has ids. All rows have the same members;
 * the others are left to the database.
 */
export function insertsOf<Table extends SQLiteTable>(
  d1: D1Database,
  table: Table,
  rows: readonly Table["$inferInsert"][],
): D1PreparedStatement[] {
  const members = Object.keys(rows[0] ?? {});
  const columns = members.map((member) => getTableColumns(table)[member]?.name ?? member);
  const insert = d1.prepare(
    `INSERT INTO ${getTableName(table)} (${columns.join(", ")})
     SELECT ${members.map((member) => `value ->> '${member}'`).join(", ")} FROM json_each(?) WHERE TRUE
     ${members.includes("id") ? "ON CONFLICT (id) DO NOTHING" : ""}`,
  );
  const parts = Array.from({ length: Math.ceil(rows.length / AT_ONCE) }, (_, part) =>
    rows.slice(part * AT_ONCE, (part + 1) * AT_ONCE),
  );
  return parts.map((part) => insert.bind(JSON.stringify(part)));
}

/**
 * Inserts rows of a table that has none of them, one statement after the other. The connection to a local database
 * breaks off now and then under load; a statement whose answer was lost is sent again, and finds its rows there.
 */
export async function insertAll<Table extends SQLiteTable>(
  d1: D1Database,
  table: Table,
  rows: readonly Table["$inferInsert"][],
): Promise<void> {
  for (const insert of insertsOf(d1, table, rows)) await insert.run().catch(() => insert.run());
}
