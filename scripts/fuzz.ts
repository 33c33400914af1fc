/** `npm run fuzz -- --seconds 3600 --seed 1`: the fuzzer for as long as one likes, with a report. */
import { parseArgs } from "node:util";
import { fuzz } from "../tools/fuzz/fuzzer.ts";
import { startServer } from "../tools/server/server.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const server = await startServer();
try {
  const { requests, statuses, silent, findings } = await fuzz(
    server,
    Number(values.seed),
    Number(values.seconds) * 1000,
  );
  console.log(`seed ${values.seed}: ${requests} requests, statuses ${JSON.stringify(statuses)}`);
  if (silent.length > 0) console.log(`never answered with success: ${silent.join(", ")}`);
  for (const { operation, what, request, answer } of findings)
    console.error(`\n${operation} ${what}\n  ${request}\n  ${answer}`);
  console.log(findings.length === 0 ? "no findings" : `${findings.length} findings`);
  if (findings.length > 0) process.exitCode = 1;
} finally {
  await server.close();
}
