/**
 * Races about one password between two Workers, which are processes of their own over one database: a login with the old
 * password against a reset or a change, and a change against a reset. Each part takes a quarter of a second between
 * reading the user and writing, in which the other part may write.
 */
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { uuidv7 } from "uuidv7";
import { unstable_readConfig } from "wrangler";
import { hashPassword, verifyPassword } from "../../src/auth/passwords.ts";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { createTables } from "../database/local-storage.ts";
import { Random } from "../random.ts";
import { buildWorker } from "../server/built-worker.ts";

const OLD = "a quiet engine";
const RESET = "a password by mail";
const CHANGED = "a password by hand";

/** The races, each with what its two parts do and what must be true afterwards. */
const RACES = {
  "login against reset": async (round: Round) => {
    const [login, reset] = await round.atOnce(
      [-0.3, 1],
      (by) => by.login(OLD),
      (by) => by.reset(RESET),
    );
    return [
      ...round.unless(reset === 204, `the reset answered ${reset}`),
      ...round.unless([200, 401].includes(login), `the login answered ${login}`),
      ...round.unless((await round.alive()) === 0, "a session of the old password is alive"),
      ...round.unless(await round.isPassword(RESET), "the password is not the one of the reset"),
    ];
  },
  "login against change": async (round: Round) => {
    const [login, change] = await round.atOnce(
      [0.3, 2],
      (by) => by.login(OLD),
      (by) => by.change(CHANGED),
    );
    return [
      ...round.unless(change === 204, `the change answered ${change}`),
      ...round.unless([200, 401].includes(login), `the login answered ${login}`),
      ...round.unless((await round.alive()) === 1, "a session of the old password is alive"),
      ...round.unless(await round.isPassword(CHANGED), "the password is not the changed one"),
    ];
  },
  "change against reset": async (round: Round) => {
    const [change, reset] = await round.atOnce(
      [-1, 1],
      (by) => by.change(CHANGED),
      (by) => by.reset(RESET),
    );
    // The change came first, and voided the mailed link.
    if (reset === 400 && change === 204)
      return round.unless(await round.isPassword(CHANGED), "the password is not the changed one");
    return [
      ...round.unless(reset === 204, `the reset answered ${reset}`),
      ...round.unless((await round.alive()) === 0, "a session of the old password is alive"),
      ...round.unless(await round.isPassword(RESET), "the password is not the one of the reset"),
    ];
  },
};

export type Race = keyof typeof RACES;
export const RACE_NAMES = Object.keys(RACES) as Race[];

/** What was found, by race: the number of rounds, how they were answered, and every broken promise. */
export type RaceReport = Record<Race, { rounds: number; answers: Record<string, number>; faults: string[] }>;

/** The Worker without the conditions that decide these races. */
const MUTATIONS = [
  ["auth/sessions.ts", " AND password_hash = $" + "{verifiedHash}", ""],
  ["auth/use-cases.ts", ", eq(users.passwordHash, user.passwordHash)", ""],
  ["auth/use-cases.ts", 'db.commit(caller, "password.change"', 'db.commit("anonymous", "password.change"'],
] as const;

function copyMutant(folder: string): string {
  mkdirSync(folder, { recursive: true });
  cpSync("src", join(folder, "src"), { recursive: true });
  for (const [file, from, to] of MUTATIONS) {
    const path = join(folder, "src", file);
    const parts = readFileSync(path, "utf8").split(from);
    if (parts.length !== 2) throw new Error(`${from} is not in ${file} exactly once`);
    writeFileSync(path, parts.join(to));
  }
  return join(folder, "src", "index.ts");
}

type Options = {
  /** The number of rounds of each race. */
  rounds: number;
  /** Where the Workers and their database go; emptied first. */
  folder: string;
  seed: number;
  /** Runs the Worker without the conditions that decide these races, and each race until it is lost. */
  isMutant?: boolean;
};

/** Runs all races. */
export async function runPasswordRaces({ rounds, folder, seed, isMutant }: Options): Promise<RaceReport> {
  rmSync(folder, { recursive: true, force: true });
  const script = buildWorker(
    isMutant ? copyMutant(join(folder, "source")) : "src/index.ts",
    join(folder, "built"),
  );
  const secret = randomBytes(48).toString("base64url");
  const workers: Miniflare[] = [];
  const random = new Random(seed);
  try {
    const urls: string[] = [];
    // One after the other: the first one owns the database.
    for (const name of ["first", "second"]) {
      const worker = startWorker(name, script, folder, secret);
      workers.push(worker);
      urls.push((await worker.ready).origin);
    }
    const d1 = (await workers[0]?.getD1Database("DB")) as unknown as D1Database;
    await createTables(d1);
    const begun = performance.now();
    const oldHash = await hashPassword(OLD);
    const derivationMs = performance.now() - begun;
    const report = Object.fromEntries(
      RACE_NAMES.map((name) => [name, { rounds: 0, answers: {}, faults: [] }]),
    ) as unknown as RaceReport;
    for (const name of RACE_NAMES)
      for (let n = 1; n <= rounds; n += 1) {
        const round = new Round(d1, urls, secret, random, derivationMs);
        await round.begin(oldHash);
        const entry = report[name];
        const faults = await RACES[name](round);
        entry.rounds += 1;
        entry.answers[round.answered] = (entry.answers[round.answered] ?? 0) + 1;
        entry.faults.push(...faults.map((fault) => `round ${n}: ${fault} (${round.answered})`));
        if (isMutant && faults.length > 0) break;
      }
    return report;
  } finally {
    await Promise.all(workers.map((worker) => worker.dispose()));
  }
}

function startWorker(name: string, script: string, folder: string, secret: string): Miniflare {
  const config = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  return new Miniflare(
    convertV4MiniflareOptions({
      name,
      modules: true,
      scriptPath: script,
      compatibilityDate: config.compatibility_date ?? "",
      compatibilityFlags: config.compatibility_flags,
      bindings: { ...config.vars, ENVIRONMENT: "development", RATE_LIMITS: "off", JWT_SECRET: secret },
      d1Databases: { DB: "race" },
      durableObjects: { CAR_COORDINATOR: { className: "CarCoordinator", useSQLite: true } },
      queueProducers: { NOTIFICATIONS: { queueName: "race" } },
      // The list of common passwords, which none of these is.
      serviceBindings: { ASSETS: () => new Response("password\n") as never },
      // Both processes use one database, which one of them owns.
      unsafeEnableSharedStorage: true,
      resourcePersistencePath: resolve(folder, "storage"),
      isolatedResourcePersistencePath: resolve(folder, `storage-of-${name}`),
      unsafeDevRegistryPath: resolve(folder, "registry"),
      host: "127.0.0.1",
      cf: false,
    }),
  );
}

/** Somebody who uses one of the Workers. */
type Player = {
  login(password: string): Promise<number>;
  change(password: string): Promise<number>;
  reset(password: string): Promise<number>;
};

const MAX_TRIES = 50;

/** One round: a user of its own with a session and a mailed link. */
class Round {
  /** The statuses of the two parts. */
  answered = "";
  readonly #d1: D1Database;
  readonly #urls: string[];
  readonly #secret: string;
  readonly #random: Random;
  readonly #derivationMs: number;
  readonly #id = uuidv7();
  readonly #sessionId = uuidv7();
  readonly #resetToken = randomBytes(32).toString("base64url");

  constructor(d1: D1Database, urls: string[], secret: string, random: Random, derivationMs: number) {
    this.#d1 = d1;
    this.#derivationMs = derivationMs;
    this.#urls = urls;
    this.#secret = secret;
    this.#random = random;
  }

  async begin(passwordHash: string): Promise<void> {
    const now = Date.now();
    const later = now + 3_600_000;
    const id = this.#id;
    await this.#sql(
      `INSERT INTO users (id, username, username_key, password_hash, created_at, updated_at)
        VALUES (?1, ?1, ?1, ?2, ?3, ?3)`,
      [id, passwordHash, now],
    );
    await this.#sql("INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)", [
      this.#sessionId,
      id,
      now,
      later,
    ]);
    await this.#sql(
      "INSERT INTO password_resets (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
      [await sha256(this.#resetToken), id, now, later],
    );
  }

  /**
   * Runs both parts at about the same time, each by a Worker of its own; returns their statuses.
   * @param delay how much later the first one begins: between these, in derivations (a change makes two, the others one)
   */
  async atOnce(
    delay: readonly [number, number],
    ...parts: ((by: Player) => Promise<number>)[]
  ): Promise<[number, number]> {
    const [from, to] = delay;
    const late = (from + this.#random.next() * (to - from)) * this.#derivationMs;
    const waits = [Math.max(0, late), Math.max(0, -late)];
    const [first = 0, second = 0] = await Promise.all(
      parts.map(async (part, at) => {
        await sleep(waits[at] ?? 0);
        return part(await this.#player(this.#urls[at] ?? ""));
      }),
    );
    this.answered = `${first} and ${second}`;
    return [first, second];
  }

  /** The number of the user's sessions that are alive. */
  async alive(): Promise<number> {
    const [row] = await this.#sql("SELECT count(*) AS n FROM signed_in WHERE user_id = ?", [this.#id]);
    return Number(row?.["n"]);
  }

  async isPassword(password: string): Promise<boolean> {
    const [row] = await this.#sql("SELECT password_hash AS hash FROM users WHERE id = ?", [this.#id]);
    return (await verifyPassword(password, String(row?.["hash"]), { imported: false })) === "right";
  }

  unless = (isKept: boolean, fault: string): string[] => (isKept ? [] : [fault]);

  async #player(url: string): Promise<Player> {
    const token = await signAccessToken(
      { userId: this.#id, role: "CUSTOMER", sessionId: this.#sessionId },
      this.#secret,
      Date.now(),
    );
    /** Two processes cannot write to one SQLite file at once: the loser answers 503, and tries again. */
    const post = async (path: string, json: object): Promise<number> => {
      for (let tries = 1; ; tries += 1) {
        const { status } = await fetch(`${url}/api/auth/${path}`, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
          body: JSON.stringify(json),
        });
        if (status !== 503 || tries === MAX_TRIES) return status;
        await sleep(20);
      }
    };
    return {
      login: (password) => post("login", { username: this.#id, password }),
      change: (password) => post("password/change", { current_password: OLD, new_password: password }),
      reset: (password) => post("password/reset", { token: this.#resetToken, new_password: password }),
    };
  }

  async #sql(text: string, params: unknown[]): Promise<Record<string, unknown>[]> {
    for (let tries = 1; ; tries += 1)
      try {
        return (
          await this.#d1
            .prepare(text)
            .bind(...params)
            .all()
        ).results;
      } catch (error) {
        if (tries === MAX_TRIES || !/SQLITE_BUSY|locked/.test(String(error))) throw error;
        await sleep(20);
      }
  }
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
