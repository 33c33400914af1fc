/** `npm run race:passwords`: logins, password changes and resets at the same moment, by two Workers over one database. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { runPasswordRaces } from "../tools/race/password-races.ts";

const { rounds, seed, mutant } = readOptions(
  `npm run race:passwords -- [--rounds N] [--seed N] [--mutant]

Runs each race N times: a login with the old password against a reset and against a change, and a change against a reset.
Fails when a session of an old password stays alive, or when the password is not the one of the reset. With --mutant it
runs the Worker without the conditions that decide these races, and must fail.`,
  { rounds: 50, seed: 1, mutant: false },
);

const begun = performance.now();
const report = await runPasswordRaces({ rounds, seed, isMutant: mutant, folder: ".race/full" });
console.log("| race | rounds | answers | broken promises |\n|---|---:|---|---:|");
for (const [race, { rounds, answers, faults }] of Object.entries(report)) {
  const counts = Object.entries(answers).map(([answer, n]) => `${answer} ×${n}`);
  console.log(`| ${race} | ${rounds} | ${counts.join(", ")} | ${faults.length} |`);
}
const faults = Object.values(report).flatMap((entry) => entry.faults);
for (const fault of faults.slice(0, 20)) console.error(fault);
console.log(`${Math.round((performance.now() - begun) / 1000)} s`);
if (faults.length > 0) process.exitCode = 1;
