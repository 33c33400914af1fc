/** Writing to a D1 database from the command line, through wrangler. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../command-line/programs.ts";

/** The database, and other options of wrangler, such as `--env` or `--persist-to`. */
export type Target = { remote: boolean; passedOn: readonly string[] };

function execute(target: Target, ...more: string[]): { ok: boolean; output: string; stdout: string } {
  const where = target.remote ? "--remote" : "--local";
  const { status, stdout, stderr } = run("wrangler", [
    "d1",
    "execute",
    "DB",
    where,
    "--yes",
    ...more,
    ...target.passedOn,
  ]);
  return { ok: status === 0, output: `${stdout}${stderr}`, stdout };
}

/** Runs the statements of one text as one transaction: all of them, or none. */
export function executeSql(sql: string, target: Target): { ok: boolean; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "d1-"));
  try {
    const file = join(folder, "statements.sql");
    writeFileSync(file, sql, { mode: 0o600 });
    return execute(target, "--file", file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The first row of a query. @throws when the database cannot be reached */
export function queryRow(sql: string, target: Target): Record<string, unknown> {
  const { ok, output, stdout } = execute(target, "--json", "--command", sql);
  if (!ok) throw new Error(output);
  return JSON.parse(stdout.slice(stdout.indexOf("[")))[0].results[0];
}
