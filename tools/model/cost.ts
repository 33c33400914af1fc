/** The model of costs: from counted rows, calls, mails and lines of the log to USD per million. */
import { costOf } from "../bench/metering.ts";
import { type Counted, type Counts, STOCK } from "./count.ts";
import { awaitedCalls } from "./waits.ts";

/** USD for one million of each, beyond what the plan includes. CPU and the objects' memory: for a million units. */
const PRICES = {
  requests: 0.3,
  rowsRead: 0.001,
  rowsWritten: 1,
  coordinatorCalls: 0.15,
  /** GB-s of Durable Objects. */
  duration: 12.5,
  cpuMs: 0.02,
  queueOperations: 0.4,
  mails: 350,
  logs: 0.6,
  r2Reads: 0.36,
  r2Writes: 4.5,
  transformations: 500,
};

const WORK_CPU_MS = 2;
const HASH_CPU_MS = 280;
/** An object that waits for D1 is billed with 128 MB. */
const OBJECT_GB = 0.128;
const OBJECT_SECONDS = 0.02;
/** A message of a queue is written, read and deleted. */
const QUEUE_OPERATIONS = 3;

/** The USD of a million, by what is paid. */
type Sums = {
  requests: number;
  rows: number;
  object: number;
  cpu: number;
  logs: number;
  files: number;
  mail: number;
};

const sumOf = (sums: Sums): number => Object.values(sums).reduce((total, part) => total + part, 0);

/** What a million of an operation costs, with the delivery of its mails. */
function sumsOf({ account, hashes = 0 }: Counted, { delivery }: Counts): Sums {
  const { rowsRead, rowsWritten, coordinatorCalls } = costOf(account);
  const mail = costOf(delivery);
  const { messages } = account;
  const rows = (read: number, written: number) => read * PRICES.rowsRead + written * PRICES.rowsWritten;
  const images = awaitedCalls(account, "Images");
  // An upload writes its file and both sizes, and deletes for nothing. Every other call of R2 reads.
  const writes = images > 0 ? 3 : 0;
  const reads = awaitedCalls(account, "R2") - writes;
  return {
    requests: PRICES.requests,
    rows: rows(rowsRead + messages * mail.rowsRead, rowsWritten + messages * mail.rowsWritten),
    object: coordinatorCalls * (PRICES.coordinatorCalls + PRICES.duration * OBJECT_GB * OBJECT_SECONDS),
    cpu: (WORK_CPU_MS + hashes * HASH_CPU_MS) * PRICES.cpuMs,
    logs: (account.logs + messages * delivery.logs) * PRICES.logs,
    files: writes * PRICES.r2Writes + reads * PRICES.r2Reads + images * PRICES.transformations,
    mail: messages * (PRICES.mails + QUEUE_OPERATIONS * PRICES.queueOperations),
  };
}

const usd = (amount: number): string => (amount === 0 ? "" : amount.toFixed(2));

/** A request that the platform's cache answers costs the request alone. */
const CACHED_USD = PRICES.requests;

/** What a polite crawler asks for: each car and its free slots, by five of them, every day. */
const CRAWLED = { crawlers: 5, days: 30 };

/** The page of costs. */
export function costPage(counts: Counts): string {
  const head = [
    "a million …",
    "rows read / written",
    "mails",
    "requests",
    "rows",
    "object",
    "CPU",
    "logs",
    "files",
    "mail",
    "USD",
  ];
  const rows = counts.operations.map((operation) => {
    const sums = sumsOf(operation, counts);
    const { rowsRead, rowsWritten } = costOf(operation.account);
    const parts = [sums.requests, sums.rows, sums.object, sums.cpu, sums.logs, sums.files, sums.mail];
    return [
      operation.name,
      `${rowsRead} / ${rowsWritten}`,
      operation.account.messages || "",
      ...parts.map(usd),
      `**${usd(sumOf(sums))}**`,
    ];
  });
  const table = [head, ["---", ...head.slice(1).map(() => "---:")], ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
  const mail = costOf(counts.delivery);
  return `${table}

The delivery of a mail reads ${mail.rowsRead} rows and writes ${mail.rowsWritten}, which the amounts include. The counts are those of ${STOCK.toLocaleString("en")} cars in
stock, and of requests that no cache answers. A read that the platform's cache answers costs ${CACHED_USD.toFixed(2)} USD a million.

## What a crawler costs

${crawler(counts)}
`;
}

function crawler(counts: Counts): string {
  const of = (name: string): number => {
    const operation = counts.operations.find((known) => known.name === name);
    if (!operation) throw new Error(`the model has no operation "${name}"`);
    return sumOf(sumsOf(operation, counts));
  };
  const { crawlers, days } = CRAWLED;
  const walks = (STOCK * crawlers * days) / 1e6;
  const uncached = walks * (of("one car") + of("free slots of a day"));
  const cached = walks * 2 * CACHED_USD;
  return `${crawlers} polite crawlers that ask for each of ${STOCK.toLocaleString("en")} cars and a day of its free slots once a day send ${(walks * 2).toFixed(1)} million
requests a month: ${uncached.toFixed(2)} USD when no answer is cached, ${cached.toFixed(2)} USD when all are. None of them writes a row or starts a
Durable Object (\`test/bench/free-slots.test.ts\`).`;
}
