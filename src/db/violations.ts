/** Which rule of the schema a failed statement broke. */

const RAISED = [
  "slot_taken",
  "car_not_bookable",
  "illegal_transition",
  "fenced",
  "sold_needs_sale",
  "car_not_sellable",
  "username_taken",
  "email_taken",
  "last_admin",
  "immutable",
  "not_signed_in",
] as const;

/** A rule raised by a trigger, the first column of a unique index as `table.column`, a named CHECK, a foreign key, or another. */
export type Violation =
  | (typeof RAISED)[number]
  | `unique:${string}`
  | `check:${string}`
  | "foreign_key"
  | "other";

/**
 * Names the constraint that made D1 refuse a statement or a batch (which then did nothing at all).
 * `undefined` means that the error is not a refusal: the outcome of the statement is then unknown.
 */
export function violationOf(error: unknown): Violation | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (!e.message.includes("SQLITE_CONSTRAINT")) continue;
    const raised = RAISED.find((code) => e.message.includes(`${code}: SQLITE_CONSTRAINT`));
    if (raised) return raised;
    const unique = /UNIQUE constraint failed: ([\w.]+)/.exec(e.message);
    if (unique) return `unique:${unique[1]}`;
    const check = /CHECK constraint failed: (\w+)/.exec(e.message);
    if (check) return `check:${check[1]}`;
    return e.message.includes("FOREIGN KEY") ? "foreign_key" : "other";
  }
  return undefined;
}
