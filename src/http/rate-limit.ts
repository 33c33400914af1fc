/**
 * Rate limits of requests. The platform does not report the remaining number: a response names the policy of all
 * requests, and a refusal names the policy that it broke.
 */
import type { Context, MiddlewareHandler } from "hono";
import { RATE_LIMITS, type RateLimitName } from "../shared/rate-limits.ts";
import { clientAddress } from "./client-address.ts";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";
import { depsOf } from "./request-deps.ts";

const policyOf = (name: RateLimitName): string => {
  const { policy, requests, seconds } = RATE_LIMITS[name];
  return `"${policy}";q=${requests};w=${seconds}`;
};

/**
 * Counts a request under a key.
 * @throws `too_many_requests` above the limit
 */
export async function limitBy(c: Context<AppEnv>, name: RateLimitName, key: string): Promise<void> {
  if (await depsOf(c).isWithin(name, key)) return;
  const { policy, requests, seconds } = RATE_LIMITS[name];
  throw new Problem("too_many_requests", `At most ${requests} in ${seconds} seconds (${policy})`, {
    policy,
    headers: {
      RateLimit: `"${policy}";r=0;t=${seconds}`,
      "RateLimit-Policy": policyOf(name),
      "Retry-After": String(seconds),
    },
  });
}

/** Counts a request against its address. This limit stops runaway clients and is far above normal use. */
export const limitRequests: MiddlewareHandler<AppEnv> = async (c, next) => {
  await limitBy(c, "REQUEST_LIMIT", clientAddress(c));
  await next();
};

/** Adds the policy of all requests to a response, unless it names another. */
export function rateLimitHeader(c: Context<AppEnv>, headers: Headers): void {
  if (c.get("config").rateLimits && !headers.has("RateLimit-Policy"))
    headers.set("RateLimit-Policy", policyOf("REQUEST_LIMIT"));
}
