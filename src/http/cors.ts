/** CORS: the web pages of other origins that may call the API. */
import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./context.ts";

const allowOrigins = cors({
  origin: (origin, c: Context<AppEnv>) => {
    const { corsOrigins } = c.get("config");
    return corsOrigins.includes("*") || corsOrigins.includes(origin) ? origin : null;
  },
  exposeHeaders: [
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
    "X-D1-Bookmark",
    "Idempotency-Replayed",
    "RateLimit",
    "RateLimit-Policy",
  ],
  maxAge: 600,
});

/** Hono's CORS for requests with an `Origin`. For other requests see `varyByOrigin`. */
export const allowCrossOrigin: MiddlewareHandler<AppEnv> = (c, next) =>
  c.req.header("Origin") === undefined ? next() : allowOrigins(c, next);

/** Adds `Vary: Origin` to a cacheable response that did not pass through Hono's CORS. */
export function varyByOrigin(c: Context<AppEnv>, headers: Headers): void {
  if (c.req.header("Origin") === undefined && headers.get("Cache-Control") !== "no-store")
    headers.append("Vary", "Origin");
}
