/** Puts the API together: what every request goes through, then each area, then the documents. */
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { requestId } from "hono/request-id";
import { secureHeaders } from "hono/secure-headers";
import { authRoutes } from "./auth/routes.ts";
import { bookingRoutes, slotRoutes } from "./bookings/routes.ts";
import { photoFileRoutes, photoRoutes } from "./cars/photo-routes.ts";
import { MAX_PHOTO_BYTES } from "./cars/pictures.ts";
import { carRoutes } from "./cars/routes.ts";
import { Misconfigured, readConfig } from "./config.ts";
import { type Cost, openDatabase } from "./db/client.ts";
import type { AppEnv } from "./http/context.ts";
import { allowedMethods, documentRoutes } from "./http/documents.ts";
import { answerKept, forgetPublic } from "./http/freshness.ts";
import { readiness } from "./http/health.ts";
import { answerProblem, invalid, Problem } from "./http/problems.ts";
import { limitRequests } from "./http/rate-limit.ts";
import { createRouter } from "./http/router.ts";
import { describeError, log } from "./log.ts";
import { notificationRoutes } from "./notifications/routes.ts";
import { saleRoutes } from "./sales/routes.ts";
import { staffRoutes } from "./staff/routes.ts";

/** The largest JSON body. The longest legal one is a car with 10,000 characters of description. */
const MAX_BODY_BYTES = 64 * 1024;
/** The largest body of a photo upload: the file and what frames it. */
const MAX_UPLOAD_BYTES = MAX_PHOTO_BYTES + MAX_BODY_BYTES;
const UPLOAD_PATH = /^\/api\/cars\/[^/]+\/photos\/?$/;

const BOOKMARK = /^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/;

/** The whole application. */
export function createApp() {
  const app = createRouter();

  app.use(requestId());
  app.use(async (c, next) => {
    await next();
    // Set at the end, so that answers made elsewhere (static files, replays) carry it too.
    setHeader(c, "X-Request-Id", c.var.requestId);
  });
  app.use("/photos/*", async (c, next) => {
    await next();
    // Shops of other origins show them.
    setHeader(c, "Cross-Origin-Resource-Policy", "cross-origin");
  });
  app.use(secureHeaders());

  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.use(async (c, next) => {
    c.set("config", readConfig(c.env));
    await next();
  });
  app.get("/readyz", readiness);
  const allowOrigins = cors({
    origin: (origin, c) => {
      const { corsOrigins } = (c as Context<AppEnv>).var.config;
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
  app.use("/api/*", async (c, next) => {
    if (c.req.header("Origin") !== undefined) return allowOrigins(c, next);
    await next();
    c.res.headers.append("Vary", "Origin");
  });
  app.use("/api/*", limitRequests);
  app.use("/api/cars/*", answerKept);
  const limitBody = (maxSize: number) =>
    bodyLimit({
      maxSize,
      onError: () => {
        throw new Problem("too_large", `At most ${maxSize} bytes are read`);
      },
    });
  const [limitUpload, limitOther] = [limitBody(MAX_UPLOAD_BYTES), limitBody(MAX_BODY_BYTES)];
  app.use("/api/*", (c, next) => (UPLOAD_PATH.test(c.req.path) ? limitUpload : limitOther)(c, next));
  app.use("/api/*", async (c, next) => {
    const bookmark = c.req.header("X-D1-Bookmark");
    if (bookmark !== undefined && !BOOKMARK.test(bookmark))
      throw invalid([{ field: "X-D1-Bookmark", code: "invalid_format", message: "Not a bookmark of ours" }]);
    const isPrivate = c.req.method !== "GET" || c.req.header("Authorization") !== undefined;
    const db = openDatabase(c.env.DB, bookmark ?? (isPrivate ? "first-primary" : "first-unconstrained"));
    c.set("db", db);
    await next();
    // What was said to one caller is nobody else's, nor a cache's.
    if (!c.res.headers.has("Cache-Control")) setHeader(c, "Cache-Control", "no-store");
    if (c.var.config.environment === "development") setHeader(c, "Server-Timing", timingOf(db.cost()));
    // A car's calendar writes in a session of its own, and has said so already.
    const reached = c.req.method === "GET" || c.res.headers.has("X-D1-Bookmark") ? null : db.bookmark();
    if (reached && c.res.ok) setHeader(c, "X-D1-Bookmark", reached);
  });

  // What everybody sees of the stock is changed here and by sales.
  for (const path of ["/api/cars/*", "/api/sales/*"])
    app.use(path, async (c, next) => {
      await next();
      if (c.req.method !== "GET") forgetPublic();
    });

  // The slash at the end keeps the one of each area's own root.
  const routed = app
    .route("/api/auth/", authRoutes)
    .route("/api/cars/", carRoutes)
    .route("/api/cars/", photoRoutes)
    .route("/api/cars/", slotRoutes)
    .route("/api/bookings/", bookingRoutes)
    .route("/api/sales/", saleRoutes)
    .route("/api/staff/", staffRoutes)
    .route("/api/notifications/", notificationRoutes)
    .route("/photos/", photoFileRoutes);
  app.route("/", documentRoutes(app));

  app.notFound((c) => {
    const methods = allowedMethods(app, c.req.path);
    if (methods.length === 0) return answerProblem(c, new Problem("not_found"));
    const headers = { Allow: methods.join(", ") };
    if (c.req.method === "OPTIONS") return c.body(null, 204, headers);
    return answerProblem(c, new Problem("method_not_allowed", `Allowed here: ${headers.Allow}`, { headers }));
  });

  app.onError((error, c) => {
    if (error instanceof Problem) return answerProblem(c, error);
    if (error instanceof HTTPException) return answerProblem(c, problemOf(error));
    if (error instanceof Misconfigured) {
      log.error("config.invalid", { error: error.message });
      return answerProblem(c, new Problem("misconfigured"));
    }
    log.error("request.failed", { request: c.var.requestId, path: c.req.path, error: describeError(error) });
    return answerProblem(c, new Problem(isDependencyDown(error) ? "unavailable" : "internal_error"));
  });

  return routed;
}

/** The API's types, for `hc` of hono/client: paths end in `index`, as in `client.api.cars[":id"].index.$get`. */
export type Api = ReturnType<typeof createApp>;

/** Sets a header of an answer that is made. Hono's own `header` would make the whole answer anew. */
const setHeader = (c: Context, name: string, value: string): void => c.res.headers.set(name, value);

/** What a request cost in D1, for the network panel of a developer's browser; what a calendar asks is not in it. */
const timingOf = ({ trips, rowsRead, rowsWritten }: Cost): string =>
  `d1;desc="${trips} round trips, ${rowsRead} rows read, ${rowsWritten} written"`;

/** What the framework refuses before a handler runs. */
function problemOf(error: HTTPException): Problem {
  switch (error.status) {
    case 413:
      return new Problem("too_large");
    case 415:
      return new Problem("unsupported_media_type");
    case 400:
      return new Problem("malformed_json");
    default:
      return new Problem("internal_error");
  }
}

/** D1, R2 and Durable Objects say so in their messages when they cannot be reached. */
function isDependencyDown(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause)
    if (/D1_|Durable Object|Network connection lost|overloaded|internal error/i.test(e.message)) return true;
  return false;
}
