/** A few rounds of `npm run race:passwords`, which runs fifty of each race. */
import { expect, test } from "vitest";
import { RACE_NAMES, runPasswordRaces } from "../../tools/race/password-races.ts";

test("no session of an old password survives a reset or a change at the same moment, and the reset wins", async () => {
  const report = await runPasswordRaces({ rounds: 2, seed: 1, folder: ".race/small" });
  for (const race of RACE_NAMES) expect(report[race], race).toMatchObject({ rounds: 2, faults: [] });
}, 300_000);

test("a Worker without the conditions in its statements loses every one of these races", async () => {
  const report = await runPasswordRaces({ rounds: 10, seed: 1, folder: ".race/mutant", isMutant: true });
  for (const race of RACE_NAMES) expect(report[race].faults.length, race).toBeGreaterThan(0);
}, 300_000);
