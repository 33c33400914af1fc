import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../tools/command-line/programs.ts";
import { createTables, openLocalStorage } from "../../tools/database/local-storage.ts";
import { type ImportOptions, importDump, NothingLoaded } from "../../tools/import-django/command.ts";

const DUMP = "test/fixtures/django.sql";

const folder = mkdtempSync(join(tmpdir(), "import-django-"));
const env = { ...process.env, CI: "1", CLOUDFLARE_CF_FETCH_ENABLED: "false" };

/** Runs the command as an operator does. */
function command(...args: string[]) {
  const { status, stdout, stderr } = run("node", ["scripts/import-django.ts", ...args], { env });
  return { status, output: `${stdout}${stderr}` };
}

/** Runs the import in this process; it does not reach its database. Returns what it says. */
function refusal(more: Partial<ImportOptions>): string {
  const said: string[] = [];
  const options = { file: DUMP, names: [], skipInvalid: false, askReset: false, dryRun: false, ...more };
  try {
    importDump(options, { remote: false, passedOn: ["--persist-to", folder] }, (text) => said.push(text));
  } catch (error) {
    if (error instanceof NothingLoaded) return [...said, error.message].join("\n");
    throw error;
  }
  throw new Error("it was loaded");
}

/** Works on the database in the folder. */
async function withDatabase<T>(work: (d1: D1Database) => Promise<T>): Promise<T> {
  const { d1, close } = await openLocalStorage(folder);
  try {
    return await work(d1);
  } finally {
    await close();
  }
}

beforeAll(() => withDatabase(createTables));
afterAll(() => rmSync(folder, { recursive: true }));

test("the command loads the valid rows of a dump once, and refuses a second time", async () => {
  const loaded = command(DUMP, "--skip-invalid", "--ask-reset", "--persist-to", folder);
  expect(loaded.output).toContain("counts and sums agree");
  expect(loaded.status).toBe(0);

  const again = command(DUMP, "--skip-invalid", "--persist-to", folder);
  expect(again.output).toContain("the database has users or cars already");
  expect(again.status).toBe(1);

  const held = await withDatabase((d1) =>
    d1
      .prepare(
        `SELECT (SELECT sum(amount_cents) FROM commissions) AS commissions,
           (SELECT count(*) FROM notifications WHERE kind = 'password_reset') AS resets,
           (SELECT count(*) FROM users) AS users`,
      )
      .first(),
  );
  expect(held).toEqual({ commissions: 164_864, resets: 12, users: 20 });
}, 120_000);

test("a dump with rows that violate a rule is not loaded, unless the operator skips these rows", () => {
  const said = refusal({});
  expect(said).toContain("sales 9: sale_price");
  expect(said).toContain("Nothing was loaded. Correct these rows");
});

test("a file that cannot be read is refused with an explanation", () => {
  expect(refusal({ names: ["cars"] })).toBe("Not of the form NAME=NAME: cars");
  expect(refusal({ file: "package.json" })).toContain("is it a whole, plain-SQL pg_dump?");
  expect(refusal({ file: "nowhere.sql" })).toBe("There is no file nowhere.sql");
});

test("a command without a dump prints its usage", () => {
  const { status, output } = command();
  expect([status, output]).toEqual([1, expect.stringContaining("Usage: npm run import-django")]);
});
