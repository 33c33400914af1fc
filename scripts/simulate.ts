/**
 * `npm run simulate -- --schedules 100000 --seed 1`: puts the calendar's writer through that many seeded schedules.
 * With `--trace` (and one schedule) it tells what happened in it.
 */
import { parseArgs } from "node:util";
import { CarWriter } from "../src/car-coordinator/car-writer.ts";
import { runSchedule } from "../tools/simulation/schedule.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    trace: { type: "boolean", default: false },
  },
});
const first = Number(values.seed);
const schedules = Number(values.schedules);

const begun = performance.now();
let steps = 0;
let failed = 0;
for (let seed = first; seed < first + schedules && failed < 10; seed += 1) {
  const report = await runSchedule(seed, { Writer: CarWriter });
  steps += report.steps;
  if (values.trace) console.log(report.trace.join("\n"));
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
