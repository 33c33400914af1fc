/**
 * `npm run import-django -- dump.sql [--remote] [--skip-invalid] [--ask-reset] [--dry-run]`: moves the facts of the seed
 * (a plain-SQL `pg_dump` of it) into an empty, migrated database. All of them or nothing: rows that break a rule are
 * listed, and unless `--skip-invalid` says that the rest shall go in without them, nothing is loaded.
 * `--ask-reset` sends those a mail whose passwords cannot be checked here. `--table AREA=NAME` and
 * `--column AREA.FIELD=NAME` say where something is that is called otherwise (see tools/import-django/tables.ts).
 * `--env NAME` and `--persist-to FOLDER` are handed to `wrangler d1 execute`.
 */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { uuidv7 } from "uuidv7";
import { unstable_readConfig } from "wrangler";
import { executeSql, queryRow } from "../tools/database/d1.ts";
import { convert } from "../tools/import-django/convert.ts";
import { parseDump, UnreadableDump } from "../tools/import-django/parse.ts";
import { report, TOTALS_QUERY, totalsFrom, totalsOf } from "../tools/import-django/report.ts";
import { NOT_EMPTY, statementsOf } from "../tools/import-django/sql.ts";
import { findSources } from "../tools/import-django/tables.ts";

const { values, positionals, tokens } = parseArgs({
  options: {
    remote: { type: "boolean", default: false },
    "skip-invalid": { type: "boolean", default: false },
    "ask-reset": { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
    table: { type: "string", multiple: true, default: [] },
    column: { type: "string", multiple: true, default: [] },
    env: { type: "string" },
    "persist-to": { type: "string" },
  },
  allowPositionals: true,
  tokens: true,
});
const passedOn = tokens.flatMap((token) =>
  token.kind === "option" && ["env", "persist-to"].includes(token.name)
    ? [token.rawName, token.value ?? ""]
    : [],
);
const target = { remote: values.remote, passedOn };

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

const [file, ...others] = positionals;
if (!file || others.length > 0)
  fail("Usage: npm run import-django -- dump.sql [--remote] [--skip-invalid] [--ask-reset] [--dry-run]");

if (!existsSync(file)) fail(`There is no file ${file}`);

const names = Object.fromEntries(
  [...values.table, ...values.column].map((given) => {
    const [name, ...rest] = given.split("=");
    if (!name || rest.length !== 1 || !rest[0]) fail(`Not of the form NAME=NAME: ${given}`);
    return [name, rest[0]];
  }),
);

function readSources(path: string) {
  try {
    return findSources(parseDump(readFileSync(path, "utf8")), names);
  } catch (error) {
    if (error instanceof UnreadableDump) fail(error.message);
    throw error;
  }
}

const now = Date.now();
const { vars } = unstable_readConfig({ config: "wrangler.toml", ...(values.env ? { env: values.env } : {}) });
const sources = readSources(file);
const conversion = convert(
  sources,
  {
    now,
    hours: {
      timeZone: String(vars["SHOWROOM_TIME_ZONE"]),
      horizonDays: Number(vars["BOOKING_HORIZON_DAYS"]),
    },
    defaultCurrency: String(vars["DEFAULT_CURRENCY"]),
  },
  uuidv7,
);
console.log(report(sources, conversion));

if (values["dry-run"]) process.exit(0);
if (conversion.refused.length > 0 && !values["skip-invalid"])
  fail(
    "\nNothing was loaded. Mend these rows in the seed and dump again, or load the rest with --skip-invalid.",
  );

const statements = statementsOf(conversion, { askReset: values["ask-reset"], newId: uuidv7, now });
const { ok, output } = executeSql(`${statements.join(";\n")};\n`, target);
if (output.includes(NOT_EMPTY)) fail("\nNothing was loaded: the database has users or cars already.");
if (!ok) fail(`\nNothing was loaded.\n${output}`);

const stored = totalsFrom(queryRow(TOTALS_QUERY, target));
const { written } = totalsOf(sources, conversion);
if (JSON.stringify(stored) !== JSON.stringify(written))
  fail(`\nThe database does not hold what was written to it: ${JSON.stringify(stored)}`);
console.log(`\nLoaded into the ${values.remote ? "remote" : "local"} database; counts and sums agree.`);
