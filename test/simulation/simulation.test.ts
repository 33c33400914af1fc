import { rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { MUTANTS, REAL, subjectOf } from "../../tools/simulation/mutants.ts";
import { type Report, runSchedule } from "../../tools/simulation/schedule.ts";
import type { Subject } from "../../tools/simulation/world.ts";

const SCHEDULES = 2000;
/** Another range of seeds with each run would find more, and would fail for reasons that a change did not make. */
const FIRST_SEED = 1_000_000;

/** The first schedule that breaks a promise, of at most so many. */
async function firstFault(subject: Subject, schedules: number): Promise<Report | undefined> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + schedules; seed += 1) {
    const report = await runSchedule(seed, subject);
    if (report.faults.length > 0) return report;
  }
  return undefined;
}

afterAll(() => rmSync(".mutants", { recursive: true, force: true }));

describe("under every fault between clients, Durable Object and database", () => {
  test(`${SCHEDULES} schedules keep every promise`, async () => {
    const fault = await firstFault(REAL, SCHEDULES);
    if (fault)
      throw new Error(
        `seed ${fault.seed}: ${fault.faults.join("; ")}\n${fault.trace.join("\n")}\nreplay it: npm run simulate -- --schedules 1 --seed ${fault.seed} --trace`,
      );
  });

  test("a seed replays the same schedule, event by event", async () => {
    const [first, second] = [
      await runSchedule(FIRST_SEED + 5, REAL),
      await runSchedule(FIRST_SEED + 5, REAL),
    ];
    expect(first.trace.length).toBeGreaterThan(10);
    expect(second).toEqual(first);
  });

  test("without the rules of the database the fenced writer alone prevents double bookings", async () => {
    expect(await firstFault({ ...REAL, rules: { bookings: false } }, 1000)).toBeUndefined();
  });
});

describe("the simulation detects a writer that", () => {
  test.each(MUTANTS)("$name", async (mutant) => {
    const fault = await firstFault(await subjectOf(mutant), SCHEDULES);
    expect(fault, "no schedule showed it").toBeDefined();
  });
});
