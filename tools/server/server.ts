/** A real server over HTTP for the black-box tests: the built Worker, an empty database, its own storage. */
import { createTestHarness } from "wrangler";

export type Json = { readonly [member: string]: unknown };

process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies whose shape they are about to check.
export type Answer = { status: number; body: any; headers: Headers };

export const PASSWORD = "a quiet engine";
export const SECRET = "a secret of the black-box tests, nothing else";

/** Starts the server with its migrations applied. Variables given override the configured ones. */
export async function startServer(vars: Record<string, string> = {}, configPath = "./wrangler.toml") {
  const optionsWith = (secrets: Record<string, string>) => ({
    workers: [
      {
        configPath,
        vars: {
          ENVIRONMENT: "development",
          RATE_LIMITS: "off",
          MAX_ACTIVE_BOOKINGS: "1000",
          MAX_ACTIVE_BOOKINGS_UNVERIFIED: "1000",
          PUBLIC_FRESHNESS_SECONDS: "0",
          ...vars,
        },
        secrets,
      },
    ],
  });
  const options = optionsWith({ JWT_SECRET: SECRET });
  const harness = createTestHarness(options);
  const { url } = await harness.listen();
  const worker = harness.getWorker<Env>();
  await worker.applyD1Migrations("DB");
  const { DB } = await worker.getEnv();

  async function call(
    method: string,
    path: string,
    more: { token?: string | undefined; json?: unknown; form?: FormData; from?: string | undefined } = {},
  ): Promise<Answer> {
    const response = await fetch(new URL(path, url), {
      method,
      redirect: "manual",
      headers: {
        ...(more.json === undefined ? {} : { "Content-Type": "application/json" }),
        // In production Cloudflare sets it; a local server believes the client.
        ...(more.from === undefined ? {} : { "CF-Connecting-IP": more.from }),
        ...(more.token === undefined ? {} : { Authorization: `Bearer ${more.token}` }),
      },
      ...(more.json === undefined ? {} : { body: JSON.stringify(more.json) }),
      ...(more.form === undefined ? {} : { body: more.form }),
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
    await DB.prepare(
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
    db: DB,
    worker,
    logs: () => harness.getLogs(),
    /** Ends the runtime's process, whatever it is at, and starts another on the same storage. Queues are lost. */
    kill: () => harness.update(options),
    /** Restarts with other secrets on the same storage. */
    restart: (secrets: Record<string, string>) => harness.update(optionsWith(secrets)),
    close: () => harness.close(),
  };
}

export type Server = Awaited<ReturnType<typeof startServer>>;
