import { rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { MUTANTS, REAL, subjectOf } from "../../tools/simulation/mutants.ts";
import { type Kind, type Report, replay, runSchedule } from "../../tools/simulation/schedule.ts";
import type { Subject } from "../../tools/simulation/world.ts";

const KINDS: Kind[] = ["one car", "several cars"];
const SCHEDULES = 1000;
/** Another range of seeds with each run would find more, and would fail for reasons that a change did not make. */
const FIRST_SEED = 1_000_000;

/** The first schedule that breaks a promise, of at most so many. */
async function firstFault(kind: Kind, subject: Subject, schedules = SCHEDULES): Promise<Report | undefined> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + schedules; seed += 1) {
    const report = await runSchedule(kind, seed, subject);
    if (report.faults.length > 0) return report;
  }
  return undefined;
}

afterAll(() => rmSync(".mutants", { recursive: true, force: true }));

describe("under every fault between clients, Durable Object and database", () => {
  test.each(KINDS)(`${SCHEDULES} schedules of %s keep every promise`, async (kind) => {
    const fault = await firstFault(kind, REAL);
    if (fault)
      throw new Error(
        `seed ${fault.seed}: ${fault.faults.join("; ")}\n${fault.trace.join("\n")}\nreplay it: ${replay(kind, fault.seed)}`,
      );
  });

  test.each(KINDS)("a seed replays the same schedule of %s, event by event", async (kind) => {
    const [first, second] = [
      await runSchedule(kind, FIRST_SEED + 5, REAL),
      await runSchedule(kind, FIRST_SEED + 5, REAL),
    ];
    expect(first.trace.length).toBeGreaterThan(10);
    expect(second).toEqual(first);
  });

  test.each(KINDS)(
    "without the database's rules for bookings the fenced writers of %s alone prevent double bookings",
    async (kind) => {
      expect(await firstFault(kind, { ...REAL, rules: { bookings: false } }, 500)).toBeUndefined();
    },
  );
});

describe("the simulation detects a writer that", () => {
  test.each(MUTANTS)("$name", async (mutant) => {
    const fault = await firstFault(mutant.kind, await subjectOf(mutant));
    expect(fault, "no schedule showed it").toBeDefined();
  });
});
