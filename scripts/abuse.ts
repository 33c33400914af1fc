/** `npm run abuse`: strangers who use up every limit, beside honest customers, compared with a quiet run before it. */
import { runAbuse } from "../tools/abuse/abuse.ts";
import { readOptions } from "../tools/command-line/arguments.ts";

const { seconds } = readOptions(
  `npm run abuse -- [--seconds N]

Lets 20 honest customers go about their business for N seconds, and then again beside 10 strangers who register, guess
passwords, search, book, move and have mails sent, as fast as the limits allow. Fails when the slowest percent of honest
requests takes three times as long, when an honest customer is refused, or when a cap on bookings or mails is exceeded.`,
  { seconds: 120 },
);

const { lines, slowdown, answers, counts, faults } = await runAbuse(seconds);
console.log(
  "| honest requests | quiet: n | p50 ms | p99 ms | abuse: n | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|---:|---:|",
);
for (const { name, quiet, abused } of lines) {
  const columns = [quiet, abused].flatMap(({ requests, p50, p99 }) => [
    requests,
    Math.round(p50),
    Math.round(p99),
  ]);
  console.log(`| ${name} | ${columns.join(" | ")} |`);
}
console.log("\n| strangers | answers |\n|---|---|");
for (const [name, statuses] of Object.entries(answers.strangers)) console.log(`| ${name} | ${statuses} |`);
console.log("\n| honest customers beside them | answers |\n|---|---|");
for (const [name, statuses] of Object.entries(answers.honest)) console.log(`| ${name} | ${statuses} |`);
console.log(`\np99 of all honest requests: ×${slowdown.toFixed(2)}`);
console.log(
  Object.entries(counts)
    .map(([name, n]) => `${name}: ${n}`)
    .join(" · "),
);
for (const fault of faults) console.error(`BROKEN: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
