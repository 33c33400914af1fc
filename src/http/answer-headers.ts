/**
 * The headers of every response, set once at its end. They are several small functions in one middleware, because in
 * workerd Hono copies all headers each time a middleware changes a finished response: separate middlewares reduced the
 * rate to between 0.62 and 0.98 of this one (docs/adr/0012-headers-set-once.md).
 */
import type { Context, MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { databaseHeaders } from "./bookmark.ts";
import type { AppEnv } from "./context.ts";
import { originHeaders } from "./cors.ts";
import { isForOthers } from "./platform-cache.ts";
import { rateLimitHeader } from "./rate-limit.ts";

type Piece = (c: Context<AppEnv>, headers: Headers) => void;

const requestIdHeader: Piece = (c, headers) => headers.set("X-Request-Id", c.get("requestId"));

/** Without `includeSubDomains`: an API on the apex of a domain must not decide for the sites beside it. */
const TRANSPORT_SECURITY = "max-age=15552000";

/** JSON is never framed and, without CORS, never part of another site, so it needs fewer headers than a page. */
const transportHeaders: Piece = (_, headers) => {
  headers.set("Strict-Transport-Security", TRANSPORT_SECURITY);
  headers.set("X-Content-Type-Options", "nosniff");
};

/** By default no cache may store a response, because it is for one caller. */
const noStoreHeader: Piece = (_, headers) => {
  if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
};

/** Handlers name paths. A link begins with PUBLIC_URL, whatever the request's Host. */
const locationHeader: Piece = (c, headers) => {
  const path = headers.get("Location");
  if (path?.startsWith("/")) headers.set("Location", `${c.get("config").publicUrl}${path}`);
};

/** What is true for one request only. An answer that the platform's cache gives to others has none of it. */
const ownHeaders: Piece = (c, headers) => {
  if (isForOthers(c, headers)) return;
  requestIdHeader(c, headers);
  if (!c.get("config")) return;
  rateLimitHeader(c, headers);
  databaseHeaders(c, headers);
};

const pageHeaders = secureHeaders({
  strictTransportSecurity: TRANSPORT_SECURITY,
  // These headers are for browsers that no longer exist: Flash, Internet Explorer 8, XSS auditors.
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  xDnsPrefetchControl: false,
  removePoweredBy: false,
});

/** Sets the headers of data: every path under /api. */
export const dataHeaders: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next();
  const { headers } = c.res;
  transportHeaders(c, headers);
  noStoreHeader(c, headers);
  if (c.get("config")) {
    originHeaders(c, headers);
    locationHeader(c, headers);
  }
  ownHeaders(c, headers);
};

/** Sets the headers of pages and files. */
export const fileHeaders: MiddlewareHandler<AppEnv> = async (c, next) => {
  await pageHeaders(c, next);
  const { headers } = c.res;
  noStoreHeader(c, headers);
  if (!isForOthers(c, headers)) requestIdHeader(c, headers);
  // Web shops of other origins may show photos.
  if (c.req.path.startsWith("/photos/")) headers.set("Cross-Origin-Resource-Policy", "cross-origin");
};
