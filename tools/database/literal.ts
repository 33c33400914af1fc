/** Values in the text of SQL. */

/** How a value is written in SQL. */
export function literal(value: string | number | null): string {
  if (typeof value !== "string") return String(value);
  // wrangler refuses, or cuts out, these words wherever they stand in a file.
  return value.includes("BEGIN TRANSACTION")
    ? `CAST(X'${Buffer.from(value).toString("hex")}' AS TEXT)`
    : `'${value.replaceAll("'", "''")}'`;
}

/** Values as they stand between the brackets of an INSERT. */
export const literals = (...values: Array<string | number | null>): string => values.map(literal).join(", ");
