/** `npm run soak`: minutes of mixed requests, with the rate, the times, the answers and the memory of each window. */
import { fork } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { drive, shuffled, textOf } from "../tools/bench/calls.ts";
import { type Call, OPERATIONS } from "../tools/bench/operations.ts";
import { setStage } from "../tools/bench/stage.ts";
import { readOptions } from "../tools/command-line/arguments.ts";

const { seconds, connections, port } = readOptions(
  `npm run soak -- [--seconds N] [--connections N]

Sends mixed requests, nine reads to a write. Prints for each ten seconds the rate, the times, what was answered and how
much memory workerd holds (Linux only). Fails when anything but a success was answered.`,
  { seconds: 600, connections: 64, port: 8850 },
);
const WINDOW_SECONDS = 10;
/** More requests than a window has time for. */
const REQUESTS = 20_000;
/** The requests, and how often each is sent. */
const MIX = {
  "list, repeated": 20,
  list: 15,
  "list, filtered": 10,
  detail: 25,
  "slots of a day": 10,
  "my bookings": 10,
  book: 10,
};

/** The memory of the runtime that this process started, in MB. */
function memory(): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const status = statusOf(pid);
    if (/^Name:\s+workerd/m.test(status) && status.includes(`PPid:\t${process.pid}\n`))
      return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
  }
  return Number.NaN;
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

const stage = await setStage({ cars: 10_000, customers: 200, bookings: 2000, popular: 200 }, port);
const load = fork("tools/bench/load.ts");
let isClean = true;
try {
  const windows = Math.ceil(seconds / WINDOW_SECONDS);
  console.log(
    "| seconds | requests/s | p50 ms | p99 ms | workerd MB | answers |\n|---:|---:|---:|---:|---:|---|",
  );
  for (let window = 1; window <= windows; window += 1) {
    const outcome = await drive(load, {
      port: stage.ports.app,
      connections,
      seconds: WINDOW_SECONDS,
      requests: (await mixed()).map(textOf),
      once: true,
    });
    const answers = Object.entries(outcome.statuses);
    isClean &&= answers.every(([status]) => status.startsWith("2"));
    const columns = [
      window * WINDOW_SECONDS,
      Math.round(outcome.requests / outcome.seconds),
      outcome.p50.toFixed(1),
      outcome.p99.toFixed(1),
      memory(),
      answers.map(([status, count]) => `${status}×${count}`).join(" "),
    ];
    console.log(`| ${columns.join(" | ")} |`);
  }
} finally {
  load.kill();
  await stage.close();
}
if (!isClean) process.exitCode = 1;

/** Requests in the proportions of the mix, in no order. */
async function mixed(): Promise<Call[]> {
  const calls: Call[] = [];
  for (const [name, percent] of Object.entries(MIX)) {
    const operation = OPERATIONS.find((known) => known.name === name);
    const count = (REQUESTS * percent) / 100;
    const some = (await operation?.calls(stage, count)) ?? [];
    for (let n = 0; n < count; n += 1) {
      const call = some[operation?.once ? n : Math.floor(Math.random() * some.length)];
      if (call) calls.push(call);
    }
  }
  return shuffled(calls);
}
