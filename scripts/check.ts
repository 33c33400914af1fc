/** `npm run check`: everything but the tests that must hold before a commit. Ends with the first failure's status. */
import { readdirSync } from "node:fs";
import { readOptions } from "../tools/command-line/arguments.ts";
import { type Program, run } from "../tools/command-line/programs.ts";

readOptions(
  `npm run check

Checks types, lint and format, dead code and dependencies, and whether all generated files are current.`,
  {},
);

function step(program: Program | "node", ...args: string[]): void {
  console.log(`\n> ${program} ${args.join(" ")}`);
  const { status } = run(program, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status);
}

step("tsc");
step("biome", "ci", "--error-on-warnings", ".");
step("knip");
step(
  "wrangler",
  "types",
  "--include-runtime=false",
  "--strict-vars=false",
  "--check",
  "src/env.d.ts",
  "--env-file",
  ".secrets.example",
);

// The migrations are current when the schema needs no further one.
const before = readdirSync("migrations").join();
step("drizzle-kit", "generate");
if (readdirSync("migrations").join() !== before) {
  console.error("src/db/schema.ts had changed: review and commit the migration that was just generated");
  process.exit(1);
}

step("node", "scripts/check-migrations.ts");

// What wrangler would upload, of both environments. A warning is a mistake in wrangler.toml that nobody sees in CI.
for (const env of ["", "staging"]) {
  console.log(`\n> wrangler deploy --dry-run --env=${env}`);
  const { status, stdout, stderr } = run("wrangler", ["deploy", "--dry-run", "--minify", `--env=${env}`]);
  if (status !== 0 || /WARNING/.test(stdout + stderr)) {
    console.error(stdout + stderr);
    process.exit(1);
  }
}

step("node", "scripts/openapi.ts", "--check");
step("node", "scripts/docs.ts", "--check");
