/** `npm run simulate`: runs the writer of a car through many seeded schedules. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { REAL } from "../tools/simulation/mutants.ts";
import { runSchedule } from "../tools/simulation/schedule.ts";

const {
  seed: first,
  schedules,
  trace,
} = readOptions(
  `npm run simulate -- [--schedules N] [--seed N] [--trace]

Puts the writer of a car through seeded schedules of clients, clocks, evictions and failures, and checks every promise.
With --trace it prints the events of each schedule.`,
  { schedules: 100_000, seed: 1, trace: false },
);

const begun = performance.now();
let steps = 0;
let failed = 0;
for (let seed = first; seed < first + schedules && failed < 10; seed += 1) {
  const report = await runSchedule(seed, REAL);
  steps += report.steps;
  if (trace) console.log(report.trace.join("\n"));
  if (report.faults.length === 0) continue;
  failed += 1;
  console.error(`\nseed ${seed}: ${[...new Set(report.faults)].join("; ")}`);
  console.error(`  replay it: npm run simulate -- --schedules 1 --seed ${seed} --trace`);
}
const seconds = (performance.now() - begun) / 1000;
console.log(
  `${schedules} schedules from seed ${first}, ${steps} events, ${seconds.toFixed(1)} s: ${
    failed === 0 ? "every promise kept" : `${failed} or more failed`
  }`,
);
if (failed > 0) process.exitCode = 1;
