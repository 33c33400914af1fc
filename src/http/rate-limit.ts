/**
 * Limits the requests of one address, reads and writes together. The limit stops runaway clients and is far above
 * normal use. The platform counts per location and approximately, and does not report the remaining number: a response
 * names the policy, and only a refusal says that nothing remains.
 */
import type { Context, MiddlewareHandler } from "hono";
import { clientAddress } from "./client-address.ts";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";

/** As in wrangler.toml. */
const LIMIT = 20_000;
const WINDOW_SECONDS = 60;

const POLICY = `"address";q=${LIMIT};w=${WINDOW_SECONDS}`;

/** Counts a request against its address, and refuses it with `too_many_requests` above the limit. */
export const limitRequests: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.get("config").rateLimits) {
    const { success } = await c.env.REQUEST_LIMIT.limit({ key: clientAddress(c) });
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

/** Adds the policy to a response. */
export function rateLimitHeader(c: Context<AppEnv>, headers: Headers): void {
  if (c.get("config").rateLimits) headers.set("RateLimit-Policy", POLICY);
}
