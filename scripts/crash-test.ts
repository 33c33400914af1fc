/** `npm run crash-test`: thousands of calls over HTTP while the server is killed and restarted on the same disk. */
import { writeFileSync } from "node:fs";
import { readOptions } from "../tools/command-line/arguments.ts";
import { runCrashTest } from "../tools/crash-test/crash.ts";

const FOLDER = ".crash-test/full";

const { port, ...load } = readOptions(
  `npm run crash-test -- [--calls N] [--kills N] [--seed N] …

Sends calls over HTTP while the server is killed and restarted on the same disk, then compares the database with what
the clients were answered. Writes ${FOLDER}/report.json. Port 0 is any free one.`,
  { calls: 10_000, cars: 20, kills: 6, clients: 50, seed: 1, port: 0 },
);

const report = await runCrashTest({ ...load, port: port || undefined, folder: FOLDER });
const text = JSON.stringify(report, null, 2);
writeFileSync(`${FOLDER}/report.json`, `${text}\n`);
console.log(text);
if (report.faults.length > 0) process.exitCode = 1;
