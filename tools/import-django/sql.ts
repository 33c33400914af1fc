/** The statements that write what was converted, for a database that holds nothing yet. */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import {
  bookings,
  cars,
  commissions,
  notifications,
  sales,
  staffProfiles,
  users,
} from "../../src/db/schema.ts";
import { literal } from "../database/literal.ts";
import type { Conversion } from "./convert.ts";

/** D1 takes statements of at most 100,000 bytes; one row of ours is shorter than the rest of that. */
const STATEMENT_BYTES = 40_000;

/** The statements that insert rows which all give the same columns, as few as D1 takes. */
function inserts<Table extends SQLiteTable>(table: Table, rows: readonly Table["$inferInsert"][]): string[] {
  const columns = Object.entries(getTableColumns(table)).filter(
    ([key]) => rows[0] && Object.hasOwn(rows[0], key),
  );
  const head = `INSERT INTO ${getTableName(table)} (${columns.map(([, { name }]) => name).join(", ")}) VALUES`;
  const statements: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const given = new Map<string, unknown>(Object.entries(row));
    const values = columns.map(([key, column]) => {
      const value = given.get(key) ?? null;
      const stored = value === null ? null : column.mapToDriverValue(value);
      return literal(typeof stored === "number" || stored === null ? stored : String(stored));
    });
    const tuple = `(${values.join(", ")})`;
    bytes += Buffer.byteLength(tuple);
    if (bytes > STATEMENT_BYTES) {
      statements.push([]);
      bytes = Buffer.byteLength(tuple);
    }
    statements.at(-1)?.push(tuple);
  }
  return statements.map((tuples) => `${head}\n${tuples.join(",\n")}`);
}

/** The CHECK that the first statement breaks when the database holds users or cars. */
export const NOT_EMPTY = "users_username_length";

const ONLY_WHEN_EMPTY = `INSERT INTO users (id, username, username_key, password_hash, created_at, updated_at)
  SELECT 'none', '', '', '', 0, 0 WHERE EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM cars)`;

/** What else is written: who gets a mail to set a new password, and when. */
export type ResetRequest = { askReset: boolean; newId: () => string; now: number };

const isOutOfStock = ({ status }: { status?: string }) => status === "SOLD" || status === "REMOVED";

/** The statements, in the order that the database's rules ask for. To be run as one transaction. */
export function statementsOf({ rows, locked }: Conversion, { askReset, newId, now }: ResetRequest): string[] {
  const inStock = rows.cars.map((car) =>
    isOutOfStock(car) ? { ...car, status: "AVAILABLE" as const } : car,
  );
  const resets = locked.flatMap(({ userId, email }) =>
    email === null
      ? []
      : [
          {
            id: newId(),
            kind: "password_reset" as const,
            recipient: email,
            userId,
            facts: {},
            createdAt: now,
            nextAttemptAt: now,
          },
        ],
  );
  return [
    ONLY_WHEN_EMPTY,
    ...inserts(users, rows.users),
    ...inserts(staffProfiles, rows.staff),
    // Every car was in stock when it was booked and sold.
    ...inserts(cars, inStock),
    ...inserts(bookings, rows.bookings),
    ...inserts(sales, rows.sales),
    ...inserts(commissions, rows.commissions),
    ...rows.cars
      .filter(isOutOfStock)
      .map(
        ({ id, status }) => `UPDATE cars SET status = ${literal(status ?? null)} WHERE id = ${literal(id)}`,
      ),
    ...(askReset ? inserts(notifications, resets) : []),
  ];
}
