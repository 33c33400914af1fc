/** The whole import: from the text of a dump to a database that holds it. */
import { existsSync, readFileSync } from "node:fs";
import { uuidv7 } from "uuidv7";
import { unstable_readConfig } from "wrangler";
import { executeSql, queryRow, type Target } from "../database/d1.ts";
import { convert } from "./convert.ts";
import { parseDump, UnreadableDump } from "./parse.ts";
import { report, TOTALS_QUERY, totalsFrom, totalsOf } from "./report.ts";
import { NOT_EMPTY, statementsOf } from "./sql.ts";
import { findSources } from "./tables.ts";

/** The operator's options. `names`: tables and columns that are called otherwise, as `NAME=NAME`. */
export type ImportOptions = {
  file: string;
  names: readonly string[];
  skipInvalid: boolean;
  askReset: boolean;
  dryRun: boolean;
  /** The environment of wrangler.toml whose showroom it is; the local one when there is none. */
  environment?: string | undefined;
};

/** The reason why nothing was loaded, in words for the operator. */
export class NothingLoaded extends Error {}

/**
 * Loads a dump into an empty, migrated database: all of it, or what the rules let in, or nothing.
 * @throws {NothingLoaded} when it does not
 */
export function importDump(options: ImportOptions, target: Target, print: (text: string) => void): void {
  const { file, environment, askReset } = options;
  const sources = readSources(file, options.names);
  const now = Date.now();
  const { vars } = unstable_readConfig({
    config: "wrangler.toml",
    ...(environment ? { env: environment } : {}),
  });
  const hours = {
    timeZone: String(vars["SHOWROOM_TIME_ZONE"]),
    horizonDays: Number(vars["BOOKING_HORIZON_DAYS"]),
  };
  const conversion = convert(
    sources,
    { now, hours, defaultCurrency: String(vars["DEFAULT_CURRENCY"]) },
    uuidv7,
  );
  print(report(sources, conversion));

  if (options.dryRun) return;
  if (conversion.refused.length > 0 && !options.skipInvalid)
    throw new NothingLoaded(
      "\nNothing was loaded. Correct these rows in the source and dump it again, or load the rest with --skip-invalid.",
    );

  const statements = statementsOf(conversion, { askReset, newId: uuidv7, now });
  const { ok, output } = executeSql(`${statements.join(";\n")};\n`, target);
  if (output.includes(NOT_EMPTY))
    throw new NothingLoaded("\nNothing was loaded: the database has users or cars already.");
  if (!ok) throw new NothingLoaded(`\nNothing was loaded.\n${output}`);

  const stored = totalsFrom(queryRow(TOTALS_QUERY, target));
  const { written } = totalsOf(sources, conversion);
  if (JSON.stringify(stored) !== JSON.stringify(written))
    throw new Error(`the database does not hold what was written to it: ${JSON.stringify(stored)}`);
  print(`\nLoaded into the ${target.remote ? "remote" : "local"} database; counts and sums agree.`);
}

function readSources(file: string, given: readonly string[]) {
  if (!existsSync(file)) throw new NothingLoaded(`There is no file ${file}`);
  const names = Object.fromEntries(given.map(pairOf));
  try {
    return findSources(parseDump(readFileSync(file, "utf8")), names);
  } catch (error) {
    if (error instanceof UnreadableDump) throw new NothingLoaded(error.message);
    throw error;
  }
}

function pairOf(given: string): [string, string] {
  const [name, value, ...rest] = given.split("=");
  if (!name || !value || rest.length > 0) throw new NothingLoaded(`Not of the form NAME=NAME: ${given}`);
  return [name, value];
}
