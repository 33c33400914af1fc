/** /healthz and /readyz: is the Worker up, and can it reach what it needs. */
import type { Context } from "hono";
import { describeError, log } from "../shared/log.ts";
import type { AppEnv } from "./context.ts";

/** How long a dependency may take to answer. */
const PATIENCE_MS = 3000;

/** Each thing the Worker needs, asked as cheaply as it can be. */
const DEPENDENCIES: Record<string, (env: Env) => Promise<unknown>> = {
  database: (env) => env.DB.prepare("SELECT 1 FROM cars LIMIT 1").run(),
  photos: (env) => env.PHOTOS.head("readyz"),
  // A queue cannot be asked without sending; that the binding is there is what can be known.
  queue: async (env) => {
    if (typeof env.NOTIFICATIONS?.send !== "function") throw new Error("no queue is bound");
  },
};

/** Answers 200 when every dependency does, else 503; each is named with its state. */
export async function readiness(c: Context<AppEnv>): Promise<Response> {
  const states = await Promise.all(
    Object.entries(DEPENDENCIES).map(async ([name, ask]) => {
      try {
        await Promise.race([ask(c.env), timeout()]);
        return [name, "ok"] as const;
      } catch (error) {
        log.error("readyz.dependency_down", { dependency: name, error: describeError(error) });
        return [name, "down"] as const;
      }
    }),
  );
  const isReady = states.every(([, state]) => state === "ok");
  const headers = { "Cache-Control": "no-store", ...(isReady ? {} : { "Retry-After": "5" }) };
  return c.json(
    { status: isReady ? "ready" : "not ready", ...Object.fromEntries(states) },
    isReady ? 200 : 503,
    headers,
  );
}

const timeout = (): Promise<never> =>
  new Promise((_, reject) => setTimeout(() => reject(new Error("no answer in time")), PATIENCE_MS));
