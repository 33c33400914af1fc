/** A real server over HTTP for the black-box tests: the built Worker, no proxy in front, its own empty storage. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, NoOpLog } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { createTables } from "../database/local-storage.ts";
import { builtWorker } from "./built-worker.ts";
import { freePort } from "./ports.ts";
import { SQL_WORKER, SqlDatabase } from "./sql-worker.ts";

export type Json = { readonly [member: string]: unknown };

process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies whose shape they are about to check.
export type Answer = { status: number; body: any; headers: Headers };

export const PASSWORD = "a quiet engine";
export const SECRET = "a secret of the black-box tests, nothing else";

/** The name of the Worker under test. */
const APP = "app";

/**
 * Starts the server with its migrations applied.
 * @param vars variables that override the configured ones
 * @param scriptPath another script than the built Worker's
 */
export async function startServer(vars: Record<string, string> = {}, scriptPath = builtWorker()) {
  const config = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  // Everything that is bound as wrangler.toml says.
  const { workerOptions } = unstable_getMiniflareWorkerOptions(config);
  const [port, sqlPort] = [await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), "server-"));
  const logs: string[] = [];
  const optionsWith = (secrets: Record<string, string>) =>
    convertV4MiniflareOptions({
      log: new NoOpLog(),
      handleStructuredLogs: ({ message }) => logs.push(message),
      resourcePersistencePath: folder,
      workers: [
        {
          ...workerOptions,
          modulesRules: undefined,
          name: APP,
          modules: true,
          scriptPath,
          d1Databases: { DB: "database" },
          bindings: {
            ...config.vars,
            ENVIRONMENT: "development",
            RATE_LIMITS: "off",
            MAX_ACTIVE_BOOKINGS: "1000",
            MAX_ACTIVE_BOOKINGS_UNVERIFIED: "1000",
            PUBLIC_FRESHNESS_SECONDS: "0",
            ...vars,
            ...secrets,
          },
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
        {
          name: "sql",
          modules: true,
          script: SQL_WORKER,
          compatibilityDate: config.compatibility_date ?? "",
          d1Databases: { DB: "database" },
          unsafeDirectSockets: [{ host: "127.0.0.1", port: sqlPort }],
        },
      ],
    });
  const options = optionsWith({ JWT_SECRET: SECRET });
  const runtime = new Miniflare(options);
  await runtime.ready;
  const url = new URL(`http://127.0.0.1:${port}`);
  const db = new SqlDatabase(`http://127.0.0.1:${sqlPort}`);
  await createTables(db);

  async function call(
    method: string,
    path: string,
    more: { token?: string | undefined; json?: unknown; form?: FormData; from?: string | undefined } = {},
  ): Promise<Answer> {
    // A form goes out in one piece, as the whole of a small body does: a refusal may close the connection before the rest.
    const form = more.form && new Response(more.form);
    const response = await fetch(new URL(path, url), {
      method,
      redirect: "manual",
      headers: {
        ...(more.json === undefined ? {} : { "Content-Type": "application/json" }),
        ...(form ? { "Content-Type": form.headers.get("Content-Type") ?? "" } : {}),
        // In production Cloudflare sets it; a local server believes the client.
        ...(more.from === undefined ? {} : { "CF-Connecting-IP": more.from }),
        ...(more.token === undefined ? {} : { Authorization: `Bearer ${more.token}` }),
      },
      ...(more.json === undefined ? {} : { body: JSON.stringify(more.json) }),
      ...(form ? { body: await form.arrayBuffer() } : {}),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text ? JSON.parse(text) : text,
    };
  }

  type Session = Json & { access: string; refresh: string; user: { id: string } };

  const signIn = async (username: string, from?: string): Promise<Session> =>
    (await call("POST", "/api/auth/login/", { json: { username, password: PASSWORD }, from })).body;

  /** Registers a customer and signs in, from an address; returns the session. */
  async function customer(username: string, from?: string): Promise<Session> {
    await call("POST", "/api/auth/register/", {
      json: { username, password: PASSWORD, email: `${username}@example.com` },
      from,
    });
    return signIn(username, from);
  }

  /** Puts a car into stock by SQL; returns its id. */
  async function car(vin: string): Promise<string> {
    const id = crypto.randomUUID();
    await db
      .prepare(
        `INSERT INTO cars (id, vin, make, make_key, model, model_key, year, mileage, fuel_type, transmission, color,
         body_type, base_price_cents, currency, created_at, updated_at)
       VALUES (?, ?, 'Toyota', 'toyota', 'Yaris', 'yaris', 2024, 10, 'HYBRID', 'AUTOMATIC', 'Red', 'HATCHBACK', 2000000, 'EUR', 0, 0)`,
      )
      .bind(id, vin)
      .run();
    return id;
  }

  return {
    url,
    call,
    signIn,
    customer,
    car,
    db,
    /** What the Worker has logged. */
    logs: () => logs,
    /** Runs the cron once. */
    cron: async () => (await runtime.getWorker(APP)).scheduled(),
    /** Ends the object of a car as the platform does whenever it likes. */
    evict: (carId: string) => runtime.unsafeEvictDurableObject(APP, "CarCoordinator", { name: carId }),
    /** Ends the runtime's process, whatever it is at, and starts another on the same storage. Queues are lost. */
    kill: () => runtime.setOptions(options),
    /** Restarts with other secrets on the same storage. */
    restart: (secrets: Record<string, string>) => runtime.setOptions(optionsWith(secrets)),
    async close(): Promise<void> {
      await runtime.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type Server = Awaited<ReturnType<typeof startServer>>;
