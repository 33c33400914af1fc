/**
 * `npm run crash-test`: thousands of calls over HTTP while the server is killed and restarted on the same disk.
 * Writes the report to .crash-test/full/report.json and fails when a promise was broken.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runCrashTest } from "../tools/crash-test/crash.ts";

const FOLDER = ".crash-test/full";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "10000" },
    cars: { type: "string", default: "20" },
    kills: { type: "string", default: "6" },
    clients: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    port: { type: "string" },
  },
});

const report = await runCrashTest({
  calls: Number(values.calls),
  cars: Number(values.cars),
  kills: Number(values.kills),
  clients: Number(values.clients),
  seed: Number(values.seed),
  port: values.port === undefined ? undefined : Number(values.port),
  folder: FOLDER,
});
const text = JSON.stringify(report, null, 2);
writeFileSync(`${FOLDER}/report.json`, `${text}\n`);
console.log(text);
if (report.faults.length > 0) process.exitCode = 1;
