/**
 * The black box under fire: a real server with its storage on disk, clients who book, cancel, move and approve over
 * HTTP, and SIGKILL in the middle of it, several times. Afterwards the database is compared with what the clients
 * were told.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { drizzle } from "drizzle-orm/d1";
import { uuidv7 } from "uuidv7";
import { getPlatformProxy } from "wrangler";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { addDays, localDate, slotsOn } from "../../src/bookings/slots.ts";
import { bookings, cars, users } from "../../src/db/schema.ts";
import type { Role } from "../../src/vocabulary.ts";
import { Random } from "../simulation/random.ts";

/** How hard it is. `kills`: how often the server is killed while clients are calling. */
export type CrashOptions = {
  calls: number;
  cars: number;
  kills: number;
  clients: number;
  seed: number;
  folder: string;
  port?: number | undefined;
};

/** What came of it. `faults` is empty when every promise was kept. */
export type CrashReport = {
  options: CrashOptions;
  seconds: number;
  calls: Record<string, number>;
  answers: Record<string, number>;
  kills: number;
  bookings: { stored: number; acknowledged: number; unanswered: number; active: number };
  overlaps: number;
  lost: number;
  faults: string[];
};

type Person = { id: string; token: string };
type Answer = { status: number; body: { id?: string; status?: string; start_at?: string } };
type Try = { carId: string; customerId: string; startAt: number; key: string | undefined };

/** A booking as its clients know it. `changes`: how many were acknowledged; `doubts`: how many may have happened. */
type Known = Try & {
  id: string;
  changes: number;
  doubts: number;
  /** The starts that were ever asked for: each is asked for once, so that each move that succeeds is a change. */
  starts: Set<number>;
  cancelled: boolean;
};

const CUSTOMERS = 40;
const DAYS = 5;
const READY_MS = 60_000;

/** Runs the test. Leaves nothing running; its folder keeps the database and the server's log. */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  const begun = performance.now();
  rmSync(options.folder, { recursive: true, force: true });
  mkdirSync(options.folder, { recursive: true });
  const secret = randomBytes(48).toString("base64url");
  const server = new Server(options.folder, secret, options.port ?? (await freePort()));
  server.migrate();
  const stage = await setStage(options, secret);
  const clients = new Clients(options, stage, server);
  try {
    await server.start();
    await clients.run();
  } finally {
    server.kill();
  }
  const { counts, ...judged } = await judge(options, clients);
  return {
    options,
    seconds: Math.round((performance.now() - begun) / 1000),
    calls: clients.calls,
    answers: clients.answers,
    kills: server.kills,
    ...judged,
    bookings: counts,
  };
}

/** The server in a process group of its own, so that one signal ends all of it at once. */
class Server {
  readonly url: string;
  kills = 0;
  /** Settles when the server answers again. */
  ready: Promise<void> = Promise.resolve();
  readonly #folder: string;
  readonly #port: number;
  readonly #variables: string;
  #process: ChildProcess | undefined;

  constructor(folder: string, secret: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#variables = join(folder, "variables");
    writeFileSync(this.#variables, `ENVIRONMENT=development\nJWT_SECRET=${secret}\n`, { mode: 0o600 });
  }

  migrate(): void {
    const { status, stderr } = spawnSync(
      "wrangler",
      ["d1", "migrations", "apply", "DB", "--local", "--persist-to", this.#folder],
      { env: environment(), encoding: "utf8" },
    );
    if (status !== 0) throw new Error(`the migrations failed: ${stderr}`);
  }

  start(): Promise<void> {
    this.ready = this.#start();
    return this.ready;
  }

  async #start(): Promise<void> {
    const log = openSync(join(this.#folder, "server.log"), "a");
    const options = {
      "--ip": "127.0.0.1",
      "--port": String(this.#port),
      "--inspector-port": String(await freePort()),
      "--persist-to": this.#folder,
      "--env-file": this.#variables,
      "--show-interactive-dev-session": "false",
      "--log-level": "warn",
    };
    this.#process = spawn("wrangler", ["dev", ...Object.entries(options).flat()], {
      detached: true,
      stdio: ["ignore", log, log],
      env: environment(),
    });
    const patience = performance.now() + READY_MS;
    while (performance.now() < patience) {
      const answer = await fetch(`${this.url}/healthz`).catch(() => undefined);
      if (answer?.ok) return;
      if (this.#process.exitCode !== null) throw new Error("the server ended by itself; see server.log");
      await sleep(100);
    }
    throw new Error("the server does not answer; see server.log");
  }

  /** SIGKILL to all of it: nothing is flushed, nobody says goodbye. */
  kill(): void {
    const pid = this.#process?.pid;
    this.#process = undefined;
    if (pid === undefined) return;
    process.kill(-pid, "SIGKILL");
  }

  async killAndRestart(): Promise<void> {
    this.kills += 1;
    this.kill();
    await this.start();
  }
}

const environment = () => ({ ...process.env, CI: "1", CLOUDFLARE_CF_FETCH_ENABLED: "false" });

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer().once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? done(address.port) : failed()));
    });
  });
}

/** Opens the database on disk while no server runs, or another process's server sleeps. */
async function withDatabase<T>(folder: string, work: (d1: D1Database) => Promise<T>): Promise<T> {
  const platform = await getPlatformProxy<{ DB: D1Database }>({
    persist: { path: resolve(folder, "v3") },
    envFiles: [],
    remoteBindings: false,
  });
  try {
    return await work(platform.env.DB);
  } finally {
    await platform.dispose();
  }
}

type Stage = { customers: Person[]; staff: Person; carIds: string[]; slots: number[] };

/** Puts people and cars into the database. */
async function setStage({ folder, cars: stock }: CrashOptions, secret: string): Promise<Stage> {
  const now = Date.now();
  const roles: Role[] = ["SALES", ...Array<Role>(CUSTOMERS).fill("CUSTOMER")];
  const people = roles.map((role, i) => ({
    id: uuidv7(),
    username: `person-${i}`,
    usernameKey: `person-${i}`,
    email: `person-${i}@example.com`,
    emailKey: `person-${i}@example.com`,
    passwordHash: "none",
    role,
    createdAt: now,
    updatedAt: now,
  }));
  const carIds = Array.from({ length: stock }, () => uuidv7());
  await withDatabase(folder, async (d1) => {
    const db = drizzle(d1);
    for (const row of people) await db.insert(users).values(row);
    for (const [i, id] of carIds.entries())
      await db.insert(cars).values({
        id,
        vin: `CRASH-${i}`,
        make: "Toyota",
        makeKey: "toyota",
        model: "Yaris",
        modelKey: "yaris",
        year: 2024,
        mileage: 10,
        fuelType: "HYBRID",
        transmission: "AUTOMATIC",
        color: "Red",
        bodyType: "HATCHBACK",
        basePriceCents: 2_000_000,
        currency: "EUR",
        createdAt: now,
        updatedAt: now,
      });
  });
  const [staff, ...customers] = await Promise.all(
    people.map(async ({ id, role }) => ({
      id,
      token: await signAccessToken({ userId: id, role, version: 0 }, secret, now),
    })),
  );
  if (!staff) throw new Error("nobody is there");
  const zone = "Europe/Berlin";
  const slots = Array.from({ length: DAYS }, (_, i) => slotsOn(addDays(localDate(now, zone), i + 2), zone))
    .flat()
    .map(({ startAt }) => startAt);
  return { customers, staff, carIds, slots };
}

class Clients {
  readonly known = new Map<string, Known>();
  /** Bookings asked for of which it is not known whether they were made. */
  readonly doubtful: Try[] = [];
  /** What each Idempotency-Key came to. */
  readonly keys = new Map<string, Set<string>>();
  readonly calls: Record<string, number> = {};
  readonly answers: Record<string, number> = {};
  readonly faults: string[] = [];
  readonly #options: CrashOptions;
  readonly #stage: Stage;
  readonly #server: Server;
  readonly #random: Random;
  #made = 0;
  #restarting: Promise<void> = Promise.resolve();

  constructor(options: CrashOptions, stage: Stage, server: Server) {
    this.#options = options;
    this.#stage = stage;
    this.#server = server;
    this.#random = new Random(options.seed);
  }

  /** All clients call until together they have made all calls. */
  async run(): Promise<void> {
    const { clients } = this.#options;
    await Promise.all(Array.from({ length: clients }, () => this.#client()));
    await this.#restarting;
  }

  async #client(): Promise<void> {
    while (this.#made < this.#options.calls) {
      await this.#server.ready;
      const dice = this.#random.next();
      const booking = this.#pickKnown();
      if (!booking || dice < 0.5) await this.#book();
      else if (dice < 0.65) await this.#cancel(booking);
      else if (dice < 0.85) await this.#approve(booking);
      else await this.#move(booking);
    }
  }

  #pickKnown(): Known | undefined {
    const all = [...this.known.values()].slice(-300);
    return all.length === 0 ? undefined : this.#random.pick(all);
  }

  /** One call. `undefined`: the connection broke before there was an answer. */
  async #call(what: string, method: string, path: string, token: string, json?: unknown, key?: string) {
    this.#made += 1;
    this.calls[what] = (this.calls[what] ?? 0) + 1;
    this.#killWhenDue();
    let answer: Answer | undefined;
    try {
      const response = await fetch(`${this.#server.url}${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(json === undefined ? {} : { "Content-Type": "application/json" }),
          ...(key === undefined ? {} : { "Idempotency-Key": key }),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      });
      const text = await response.text();
      answer = { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : {} };
    } catch {
      // The server was killed.
    }
    const name = answer ? String(answer.status) : "connection broken";
    this.answers[name] = (this.answers[name] ?? 0) + 1;
    if (answer && answer.status >= 500 && answer.status !== 503)
      this.faults.push(`${what} answered ${answer.status}`);
    if (answer && ![200, 201, 409].includes(answer.status) && answer.status < 500)
      this.faults.push(`${what} answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  /** Spreads the kills evenly over the calls. */
  #killWhenDue(): void {
    const { calls, kills } = this.#options;
    if (this.#server.kills >= kills) return;
    if (this.#made < ((this.#server.kills + 1) * calls) / (kills + 1)) return;
    this.#restarting = this.#server.killAndRestart();
  }

  async #book(): Promise<void> {
    const { customers, carIds, slots } = this.#stage;
    const customer = this.#random.pick(customers);
    const [carId, startAt] = [this.#random.pick(carIds), this.#random.pick(slots)];
    const key = this.#random.chance(0.5) ? uuidv7() : undefined;
    const attempt: Try = { carId, customerId: customer.id, startAt, key };
    const json = { car: carId, start_at: new Date(startAt).toISOString() };
    // Who has a key asks again until there is an answer; who has none gives up.
    for (let tries = 0; tries < 5; tries += 1) {
      const answer = await this.#call("book", "POST", "/api/bookings/", customer.token, json, key);
      if (answer?.status === 201) return this.#acknowledge(attempt, String(answer.body.id));
      if (answer && answer.status < 500) break;
      this.doubtful.push(attempt);
      if (key === undefined) return;
      await this.#server.ready;
    }
  }

  #acknowledge(attempt: Try, id: string): void {
    const { key } = attempt;
    if (key !== undefined) this.keys.set(key, (this.keys.get(key) ?? new Set()).add(id));
    if (!this.known.has(id))
      this.known.set(id, {
        ...attempt,
        id,
        changes: 0,
        doubts: 0,
        starts: new Set([attempt.startAt]),
        cancelled: false,
      });
  }

  async #change(what: string, booking: Known, token: string, json?: unknown): Promise<boolean> {
    const answer = await this.#call(what, "PATCH", `/api/bookings/${booking.id}/${what}/`, token, json);
    if (answer?.status === 200) booking.changes += 1;
    else if (!answer || answer.status >= 500) booking.doubts += 1;
    return answer?.status === 200;
  }

  async #cancel(booking: Known): Promise<void> {
    const owner = this.#stage.customers.find(({ id }) => id === booking.customerId);
    const done = await this.#change("cancel", booking, owner?.token ?? "");
    if (done && booking.cancelled) this.faults.push(`${booking.id} was cancelled twice`);
    booking.cancelled ||= done;
  }

  async #approve(booking: Known): Promise<void> {
    await this.#change("approve", booking, this.#stage.staff.token);
  }

  async #move(booking: Known): Promise<void> {
    const startAt = this.#random.pick(this.#stage.slots);
    if (booking.starts.has(startAt)) return this.#book();
    booking.starts.add(startAt);
    const { customers, staff } = this.#stage;
    const owner = customers.find(({ id }) => id === booking.customerId) ?? staff;
    const mover = this.#random.chance(0.5) ? owner : staff;
    await this.#change("reschedule", booking, mover.token, { start_at: new Date(startAt).toISOString() });
  }
}

/** Compares the database with what the clients were told. */
async function judge({ folder }: CrashOptions, { known, doubtful, keys, faults }: Clients) {
  return withDatabase(folder, async (d1) => {
    const rows = await drizzle(d1).select().from(bookings);
    const stored = new Map(rows.map((row) => [row.id, row]));
    const first = async (query: string) => Number((await d1.prepare(query).first<{ n: number }>())?.n);

    const overlaps = await first(
      `SELECT count(*) AS n FROM bookings a JOIN bookings b ON a.car_id = b.car_id AND a.id < b.id
         AND a.start_at < b.end_at AND b.start_at < a.end_at
       WHERE a.status IN ('PENDING', 'APPROVED') AND b.status IN ('PENDING', 'APPROVED')`,
    );
    if (overlaps > 0) faults.push(`${overlaps} pairs of active bookings overlap`);

    let lost = 0;
    for (const { id, carId, customerId, changes, doubts, cancelled, starts } of known.values()) {
      const row = stored.get(id);
      if (!row || row.carId !== carId || row.customerId !== customerId) {
        lost += 1;
        faults.push(`${id} was acknowledged and is not stored`);
        continue;
      }
      if (row.sequence < changes || row.sequence > changes + doubts)
        faults.push(`${id}: ${changes} changes acknowledged, ${doubts} in doubt, ${row.sequence} stored`);
      if (cancelled && row.status !== "CANCELLED") faults.push(`${id} was cancelled and is ${row.status}`);
      if (!starts.has(row.startAt)) faults.push(`${id} starts when nobody asked it to`);
    }

    const unanswered = rows.filter((row) => !known.has(row.id));
    for (const row of unanswered) {
      const wanted = doubtful.some(
        ({ carId, customerId, startAt }) =>
          carId === row.carId && customerId === row.customerId && startAt === row.startAt,
      );
      if (!wanted) faults.push(`${row.id} is stored, though its asker was refused or nobody asked`);
    }

    for (const [key, ids] of keys) if (ids.size > 1) faults.push(`the key ${key} made ${ids.size} bookings`);

    const untold = await first(
      `SELECT count(*) AS n FROM bookings b WHERE 1 <> (
         SELECT count(*) FROM notifications n WHERE n.booking_id = b.id AND n.kind = 'booking_received')`,
    );
    if (untold > 0) faults.push(`${untold} bookings whose customer is not told exactly once`);

    const active = rows.filter(({ status }) => status === "PENDING" || status === "APPROVED").length;
    const counts = {
      stored: rows.length,
      acknowledged: known.size,
      unanswered: unanswered.length,
      active,
    };
    return { counts, overlaps, lost, faults: [...new Set(faults)].slice(0, 50) };
  });
}
