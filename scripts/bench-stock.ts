/** `npm run bench:stock`: compares a stock with one ten times as large. */
import { fork } from "node:child_process";
import { drive, shuffled, textOf } from "../tools/bench/calls.ts";
import { OPERATIONS, type Operation } from "../tools/bench/operations.ts";
import { type Stage, setStage } from "../tools/bench/stage.ts";
import { readOptions } from "../tools/command-line/arguments.ts";

const { rounds, seconds, times, port } = readOptions(
  `npm run bench:stock -- [--rounds N] [--seconds N] [--times N]

Starts two Workers side by side, one with 10,000 cars and one with --times as many, and sends them requests in turns, so
that whatever else the machine does meets both. Prints the rate of the large one over that of the small one.`,
  { rounds: 15, seconds: 1, times: 10, port: 8850 },
);
const CARS = 10_000;
const CONNECTIONS = 16;
/** No write is faster than this here. */
const WRITES_PER_SECOND = 900;
const ASKED = ["list", "detail", "slots of a day", "book"];

const size = (cars: number) => ({ cars, customers: 200, bookings: 2000, popular: 20 });
// The public cache is off, because an answer from memory does not depend on the stock.
const vars = { PUBLIC_FRESHNESS_SECONDS: "0" };
const small = await setStage(size(CARS), port, ["app"], vars);
const large = await setStage(size(CARS * times), port + 10, ["app"], vars);
const load = fork("tools/bench/load.ts");

/** Requests a second. */
async function rateOf(stage: Stage, operation: Operation, time: number): Promise<number> {
  const calls = await operation.calls(stage, operation.once ? Math.ceil(WRITES_PER_SECOND * time) : 0);
  const outcome = await drive(load, {
    port: stage.ports.app,
    connections: CONNECTIONS,
    seconds: time,
    requests: operation.once ? calls.map(textOf) : shuffled(calls.map(textOf)),
    once: operation.once ?? false,
  });
  const strange = Object.keys(outcome.statuses).filter((status) => !status.startsWith("2"));
  if (strange.length > 0) throw new Error(`${operation.name} answers ${strange}`);
  return outcome.requests / outcome.seconds;
}

const at = (numbers: readonly number[], share: number): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) * share)] ?? 0;

try {
  console.log(
    `| operation | ${CARS} cars, requests/s | ${times} times as many | ratio (quartiles) |\n|---|---:|---:|---:|`,
  );
  for (const name of ASKED) {
    const operation = OPERATIONS.find((known) => known.name === name);
    if (!operation) throw new Error(`there is no ${name}`);
    for (const stage of [small, large]) await rateOf(stage, operation, 2);
    const [few, many]: [number[], number[]] = [[], []];
    for (let n = 0; n < rounds; n += 1) {
      if (n % 2 === 0) few.push(await rateOf(small, operation, seconds));
      many.push(await rateOf(large, operation, seconds));
      // The first side alternates, because the machine may become slower or faster.
      if (n % 2 === 1) few.push(await rateOf(small, operation, seconds));
    }
    const ratios = many.map((rate, n) => rate / (few[n] ?? 0));
    const columns = [
      name,
      at(few, 0.5).toFixed(0),
      at(many, 0.5).toFixed(0),
      `${at(ratios, 0.5).toFixed(2)} (${at(ratios, 0.25).toFixed(2)}–${at(ratios, 0.75).toFixed(2)})`,
    ];
    console.log(`| ${columns.join(" | ")} |`);
  }
} finally {
  load.kill();
  await small.close();
  await large.close();
}
