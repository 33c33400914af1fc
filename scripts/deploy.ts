/** `npm run deploy`: migrations, an upload that nobody sees, a smoke test, some of the requests, all of them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, readOptions } from "../tools/command-line/arguments.ts";
import { run } from "../tools/command-line/programs.ts";
import { faultsOf, readEnvironment } from "../tools/deploy/preflight.ts";
import { type Ran, RolloutFailed, rollOut } from "../tools/deploy/rollout.ts";
import { smoke } from "../tools/deploy/smoke.ts";

const { env, percent, minutes, whole } = readOptions(
  `npm run deploy -- [--env staging] [--percent N] [--minutes N] [--whole]

Deploys in steps: applies the migrations, uploads a version, tests it without a share of the requests, gives it --percent
of them for --minutes, tests it again, and gives it all. When a step fails, the version before gets all requests back.
--whole deploys for all requests at once, which a changed Durable Object class needs. The first deployment does so, too.`,
  { env: "", percent: 10, minutes: 5, whole: false },
);
if (percent < 1 || percent > 99) fail("--percent is a number from 1 to 99");

const { status, stderr } = run("node", ["scripts/check-migrations.ts"]);
if (status !== 0) fail(stderr);

const environment = readEnvironment(env);
const say = (step: string) => console.log(`> ${step}`);

/** Runs wrangler without questions, for this environment, and reads from its record what it uploaded. */
function wrangler(...args: string[]): Ran {
  const folder = mkdtempSync(join(tmpdir(), "deploy-"));
  const record = join(folder, "record.ndjson");
  try {
    const ran = run("wrangler", [...args, `--env=${env}`], {
      env: { ...process.env, CI: "1", WRANGLER_OUTPUT_FILE_PATH: record },
    });
    const isQuery = args.includes("--json");
    if (!isQuery) process.stdout.write(ran.stdout);
    return {
      ok: ran.status === 0,
      output: isQuery && ran.status === 0 ? ran.stdout : `${ran.stdout}${ran.stderr}`,
      uploaded: args[1] === "upload" ? uploadedVersion(record) : undefined,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const uploadedVersion = (record: string): string | undefined =>
  readFileSync(record, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .find(({ type }) => type === "version-upload")?.version_id;

async function test(version?: string): Promise<string[]> {
  const url = String(environment.vars["PUBLIC_URL"]);
  const tested = version === undefined ? {} : { version: { id: version, worker: environment.name } };
  const results = await smoke(url, tested);
  return results.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]));
}

try {
  const wait = () => new Promise<void>((done) => setTimeout(done, minutes * 60_000));
  const choices = { percent, isWhole: whole, faults: faultsOf(environment) };
  await rollOut({ wrangler, smoke: test, wait, say }, choices);
} catch (error) {
  fail(error instanceof RolloutFailed ? error.message : String(error));
}
