/** Puts the API together: what every request goes through, then each area, then the documents. */
import type { Context, Next } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { authRoutes } from "./auth/routes.ts";
import { bookingRoutes, slotRoutes } from "./bookings/routes.ts";
import { photoFileRoutes, photoRoutes } from "./cars/photo-routes.ts";
import { MAX_PHOTO_BYTES } from "./cars/photo-storage.ts";
import { carRoutes } from "./cars/routes.ts";
import { Misconfigured, readConfig } from "./config.ts";
import type { AppEnv } from "./http/context.ts";
import { refuseBookmark, tellDatabase } from "./http/database.ts";
import { allowedMethods, documentRoutes } from "./http/documents.ts";
import { forgetPublic, keptAnswer } from "./http/freshness.ts";
import { readiness } from "./http/health.ts";
import { answerProblem, Problem } from "./http/problems.ts";
import { refuseTooMany, tellPolicy } from "./http/rate-limit.ts";
import { createRouter } from "./http/router.ts";
import { notificationRoutes } from "./notifications/routes.ts";
import { saleRoutes } from "./sales/routes.ts";
import { describeError, log } from "./shared/log.ts";
import { staffRoutes } from "./staff/routes.ts";

/** The largest JSON body. The longest legal one is a car with 10,000 characters of description. */
const MAX_BODY_BYTES = 64 * 1024;
/** The largest body of a photo upload: the file and what frames it. */
const MAX_UPLOAD_BYTES = MAX_PHOTO_BYTES + MAX_BODY_BYTES;
const UPLOAD_PATH = /^\/api\/cars\/[^/]+\/photos\/?$/;

/** Hono's, without those for browsers that are no more: Flash, Internet Explorer 8, XSS auditors. */
const FOR_PAGES = {
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  xDnsPrefetchControl: false,
  removePoweredBy: false,
};
/**
 * Every header costs every answer, so data has only these. Of JSON that must not be taken for anything else browsers make
 * neither a frame nor, without CORS, a part of another site.
 */
const FOR_DATA = [
  ["Strict-Transport-Security", "max-age=15552000; includeSubDomains"],
  ["X-Content-Type-Options", "nosniff"],
] as const;

/** A name that a client may give its request. */
const SANE_ID = /^[\w=-]{1,255}$/;

/** What everybody sees of the stock is changed under these paths. */
const CHANGES_STOCK = /^\/api\/(cars|sales)\//;

/** The whole application. */
export function createApp() {
  const app = createRouter();

  app.use("/photos/*", async (c, next) => {
    await next();
    // Shops of other origins show them, whatever holds for pages.
    c.res.headers.set("Cross-Origin-Resource-Policy", "cross-origin");
  });
  const pageHeaders = secureHeaders(FOR_PAGES);
  app.use(async (c, next) => {
    const isData = c.req.path.startsWith("/api/");
    // By hand, because Hono's own sets the header at the beginning, and then every answer's headers are made twice.
    const brought = c.req.header("X-Request-Id");
    const requestId = brought !== undefined && SANE_ID.test(brought) ? brought : crypto.randomUUID();
    c.set("requestId", requestId);
    await (isData ? next() : pageHeaders(c, next));
    // Set at the end, so that answers made elsewhere (static files, replays) carry them too.
    // Not with Hono's `header`, which would make the whole answer anew.
    const { headers } = c.res;
    headers.set("X-Request-Id", requestId);
    if (isData) for (const [name, value] of FOR_DATA) headers.set(name, value);
  });

  app.get("/healthz", (c) => c.json({ status: "ok" }));

  app.use((c, next) => {
    c.set("config", readConfig(c.env));
    return next();
  });
  app.get("/readyz", readiness);
  const allowOrigins = cors({
    origin: (origin, c) => {
      const { corsOrigins } = (c as Context<AppEnv>).get("config");
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
  const limitBody = (maxSize: number) =>
    bodyLimit({
      maxSize,
      onError: (c) => answerProblem(c, new Problem("too_large", `At most ${maxSize} bytes are read`)),
    });
  const [limitUpload, limitOther] = [limitBody(MAX_UPLOAD_BYTES), limitBody(MAX_BODY_BYTES)];

  /** Lets a request in, or answers it: with a refusal, or with what is known already. */
  async function admit(c: Context<AppEnv>, next: Next): Promise<void> {
    const refusal = (await refuseTooMany(c)) ?? refuseBookmark(c);
    const answered = refusal ? answerProblem(c, refusal) : keptAnswer(c);
    if (answered) c.res = answered;
    else if (c.req.method === "GET") await next();
    else {
      const tooLarge = await (UPLOAD_PATH.test(c.req.path) ? limitUpload : limitOther)(c, next);
      // Of a request that went on, it is not an answer that comes back.
      if (tooLarge instanceof Response) c.res = tooLarge;
    }
  }

  // One middleware for all of this, because each one costs every request.
  app.use("/api/*", async (c, next) => {
    const isCrossOrigin = c.req.header("Origin") !== undefined;
    if (isCrossOrigin) {
      const answered = await allowOrigins(c, () => admit(c, next));
      if (answered) return answered;
    } else await admit(c, next);
    const { headers } = c.res;
    // What was said to one caller is nobody else's, nor a cache's.
    if (!headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
    else if (!isCrossOrigin) headers.append("Vary", "Origin");
    tellPolicy(c, headers);
    tellDatabase(c, headers);
    if (c.req.method !== "GET" && CHANGES_STOCK.test(c.req.path)) forgetPublic();
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
    log.error("request.failed", {
      request: c.get("requestId"),
      path: c.req.path,
      error: describeError(error),
    });
    return answerProblem(c, new Problem(isDependencyDown(error) ? "unavailable" : "internal_error"));
  });

  return routed;
}

/** The API's types, for `hc` of hono/client: paths end in `index`, as in `client.api.cars[":id"].index.$get`. */
export type Api = ReturnType<typeof createApp>;

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
