/** `npm run bench`: the cost and the speed of each operation, compared with the best possible on this machine. */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { drive, init, textOf } from "../tools/bench/calls.ts";
import type { Plan } from "../tools/bench/limits-worker.ts";
import type { Outcome } from "../tools/bench/load.ts";
import { type Account, costOf, readAccount, type Trip } from "../tools/bench/metering.ts";
import { type Call, hotCar, OPERATIONS, type Operation } from "../tools/bench/operations.ts";
import { setStage, type Which } from "../tools/bench/stage.ts";
import { readOptions } from "../tools/command-line/arguments.ts";

const options = readOptions(
  `npm run bench -- [--quick] [--only "list,book"] [--connections 1,16,64] [--cars N]

Prints a table of what each operation costs and how fast it is, beside the best that the machine allows (see
tools/bench/limits-worker.ts), and writes .bench/results.json. Without --connections they are 1, 16 and 64, and a round takes 0.8 seconds; --quick
is for a first look: 16 connections, rounds of 0.4 seconds.`,
  { quick: false, only: "", connections: "", rounds: 7, seconds: 0, cars: 10_000, port: 8850 },
);
const { rounds } = options;
const connections = (options.connections || (options.quick ? "16" : "1,16,64")).split(",").map(Number);
const seconds = options.seconds || (options.quick ? 0.4 : 0.8);
const only = options.only === "" ? undefined : options.only.split(",");
/** Upper bound for writes per second: the number of calls that are prepared for each second. */
const WRITES_PER_SECOND = 900;
/** How many requests of an operation are recorded for L2. */
const RECORDED = 150;

const stage = await setStage(
  { cars: options.cars, customers: 200, bookings: 2000, popular: 20 },
  options.port,
);
const load = fork("tools/bench/load.ts");
/** A thousand concurrent requests for the eight slots of one car and day. */
async function rush(): Promise<void> {
  const calls = hotCar(stage);
  const { statuses, max } = await run("app", calls.map(textOf), calls.length, 60, true);
  const summary = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
  console.log(
    `\nhot car: ${calls.length} concurrent customers, the last answered after ${(max / 1000).toFixed(2)} s: ${summary.join(", ")}`,
  );
  if (statuses["201"] !== 8) throw new Error("not every slot was booked once");
}

type Spread = { median: number; low: number; high: number };
type Result = {
  operation: string;
  connections: number;
  cost: ReturnType<typeof costOf>;
  bytes: number;
  rate: Spread;
  p50: number;
  p99: number;
  against: Operation["against"];
  limit: Spread | undefined;
  ratio: Spread | undefined;
  statuses: Record<string, number>;
};

async function measure(operation: Operation): Promise<Result[]> {
  const sample = await record(operation);
  const found: Result[] = [];
  for (const width of connections) {
    const own: Outcome[] = [];
    const limit: Outcome[] = [];
    await round(operation, sample, width, seconds / 3);
    for (let n = 0; n < rounds; n += 1) {
      const one = await round(operation, sample, width, seconds);
      own.push(one.own);
      if (one.limit) limit.push(one.limit);
    }
    const rates = own.map(rateOf);
    const limits = limit.map(rateOf);
    found.push({
      operation: operation.name,
      connections: width,
      cost: costOf(sample.account),
      bytes: sample.plan.body.length,
      rate: spreadOf(rates),
      p50: spreadOf(own.map(({ p50 }) => p50)).median,
      p99: spreadOf(own.map(({ p99 }) => p99)).median,
      against: operation.against,
      limit: limits.length > 0 ? spreadOf(limits) : undefined,
      ratio: limits.length > 0 ? spreadOf(rates.map((rate, n) => rate / (limits[n] ?? 1))) : undefined,
      statuses: Object.assign({}, ...own.map(({ statuses }) => statuses)),
    });
  }
  return found;
}

type Sample = { account: Account; call: Call; plan: Plan };

const accountOfMetered = () => readAccount(() => fetch(urlOf("metered", "/account")));

/** Records the SQL and the answer of an operation on the metered Worker, and sends them to the Worker of the limits. */
async function record(operation: Operation): Promise<Sample> {
  const calls = await operation.calls(stage, 3);
  const variants: Plan["variants"] = [];
  const few = calls.slice(0, operation.once ? calls.length : RECORDED);
  let last: { account: Account; call: Call; answer: Response; body: string } | undefined;
  // So each car gets one request before the measurement.
  for (const call of operation.once ? [] : few) await fetch(urlOf("metered", call.path), init(call));
  for (const call of few) {
    // The coordinator loads the car to refuse a booking in the past.
    const past = { car: call.car, start_at: new Date(0).toISOString() };
    if (operation.isWarm) await fetch(urlOf("metered", call.path), init({ ...call, json: past }));
    await accountOfMetered();
    const answer = await fetch(urlOf("metered", call.path), init(call));
    const body = await answer.text();
    if (!answer.ok && answer.status !== 304) throw new Error(`${operation.name}: ${answer.status} ${body}`);
    const account = await accountOfMetered();
    last = { account, call, answer, body };
    variants.push({ car: call.car ?? "none", trips: withoutIdentity(account.trips) });
  }
  if (!last) throw new Error(`${operation.name} has no calls`);
  const plan: Plan = {
    status: last.answer.status,
    contentType: last.answer.headers.get("Content-Type") ?? "",
    body: last.body,
    photo: operation.photo ? stage.photoKey : undefined,
    variants,
  };
  await setPlan(operation, plan);
  return { account: last.account, call: last.call, plan };
}

/** The limit does not include the SQL that verifies the caller. */
function withoutIdentity(trips: Trip[]): Trip[] {
  const isIdentity = ({ sql }: { sql: string }) => / signed_in /.test(sql);
  return trips
    .map((trip) => ({ ...trip, statements: trip.statements.filter((statement) => !isIdentity(statement)) }))
    .filter(({ statements }) => statements.length > 0);
}

/** How many requests of each operation were sent. */
const reached = new Map<string, number>();

/** One run of the Worker and one of its limit, in turn. */
async function round(operation: Operation, sample: Sample, width: number, time: number) {
  const count = operation.once ? Math.ceil(WRITES_PER_SECOND * time) : 0;
  const calls = await operation.calls(stage, count);
  // Continues where the last round ended, so that requests are not answered from the cache.
  const from = operation.once ? 0 : (reached.get(operation.name) ?? 0) % calls.length;
  const rest = [...calls.slice(from), ...calls.slice(0, from)];
  const own = await run("app", rest.map(textOf), width, time, operation.once);
  reached.set(operation.name, from + own.requests);
  if (operation.against === "nothing") return { own };
  if (operation.once)
    await setPlan(operation, { ...sample.plan, variants: calls.map((call) => imitate(sample, call)) });
  const name = encodeURIComponent(operation.name);
  const length = operation.once ? calls.length : sample.plan.variants.length;
  const paths = Array.from({ length }, (_, index) => `/${operation.against}/${name}/${index}`);
  const requests = operation.against === "L1" ? [`/L1/${name}`] : paths;
  const limit = await run(
    "limits",
    requests.map((path) => textOf({ method: "GET", path })),
    width,
    time,
    operation.once,
  );
  const strange = Object.keys(limit.statuses).filter((status) => Number(status) !== sample.plan.status);
  if (strange.length > 0) throw new Error(`the limit of ${operation.name} answers ${strange}`);
  return { own, limit };
}

/** The SQL of the sample as another call of the operation would have it, with new ids for what it makes. */
function imitate({ account, call }: Sample, other: Call): Plan["variants"][number] {
  const known = new Map((call.about ?? []).map((value, index) => [value, other.about?.[index] ?? value]));
  const kept = new Set([stage.seller.id]);
  const text = JSON.stringify(withoutIdentity(account.trips)).replaceAll(
    /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b\d{13}\b/g,
    (value) => {
      if (kept.has(value) || (value.length === 13 && !known.has(value))) return value;
      const own = known.get(value) ?? crypto.randomUUID();
      known.set(value, own);
      return own;
    },
  );
  const trips = JSON.parse(text) as Trip[];
  // This epoch is later than any other, so that no commit is refused.
  for (const { sql, params } of trips.flatMap(({ statements }) => statements))
    if (sql.startsWith("UPDATE calendars")) params[0] = 1e9;
  return { car: other.car ?? "none", trips };
}

async function setPlan(operation: Operation, plan: Plan): Promise<void> {
  const path = `/plan/${encodeURIComponent(operation.name)}`;
  await fetch(urlOf("limits", path), { method: "PUT", body: JSON.stringify(plan) });
}

function urlOf(which: Which, path: string): string {
  return `http://127.0.0.1:${stage.ports[which]}${path}`;
}

const run = (which: Which, requests: string[], width: number, time: number, once = false) =>
  drive(load, { port: stage.ports[which], connections: width, seconds: time, requests, once });

const rateOf = ({ requests, seconds: taken }: Outcome): number => requests / taken;

function spreadOf(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    low: sorted[0] ?? 0,
    high: sorted.at(-1) ?? 0,
  };
}

function rowOf({
  operation,
  connections: width,
  cost,
  bytes,
  rate,
  p50,
  p99,
  against,
  limit,
  ratio,
  statuses,
}: Result) {
  const spread = ({ median, low, high }: Spread, digits: number) =>
    `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
  const columns = [
    operation,
    width,
    spread(rate, 0),
    p50.toFixed(1),
    p99.toFixed(1),
    `${cost.trips} / ${cost.rowsRead} / ${cost.rowsWritten} / ${cost.coordinatorCalls}`,
    bytes,
    limit ? `${against} ${spread(limit, 0)}` : "",
    ratio ? spread(ratio, 2) : "",
    Object.entries(statuses)
      .map(([status, count]) => `${status}×${count}`)
      .join(" "),
  ];
  return `| ${columns.join(" | ")} |`;
}

console.log(
  "| operation | connections | requests/s | p50 ms | p99 ms | D1 trips / rows read / written / coordinator calls | bytes | limit/s | of the limit | answers |",
);
console.log("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|");
const results: Result[] = [];
try {
  for (const operation of OPERATIONS)
    if (!only || only.some((name) => operation.name.startsWith(name))) {
      const measured = await measure(operation);
      results.push(...measured);
      for (const result of measured) console.log(rowOf(result));
    }
  if (!only || only.includes("hot car")) await rush();
} finally {
  load.kill();
  await stage.close();
}
writeFileSync(".bench/results.json", `${JSON.stringify(results, null, 2)}\n`);
