/**
 * One side of a comparison: prepares one checkout, and sends load to it on request. Runs inside that
 * checkout, with the tools that it has: `scripts/bench-against.ts` copies this file there.
 */
import { fork } from "node:child_process";
import { pathToFileURL } from "node:url";

/** One round of one operation. */
export type Round = { name: string; seconds: number; connections: number };
/** The outcome of a round: requests per second, and the statuses that were not success. */
export type RoundResult = { rate: number; strange: string[] };

/** No write is faster than this. */
const WRITES_PER_SECOND = 1200;

const [folder = "", port = ""] = process.argv.slice(2);
const tool = (name: string) => pathToFileURL(`${folder}/${name}.ts`).href;
const { setStage }: typeof import("./stage.ts") = await import(tool("stage"));
const { OPERATIONS }: typeof import("./operations.ts") = await import(tool("operations"));
const { drive, textOf }: typeof import("./calls.ts") = await import(tool("calls"));

const size = { cars: 10_000, customers: 200, bookings: 2000, popular: 200 };
const stage = await setStage(size, Number(port), ["app"]);
const load = fork(`${folder}/load.ts`);
/** How many requests of each operation were sent: a round goes on where the last one ended. */
const reached = new Map<string, number>();

process.on("message", async ({ name, seconds, connections }: Round) => {
  const operation = OPERATIONS.find((known) => known.name === name);
  if (!operation) throw new Error(`there is no operation "${name}"`);
  const { once = false } = operation;
  const calls = await operation.calls(stage, once ? Math.ceil(WRITES_PER_SECOND * seconds) : 0);
  const from = once ? 0 : (reached.get(name) ?? 0) % calls.length;
  const requests = [...calls.slice(from), ...calls.slice(0, from)].map(textOf);
  const outcome = await drive(load, { port: Number(port), connections, seconds, requests, once });
  reached.set(name, from + outcome.requests);
  const strange = Object.keys(outcome.statuses).filter((status) => !/^(2|304)/.test(status));
  process.send?.({ rate: outcome.requests / outcome.seconds, strange } satisfies RoundResult);
});
process.send?.("ready");
