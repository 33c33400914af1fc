/** CORS: the web pages of other origins that may call the API. */
import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./context.ts";

const exposeHeaders = [
  "ETag",
  "Location",
  "Retry-After",
  "X-Request-Id",
  "X-D1-Bookmark",
  "Idempotency-Replayed",
  "RateLimit",
  "RateLimit-Policy",
];

// Callers are known by a token alone, which no browser sends by itself, so every origin may read what "*" allows.
const allowAll = cors({ origin: "*", exposeHeaders, maxAge: 600 });
const allowListed = cors({
  origin: (origin, c: Context<AppEnv>) => (c.get("config").corsOrigins.includes(origin) ? origin : null),
  exposeHeaders,
  maxAge: 600,
});

/** Hono's CORS for requests with an `Origin`. For other requests see `originHeaders`. */
export const allowCrossOrigin: MiddlewareHandler<AppEnv> = (c, next) => {
  const { corsOrigins } = c.get("config");
  if (c.req.header("Origin") === undefined || corsOrigins.length === 0) return next();
  return (corsOrigins.includes("*") ? allowAll : allowListed)(c, next);
};

/**
 * Prepares a response that did not pass through Hono's CORS for caches, which may give it to a page of another origin. It
 * varies by origin only where origins are answered differently, because each value is stored by itself.
 */
export function originHeaders(c: Context<AppEnv>, headers: Headers): void {
  const { corsOrigins } = c.get("config");
  if (c.req.header("Origin") !== undefined || headers.get("Cache-Control") === "no-store") return;
  if (corsOrigins.includes("*")) {
    headers.set("Access-Control-Allow-Origin", "*");
    headers.set("Access-Control-Expose-Headers", exposeHeaders.join(","));
  } else if (corsOrigins.length > 0) headers.append("Vary", "Origin");
}
