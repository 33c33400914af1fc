import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { run } from "../../tools/command-line/programs.ts";

const SCRIPTS = readdirSync("scripts");
/** Run by other programs, without a person who asks for help. */
const WITHOUT_USAGE = ["build-assets.ts", "openapi.ts"];

const simulate = (...args: string[]) => run("node", ["scripts/simulate.ts", ...args]);

test("each script has a name in package.json, and each name its script", () => {
  const commands = Object.values<string>(JSON.parse(readFileSync("package.json", "utf8")).scripts);
  const named = commands.flatMap((command) =>
    [...command.matchAll(/node scripts\/(\S+)/g)].map(([, name]) => name),
  );
  expect(new Set(named)).toEqual(new Set(SCRIPTS));
});

test.each(SCRIPTS.filter((name) => !WITHOUT_USAGE.includes(name)))(
  "scripts/%s reads its arguments with a usage that names it",
  (name) => {
    const source = readFileSync(`scripts/${name}`, "utf8");
    expect(source).toMatch(/\bread(Options|Arguments)\(/);
    const npmName = name.replace(".ts", "").replace(/^(bench|measure|model|race|walk)-/, "$1:");
    expect(source).toMatch(new RegExp(`\`(Usage: )?npm run ${npmName}\\b`));
    expect(source).not.toMatch(/\bprocess\.argv\b/);
  },
);

test("--help prints the usage and the options of a script, and nothing else happens", () => {
  const { status, stdout, stderr } = simulate("--schedules", "1", "--help");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^npm run simulate -- /);
  expect(stdout).toContain(
    "\nOptions:\n  --schedules N (default 100000)\n  --seed N (default 1)\n  --cars TEXT (default both)\n  --trace\n",
  );
});

test("an unknown option or an invalid number ends with a message and the usage instead of a stack trace", () => {
  for (const [args, message] of [
    [["--sed", "1"], "Unknown option '--sed'"],
    [["--seed", "one"], "Option --seed is not a number: one"],
    [["--seed", ""], "Option --seed is not a number: "],
  ] as const) {
    const { status, stdout, stderr } = simulate(...args);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(message);
    expect(stderr).toContain("--seed N (default 1)");
    expect(stderr).not.toMatch(/^\s+at /m);
  }
});

test("given options replace the defaults", () => {
  const { status, stdout } = simulate("--schedules", "2", "--seed", "7");
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^2 schedules of one car, of several cars from seed 7, \d+ events, [\d.]+ s: every promise kept\n$/,
  );
});
