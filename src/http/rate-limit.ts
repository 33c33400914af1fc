/**
 * How much one address may ask at all, reads and writes together: a bound for runaway clients, far above what people do.
 * Counted by the platform, per location and approximately; it does not tell how much is left, so an answer names the
 * policy, and only a refusal says that nothing is left.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";

/** As in wrangler.toml. */
const LIMIT = 20_000;
const WINDOW_SECONDS = 60;

const POLICY = `"address";q=${LIMIT};w=${WINDOW_SECONDS}`;

/** Counts a request against its address, and refuses with `too_many_requests` when it is one too many. */
export const limitRequests: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.get("config").rateLimits) {
    const { success } = await c.env.REQUEST_LIMIT.limit({
      key: c.req.header("CF-Connecting-IP") ?? "unknown",
    });
    if (!success)
      throw new Problem("too_many_requests", undefined, {
        headers: {
          RateLimit: `"address";r=0;t=${WINDOW_SECONDS}`,
          "Retry-After": String(WINDOW_SECONDS),
        },
      });
  }
  await next();
};

/** Adds the policy to an answer. */
export function rateLimitHeader(c: Context<AppEnv>, headers: Headers): void {
  if (c.get("config").rateLimits) headers.set("RateLimit-Policy", POLICY);
}
