import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "import-django-"));
const env = { ...process.env, CI: "1", CLOUDFLARE_CF_FETCH_ENABLED: "false" };

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, [...args, "--persist-to", folder], {
    encoding: "utf8",
    env,
  });
  return { status, output: `${stdout}${stderr}` };
}

const importSeed = (...args: string[]) => run("node", "scripts/import-django.ts", ...args);
const DUMP = "test/fixtures/django.sql";

/** A value of the database, as an operator would ask for it. */
function ask(sql: string): unknown {
  const { output } = run("wrangler", "d1", "execute", "DB", "--local", "--json", "--command", sql);
  return Object.values(JSON.parse(output.slice(output.indexOf("[\n")))[0].results[0])[0];
}

beforeAll(() => {
  expect(run("wrangler", "d1", "migrations", "apply", "DB", "--local").status).toBe(0);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

test("the command loads all of a dump that the operator lets in, once, or nothing", {
  timeout: 240_000,
}, () => {
  const refused = importSeed(DUMP);
  expect(refused.status).toBe(1);
  expect(refused.output).toContain("sales 9: sale_price");
  expect(refused.output).toContain("Nothing was loaded. Mend these rows");

  const loaded = importSeed(DUMP, "--skip-invalid", "--ask-reset");
  expect(loaded.output).toContain("counts and sums agree");
  expect(loaded.status).toBe(0);
  expect(ask("SELECT sum(amount_cents) FROM commissions")).toBe(164_864);
  expect(ask("SELECT count(*) FROM notifications WHERE kind = 'password_reset'")).toBe(12);

  const again = importSeed(DUMP, "--skip-invalid");
  expect(again.status).toBe(1);
  expect(again.output).toContain("the database has users or cars already");
  expect(ask("SELECT count(*) FROM users")).toBe(20);
});

test("the command explains itself when it is called wrongly", () => {
  expect(importSeed().output).toContain("Usage:");
  expect(importSeed(DUMP, "--table", "cars").output).toContain("Not of the form NAME=NAME: cars");
  expect(importSeed("package.json").output).toContain("is it a whole, plain-SQL pg_dump?");
  const missing = importSeed("nowhere.sql");
  expect([missing.status, missing.output]).toEqual([1, "There is no file nowhere.sql\n"]);
});
