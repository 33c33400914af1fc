/** `npm run bench:against`: this checkout beside an earlier commit. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { OPERATIONS } from "../tools/bench/operations.ts";
import type { Round, RoundResult } from "../tools/bench/side.ts";
import { fail, readOptions } from "../tools/command-line/arguments.ts";
import { run } from "../tools/command-line/programs.ts";

const { commit, rounds, seconds, connections, only, port } = readOptions(
  `npm run bench:against -- --commit REF [--rounds N] [--seconds N] [--connections N] [--only "A|B"]

Starts the Worker of a commit beside the one of this folder, each with 10,000 cars, and sends them the same requests in
turns, so that whatever else the machine does meets both. Prints the rate of this one over that of the commit.`,
  { commit: "HEAD~1", rounds: 5, seconds: 1.5, connections: 16, only: "", port: 8830 },
);

const folder = mkdtempSync(join(tmpdir(), "bench-against-"));
const git = (...args: string[]) => spawnSync("git", args, { encoding: "utf8" });
const added = git("worktree", "add", "--detach", folder, commit);
if (added.status !== 0) fail(added.stderr);
// The commit may need other packages than this folder. npm names its own script.
const npm = process.env["npm_execpath"] ?? fail("Start this with npm run bench:against.");
console.log(`Installing the packages of ${commit} …`);
run("node", [npm, "ci", "--no-audit", "--no-fund"], { cwd: folder });

const sides: ChildProcess[] = [];

/** Starts one side; ready once its stage is set. */
function start(cwd: string, at: number): Promise<ChildProcess> {
  const tools = ["tools/bench", "test/bench"].find((path) => existsSync(join(cwd, path))) ?? "";
  mkdirSync(join(cwd, ".bench"), { recursive: true });
  copyFileSync("tools/bench/side.ts", join(cwd, ".bench/side.ts"));
  // Older checkouts start wrangler by its name.
  const PATH = [join(cwd, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  const side = fork(".bench/side.ts", [join(cwd, tools), String(at)], {
    cwd,
    env: { ...process.env, PATH },
  });
  // At once: it has to be ended also when the other one cannot start.
  sides.push(side);
  return new Promise((done, failed) => {
    side.once("message", () => done(side));
    side.once("exit", (code) => failed(new Error(`a side ended with ${code}`)));
  });
}

function play(side: ChildProcess, round: Round): Promise<number> {
  return new Promise((done, failed) => {
    side.once("message", ({ rate, strange }: RoundResult) =>
      strange.length > 0 ? failed(new Error(`${round.name} answers ${strange}`)) : done(rate),
    );
    side.send(round);
  });
}

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const median = (numbers: readonly number[]) => sorted(numbers)[Math.floor(numbers.length / 2)] ?? 0;

try {
  const [before, after] = [await start(folder, port), await start(process.cwd(), port + 10)];
  const wanted = only === "" ? OPERATIONS.map(({ name }) => name) : only.split("|");
  console.log(`| operation | ${commit}, requests/s | this | ratio (lowest–highest) |\n|---|---:|---:|---:|`);
  for (const name of wanted.filter((name) => name !== "login")) {
    const [old, present]: [number[], number[]] = [[], []];
    for (const side of sides) await play(side, { name, seconds: seconds / 2, connections });
    for (let n = 0; n < rounds; n += 1) {
      // The first side alternates, because the machine may become slower or faster.
      const [first, second] = n % 2 === 0 ? [before, after] : [after, before];
      const rates = [
        await play(first, { name, seconds, connections }),
        await play(second, { name, seconds, connections }),
      ];
      if (n % 2 === 1) rates.reverse();
      old.push(rates[0] ?? 0);
      present.push(rates[1] ?? 0);
    }
    const ratios = sorted(present.map((rate, n) => rate / (old[n] ?? 1)));
    const span = `${ratios[0]?.toFixed(2)}–${ratios.at(-1)?.toFixed(2)}`;
    console.log(
      `| ${name} | ${median(old).toFixed(0)} | ${median(present).toFixed(0)} | ${median(ratios).toFixed(2)} (${span}) |`,
    );
  }
} finally {
  for (const side of sides) side.kill();
  git("worktree", "remove", "--force", folder);
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
