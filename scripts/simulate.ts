/** `npm run simulate`: runs the writers of cars through many seeded schedules. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { REAL } from "../tools/simulation/mutants.ts";
import { type Kind, replay, runSchedule } from "../tools/simulation/schedule.ts";

const {
  seed: first,
  schedules,
  cars,
  trace,
} = readOptions(
  `npm run simulate -- [--schedules N] [--seed N] [--cars one|several|both] [--trace]

Puts the writers of cars through seeded schedules of clients, clocks, evictions and failures, and checks every promise:
each seed once with one car, and once with several that share customers and showrooms.
With --trace it prints the events of each schedule.`,
  { schedules: 100_000, seed: 1, cars: "both", trace: false },
);

const kinds = (["one car", "several cars"] satisfies Kind[]).filter(
  (kind) => cars === "both" || kind === `${cars} car` || kind === `${cars} cars`,
);
if (kinds.length === 0) {
  console.error(`Option --cars is not one, several or both: ${cars}`);
  process.exit(1);
}
const begun = performance.now();
let steps = 0;
let failed = 0;
for (let seed = first; seed < first + schedules && failed < 10; seed += 1)
  for (const kind of kinds) {
    const report = await runSchedule(kind, seed, REAL);
    steps += report.steps;
    if (trace) console.log(report.trace.join("\n"));
    if (report.faults.length === 0) continue;
    failed += 1;
    console.error(`\nseed ${seed}, ${kind}: ${[...new Set(report.faults)].join("; ")}`);
    console.error(`  replay it: ${replay(kind, seed)}`);
  }
const seconds = (performance.now() - begun) / 1000;
console.log(
  `${schedules} schedules of ${kinds.join(", of ")} from seed ${first}, ${steps} events, ${seconds.toFixed(1)} s: ${
    failed === 0 ? "every promise kept" : `${failed} or more failed`
  }`,
);
if (failed > 0) process.exitCode = 1;
