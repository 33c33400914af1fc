/** Finds the rule of the schema that a failed statement violated. */

const RAISED = [
  "slot_taken",
  "customer_busy",
  "salesperson_busy",
  "salesperson_absent",
  "salesperson_not_active",
  "no_salesperson_free",
  "hold_expired",
  "too_many_holds",
  "schedule_changed",
  "unknown_showroom",
  "last_showroom",
  "has_bookings",
  "too_many_special_hours",
  "car_not_bookable",
  "illegal_transition",
  "too_early",
  "too_late",
  "fenced",
  "sold_needs_sale",
  "car_not_sellable",
  "not_the_cars_currency",
  "username_taken",
  "email_taken",
  "last_admin",
  "immutable",
  "not_signed_in",
  "too_many_bookings",
  "too_many_changes",
  "email_not_verified",
  "unknown_kind",
] as const;

/**
 * A code raised by a trigger, a unique index (first column as `table.column`, or its name when it is on an expression), a missing value, a CHECK, a foreign key,
 * or other.
 */
export type Violation =
  | (typeof RAISED)[number]
  | `unique:${string}`
  | `null:${string}`
  | `check:${string}`
  | "foreign_key"
  | "other";

/**
 * Names the constraint that made D1 refuse a statement or a batch, which then had no effect. `undefined` when the error
 * is not a violation: the outcome of the statement is then unknown.
 */
export function violationOf(error: unknown): Violation | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (!e.message.includes("SQLITE_CONSTRAINT")) continue;
    const raised = RAISED.find((code) => e.message.includes(`${code}: SQLITE_CONSTRAINT`));
    if (raised) return raised;
    const unique = /UNIQUE constraint failed: (?:index ')?([\w.]+)/.exec(e.message);
    if (unique) return `unique:${unique[1]}`;
    const missing = /NOT NULL constraint failed: ([\w.]+)/.exec(e.message);
    if (missing) return `null:${missing[1]}`;
    const check = /CHECK constraint failed: (\w+)/.exec(e.message);
    if (check) return `check:${check[1]}`;
    return e.message.includes("FOREIGN KEY") ? "foreign_key" : "other";
  }
  return undefined;
}
