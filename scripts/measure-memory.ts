/** `npm run measure:memory`: measures the memory of the Worker's isolate under uploads and logins, and limits it. */
import { randomBytes } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";
import { inspectIsolate, type Memory, totalOf } from "../tools/bench/memory.ts";
import { type Stage, setStage } from "../tools/bench/stage.ts";
import { readOptions } from "../tools/command-line/arguments.ts";

const { uploads, logins, limit, port } = readOptions(
  `npm run measure:memory

Sends uploads of 10 MB and logins to the built Worker, all at once, and samples the memory of its isolate: the heap and
the buffers outside it. Fails when the peak is above the limit in MB, or when an answer is not an expected one. The
platform ends an isolate at 128 MB, with all requests in it. Resizing happens outside the isolate, as in production.`,
  { uploads: 20, logins: 30, limit: 64, port: 8870 },
);

const MB = 1024 * 1024;
/** A request that takes longer is not answered in time. */
const PATIENCE_MS = 120_000;
/** More than enough for the limit of one user's uploads. */
const SELLERS = 10;

const LOADS = [
  { name: `${logins} logins`, uploads: 0, logins },
  { name: `${uploads} uploads`, uploads, logins: 0 },
  { name: `${uploads} uploads and ${logins} logins`, uploads, logins },
];

/** A PNG just below 10 MB, because it is not compressed: soft colours with the noise of a camera. */
function picture(): Uint8Array<ArrayBuffer> {
  const [width, height] = [1850, 1880];
  const stride = width * 3 + 1;
  const rows = randomBytes(stride * height);
  for (let at = 0; at < rows.length; at += 1) {
    const [x, y] = [at % stride, Math.floor(at / stride)];
    // The first byte of a row is the kind of its filter: none.
    rows[at] = x === 0 ? 0 : 60 + (x / stride) * 80 + (y / height) * 80 + ((rows[at] ?? 0) & 15);
  }
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const chunk = (type: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(type), data]);
    return Buffer.concat([number(data.length), named, number(crc32(named))]);
  };
  return new Uint8Array(
    Buffer.concat([
      Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
      chunk("IHDR", Buffer.concat([number(width), number(height), Buffer.of(8, 2, 0, 0, 0)])),
      chunk("IDAT", deflateSync(rows, { level: 0 })),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

/** What the edge adds to each request. */
const EDGE = { "CF-Connecting-IP": "192.0.2.1" };

const url = (path: string) => `http://127.0.0.1:${port}${path}`;

/**
 * The status of an answer; 0 when there was none. workerd closes the connection of a request that it refuses before it
 * has read the body, and a client that is still sending may miss the answer. In production the edge is between.
 */
const statusOf = (request: Promise<Response>): Promise<number> =>
  request.then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => 0,
  );

const upload = ({ stock, sellers }: Stage, file: Uint8Array<ArrayBuffer>, index: number) => {
  const body = new FormData();
  body.set("file", new File([file], "photo.png"));
  return statusOf(
    fetch(url(`/api/cars/${stock[index % stock.length]?.id}/photos`), {
      method: "POST",
      headers: { ...EDGE, Authorization: `Bearer ${sellers[index % sellers.length]?.token}` },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    }),
  );
};

const login = ({ customers, password }: Stage, index: number) =>
  statusOf(
    fetch(url("/api/auth/login"), {
      method: "POST",
      headers: { ...EDGE, "Content-Type": "application/json" },
      body: JSON.stringify({ username: customers[index % customers.length]?.username, password }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    }),
  );

const times = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

/** How often each status was answered. */
const counted = (statuses: number[]) =>
  [...Map.groupBy(statuses, (status) => status)]
    .map(([status, all]) => `${all.length} × ${status}`)
    .join(", ") || "-";

const size = { cars: 50, customers: 30, bookings: 0, popular: 0, sellers: SELLERS };
const stage = await setStage(size, port, ["app"], {}, port + 1);
const faults: string[] = [];
try {
  const isolate = await inspectIsolate(port + 1, "app");
  const file = picture();
  // What the first requests load stays.
  await upload(stage, file, 0);
  await login(stage, 0);
  const megabytes = (memory: Memory) => (totalOf(memory) / MB).toFixed(0);
  console.log("| at once | before MB | peak MB (heap + buffers) | afterwards MB | uploads | logins |");
  console.log("|---|---:|---:|---:|---|---|");
  const collect = () => isolate.collect(() => statusOf(fetch(url("/healthz"))));
  for (const load of LOADS) {
    await collect();
    const before = await isolate.memory();
    const sent = Promise.all([
      times(load.uploads, (index) => upload(stage, file, index)),
      times(load.logins, (index) => login(stage, index)),
    ]);
    const { peak } = await isolate.peakDuring(sent);
    const [uploaded, signedIn] = await sent;
    await collect();
    const after = await isolate.memory();
    const parts = `${megabytes({ ...peak, buffers: 0 })} + ${megabytes({ ...peak, heap: 0 })}`;
    console.log(
      `| ${load.name} | ${megabytes(before)} | ${megabytes(peak)} (${parts}) | ${megabytes(after)} | ${counted(uploaded)} | ${counted(signedIn)} |`,
    );
    if (totalOf(peak) > limit * MB) faults.push(`${load.name}: ${megabytes(peak)} MB, above ${limit} MB`);
    for (const status of uploaded)
      if (![201, 503, 0].includes(status)) faults.push(`${load.name}: an upload got ${status}`);
    for (const status of signedIn)
      if (![200, 401, 429, 503].includes(status)) faults.push(`${load.name}: a login got ${status}`);
    if (load.uploads > 0 && !uploaded.includes(201)) faults.push(`${load.name}: no upload succeeded`);
  }
  isolate.close();
} finally {
  await stage.close();
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
