/** `npm run check-migrations`: migrations only add, so that the version before works with them, and a rollback does. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, readOptions } from "../tools/command-line/arguments.ts";
import { contractions } from "../tools/database/expand-only.ts";

readOptions(
  `npm run check-migrations

Refuses migrations that take something away: DROP TABLE, VIEW, TRIGGER or COLUMN, and RENAME. A comment before the
statement, "-- Contracts: REASON", says why the Worker of the version before works without it.`,
  {},
);

const faults = readdirSync("migrations")
  .filter((file) => file.endsWith(".sql"))
  .flatMap((file) =>
    contractions(readFileSync(join("migrations", file), "utf8")).map(
      (statement) => `  ${file}: ${statement}`,
    ),
  );
if (faults.length > 0)
  fail(
    `These statements take something away that the running version may use. Remove them, or say before each why it is safe ("-- Contracts: REASON"):\n${faults.join("\n")}`,
  );
