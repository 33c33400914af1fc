/** Which web pages of other origins may call the API. */
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

/** Hono's CORS for requests that name an origin. The others only learn that answers differ by it: see `varyByOrigin`. */
export const allowCrossOrigin: MiddlewareHandler<AppEnv> = (c, next) =>
  c.req.header("Origin") === undefined ? next() : allowOrigins(c, next);

/** Says of an answer that caches may keep that it differs by origin, where Hono's CORS has not said so. */
export function varyByOrigin(c: Context<AppEnv>, headers: Headers): void {
  if (c.req.header("Origin") === undefined && headers.get("Cache-Control") !== "no-store")
    headers.append("Vary", "Origin");
}
