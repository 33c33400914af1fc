/** A real server with its storage on disk, that can be killed and started again. */
import type { ChildProcess } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, start } from "../command-line/programs.ts";
import { openLocalStorage } from "../database/local-storage.ts";
import { freePort } from "./ports.ts";

const READY_MS = 60_000;

/** The server in a process group of its own, so that one signal ends all of it at once. */
export class KillableServer {
  readonly url: string;
  kills = 0;
  /** Settles when the server answers again. */
  ready: Promise<void> = Promise.resolve();
  readonly #folder: string;
  readonly #port: number;
  readonly #variables: string;
  #process: ChildProcess | undefined;

  /** @param folder where its storage and log go */
  constructor(folder: string, secret: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#variables = join(folder, "variables");
    // Few customers stand for many.
    const variables = [
      "ENVIRONMENT=development",
      `JWT_SECRET=${secret}`,
      "RATE_LIMITS=off",
      "MAX_ACTIVE_BOOKINGS=1000",
      "MAX_ACTIVE_BOOKINGS_UNVERIFIED=1000",
    ];
    writeFileSync(this.#variables, `${variables.join("\n")}\n`, { mode: 0o600 });
  }

  /** Creates the tables. */
  migrate(): void {
    const args = ["d1", "migrations", "apply", "DB", "--local", "--persist-to", this.#folder];
    const { status, stderr } = run("wrangler", args, { env: environment() });
    if (status !== 0) throw new Error(`the migrations failed: ${stderr}`);
  }

  /** Starts it; settles when it answers. */
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
    this.#process = start("wrangler", ["dev", ...Object.entries(options).flat()], {
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

  /** Sends SIGKILL to the process group: nothing is flushed, no connection is closed. */
  kill(): void {
    const pid = this.#process?.pid;
    this.#process = undefined;
    if (pid === undefined) return;
    process.kill(-pid, "SIGKILL");
  }

  /** Kills it and starts it again on the same disk. */
  async killAndRestart(): Promise<void> {
    this.kills += 1;
    this.kill();
    await this.start();
  }
}

const environment = () => ({ ...process.env, CI: "1", CLOUDFLARE_CF_FETCH_ENABLED: "false" });

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Opens the database that a server left on disk. */
export async function withDatabase<T>(folder: string, work: (d1: D1Database) => Promise<T>): Promise<T> {
  const { d1, close } = await openLocalStorage(folder);
  try {
    return await work(d1);
  } finally {
    await close();
  }
}
