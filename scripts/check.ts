/** `npm run check`: everything but the tests that must hold before a commit. Ends with the first failure's status. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

function run(command: string, ...args: string[]): void {
  console.log(`\n> ${command} ${args.join(" ")}`);
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run("tsc");
run("biome", "ci", "--error-on-warnings", ".");
run("wrangler", "types", "--include-runtime=false", "--strict-vars=false", "--check", "src/env.d.ts");

// The migrations are current when the schema asks for no further one.
const before = readdirSync("migrations").join();
run("drizzle-kit", "generate");
if (readdirSync("migrations").join() !== before) {
  console.error("src/db/schema.ts had changed: review and commit the migration that was just generated");
  process.exit(1);
}

run("node", "scripts/openapi.ts", "--check");
