/** `npm run fuzz`: runs the fuzzer for a given time and prints a report. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { fuzz } from "../tools/fuzz/fuzzer.ts";
import { startServer } from "../tools/server/server.ts";

const { seconds, seed } = readOptions(
  `npm run fuzz -- [--seconds N] [--seed N]

Sends good and bad requests of every operation and role, drawn from openapi.json, and compares each answer with it.
The seed is another one for each run, unless it is given.`,
  { seconds: 300, seed: Date.now() % 1_000_000 },
);
const server = await startServer();
const end = Date.now() + seconds * 1000;
try {
  const { requests, statuses, silent, findings } = await fuzz(server, seed, () => Date.now() >= end);
  console.log(`seed ${seed}: ${requests} requests, statuses ${JSON.stringify(statuses)}`);
  if (silent.length > 0) console.log(`never answered with success: ${silent.join(", ")}`);
  for (const { operation, what, request, answer } of findings)
    console.error(`\n${operation} ${what}\n  ${request}\n  ${answer}`);
  console.log(findings.length === 0 ? "no findings" : `${findings.length} findings`);
  if (findings.length > 0) process.exitCode = 1;
} finally {
  await server.close();
}
