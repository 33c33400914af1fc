/** The Worker as it is deployed: built by wrangler, and run by workerd without a proxy in front. */
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../command-line/programs.ts";

/** Builds a Worker into a folder; returns the path of its script. */
export function buildWorker(entry: string, folder: string, configPath = "wrangler.toml"): string {
  rmSync(folder, { recursive: true, force: true });
  const args = [
    "deploy",
    entry,
    "--dry-run",
    "--minify",
    "--env=",
    "--outdir",
    folder,
    "--config",
    configPath,
  ];
  const { status, stderr } = run("wrangler", args);
  if (status !== 0) throw new Error(`${entry} could not be built: ${stderr}`);
  return join(folder, basename(entry).replace(/\.ts$/, ".js"));
}

/** Where a run of tests says to its processes which script it has built for all of them. */
const SHARED = "BUILT_WORKER";

/** The script of the Worker under test. */
export const builtWorker = (): string =>
  process.env[SHARED] ?? buildWorker("src/index.ts", join(".built", String(process.pid)));

/** Builds the Worker once for a run of tests: vitest calls this before its processes start. */
export default function buildOnce(): void {
  process.env[SHARED] = buildWorker("src/index.ts", join(".built", "tests"));
}
