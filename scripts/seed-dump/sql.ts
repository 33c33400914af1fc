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
import { literal } from "../literal.ts";
import type { Conversion } from "./convert.ts";

function insert<Table extends SQLiteTable>(table: Table, row: Table["$inferInsert"]): string {
  const given = new Map<string, unknown>(Object.entries(row));
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => given.get(key) !== undefined);
  const values = columns.map(([key, column]) => {
    const value = given.get(key);
    const stored = value === null ? null : column.mapToDriverValue(value);
    return literal(
      typeof stored === "string" || typeof stored === "number" || stored === null ? stored : String(stored),
    );
  });
  const names = columns.map(([, column]) => column.name);
  return `INSERT INTO ${getTableName(table)} (${names.join(", ")}) VALUES (${values.join(", ")})`;
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
  return [
    ONLY_WHEN_EMPTY,
    ...rows.users.map((row) => insert(users, row)),
    ...rows.staff.map((row) => insert(staffProfiles, row)),
    // Every car was in stock when it was booked and sold.
    ...inStock.map((row) => insert(cars, row)),
    ...rows.bookings.map((row) => insert(bookings, row)),
    ...rows.sales.map((row) => insert(sales, row)),
    ...rows.commissions.map((row) => insert(commissions, row)),
    ...rows.cars
      .filter(isOutOfStock)
      .map(
        ({ id, status }) => `UPDATE cars SET status = ${literal(status ?? null)} WHERE id = ${literal(id)}`,
      ),
    ...locked.flatMap(({ userId, email }) =>
      askReset && email !== null
        ? [
            insert(notifications, {
              id: newId(),
              kind: "password_reset",
              recipient: email,
              userId,
              facts: {},
              createdAt: now,
              nextAttemptAt: now,
            }),
          ]
        : [],
    ),
  ];
}
