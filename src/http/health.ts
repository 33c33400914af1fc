/** /healthz and /readyz: whether the Worker runs, and whether it reaches its dependencies. */
import type { Context } from "hono";
import { describeError, log } from "../shared/log.ts";
import type { AppEnv } from "./context.ts";

/** Maximum time for a dependency to answer. */
const TIMEOUT_MS = 3000;

/** The dependencies of the Worker, each with its cheapest check. */
const DEPENDENCIES: Record<string, (env: Env) => Promise<unknown>> = {
  database: (env) => env.DB.prepare("SELECT 1 FROM cars LIMIT 1").run(),
  photos: (env) => env.PHOTOS.head("readyz"),
  // A queue has no check other than sending, so only its binding is checked.
  queue: async (env) => {
    if (typeof env.NOTIFICATIONS?.send !== "function") throw new Error("no queue is bound");
  },
};

/** How long an answer is given again, so that those who ask often do not become a load of their own. */
const KEPT_MS = 5000;

type States = ReadonlyArray<readonly [dependency: string, state: "ok" | "down"]>;

/** The last answer of this isolate, by its bindings. */
const kept = new WeakMap<Env, { states: States; at: number }>();

/** Answers 200: the Worker runs. The body names its version, as `wrangler versions list` does. */
export const liveness = (c: Context<AppEnv>): Response =>
  c.json({ status: "ok", version: c.env.VERSION?.id });

/** Answers 200 when every dependency works, else 503. The body names the state of each, at most five seconds ago. */
export async function readiness(c: Context<AppEnv>): Promise<Response> {
  const now = Date.now();
  const last = kept.get(c.env);
  const states = last && now - last.at < KEPT_MS ? last.states : await check(c.env, c.get("requestId"));
  if (states !== last?.states) kept.set(c.env, { states, at: now });
  const isReady = states.every(([, state]) => state === "ok");
  const headers = { "Cache-Control": "no-store", ...(isReady ? {} : { "Retry-After": "5" }) };
  return c.json(
    { status: isReady ? "ready" : "not ready", ...Object.fromEntries(states) },
    isReady ? 200 : 503,
    headers,
  );
}

const check = (env: Env, request: string): Promise<States> =>
  Promise.all(
    Object.entries(DEPENDENCIES).map(async ([name, ask]) => {
      try {
        await Promise.race([ask(env), timeout()]);
        return [name, "ok"] as const;
      } catch (error) {
        log.error("readyz.dependency_down", { request, dependency: name, error: describeError(error) });
        return [name, "down"] as const;
      }
    }),
  );

const timeout = (): Promise<never> =>
  new Promise((_, reject) => setTimeout(() => reject(new Error("no answer in time")), TIMEOUT_MS));
