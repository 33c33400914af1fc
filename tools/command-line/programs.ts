/** Starts programs of node_modules by this Node, without a shell: the same on every system. */
import {
  type ChildProcess,
  type SpawnOptions,
  type SpawnSyncOptionsWithStringEncoding,
  spawn,
  spawnSync,
} from "node:child_process";
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";

/** Which package brings a program. */
const PACKAGES = {
  biome: "@biomejs/biome",
  "drizzle-kit": "drizzle-kit",
  knip: "knip",
  tsc: "typescript",
  vitest: "vitest",
  wrangler: "wrangler",
} as const;

/** A program of node_modules. */
export type Program = keyof typeof PACKAGES;

/** What follows the path of Node on the command line: the program's script and its arguments, or a script of ours. */
const lineOf = (program: Program | "node", args: readonly string[]): string[] =>
  program === "node" ? [...args] : [scriptOf(program), ...args];

function scriptOf(program: Program): string {
  const description = findPackageJSON(PACKAGES[program], import.meta.url);
  if (!description) throw new Error(`${PACKAGES[program]} is not installed: run "npm ci"`);
  const { bin } = JSON.parse(readFileSync(description, "utf8"));
  return join(dirname(description), typeof bin === "string" ? bin : bin[program]);
}

/**
 * Runs a program to its end.
 * @throws when it could not be started, or was ended by a signal
 */
export function run(
  program: Program | "node",
  args: readonly string[],
  options: Omit<SpawnSyncOptionsWithStringEncoding, "encoding" | "shell"> = {},
): { status: number; stdout: string; stderr: string } {
  const ended = spawnSync(process.execPath, lineOf(program, args), {
    maxBuffer: 256 * 1024 * 1024,
    ...options,
    encoding: "utf8",
  });
  if (ended.status === null)
    throw new Error(`${program} did not run to its end: ${ended.error?.message ?? ended.signal}`);
  return { status: ended.status, stdout: ended.stdout, stderr: ended.stderr };
}

/** Starts a program that goes on while this process does other things. */
export function start(
  program: Program | "node",
  args: readonly string[],
  options: Omit<SpawnOptions, "shell"> = {},
): ChildProcess {
  const child = spawn(process.execPath, lineOf(program, args), options);
  child.once("error", (error) => {
    throw new Error(`${program} could not be started: ${error.message}`);
  });
  return child;
}
