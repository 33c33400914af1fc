/** Loading many rows at once: each statement takes hundreds of them as one JSON parameter. */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";

/** Rows per statement: far below the two megabytes that D1 takes as one parameter. */
const AT_ONCE = 500;

/** Inserts rows of a table. Members that a row does not have are left to the database, so all rows have the same. */
export async function insertAll<Table extends SQLiteTable>(
  d1: D1Database,
  table: Table,
  rows: readonly Table["$inferInsert"][],
): Promise<void> {
  const members = Object.keys(rows[0] ?? {});
  const columns = members.map((member) => getTableColumns(table)[member]?.name ?? member);
  const insert = d1.prepare(
    `INSERT INTO ${getTableName(table)} (${columns.join(", ")})
     SELECT ${members.map((member) => `value ->> '${member}'`).join(", ")} FROM json_each(?)`,
  );
  for (let at = 0; at < rows.length; at += AT_ONCE)
    await insert.bind(JSON.stringify(rows.slice(at, at + AT_ONCE))).run();
}
