/** Which statements of a migration a Worker of the version before may not survive. */

/**
 * What takes something away that the version before may use. It still runs when the migrations are applied, and again
 * after a rollback.
 */
const CONTRACTS = /\b(DROP\s+(TABLE|VIEW|TRIGGER|COLUMN)|RENAME\s+(TO|COLUMN)|RENAME\s+\S+\s+TO)\b/i;

/** The comment before a statement that says why it is safe all the same. */
const REASON = /^\s*-- Contracts: \S.*$/im;

/** The first line of each statement of a migration that contracts the schema without a reason. */
export function contractions(migration: string): string[] {
  return migration
    .split("--> statement-breakpoint")
    .filter((text) => !REASON.test(text))
    .map((text) => text.replaceAll(/--.*$/gm, "").trim())
    .filter((statement) => CONTRACTS.test(withoutBodies(statement)))
    .map((statement) => statement.split("\n")[0] ?? "");
}

/** Without quoted names and texts, in which the words mean nothing. */
const withoutBodies = (statement: string): string => statement.replaceAll(/'[^']*'|`[^`]*`|"[^"]*"/g, "x");
