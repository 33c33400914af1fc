/** The Worker as it is deployed: built by wrangler, and run by workerd without a proxy in front. */
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../command-line/programs.ts";

/** Builds a Worker into a folder; returns the path of its script. */
export function buildWorker(entry: string, folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  const args = ["deploy", entry, "--dry-run", "--minify", "--env=", "--outdir", folder];
  const { status, stderr } = run("wrangler", args);
  if (status !== 0) throw new Error(`${entry} could not be built: ${stderr}`);
  return join(folder, basename(entry).replace(/\.ts$/, ".js"));
}
