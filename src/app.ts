/** Assembles the API: the middleware of every request, then the routes of each area, then the documents. */
import { HTTPException } from "hono/http-exception";
import { authRoutes } from "./auth/routes.ts";
import { bookingRoutes, slotRoutes } from "./bookings/routes.ts";
import { photoFileRoutes, photoRoutes } from "./cars/photo-routes.ts";
import { carRoutes } from "./cars/routes.ts";
import { Misconfigured, readConfig } from "./config.ts";
import { dataHeaders, fileHeaders } from "./http/answer-headers.ts";
import { limitBodies } from "./http/body-limit.ts";
import { checkBookmark } from "./http/bookmark.ts";
import { allowCrossOrigin } from "./http/cors.ts";
import { allowedMethods, documentRoutes, operationAt } from "./http/documents.ts";
import { liveness, readiness } from "./http/health.ts";
import { observe } from "./http/observation.ts";
import { answerProblem, Problem } from "./http/problems.ts";
import { answerFromCache } from "./http/public-cache.ts";
import { limitRequests } from "./http/rate-limit.ts";
import { nameRequest } from "./http/request-id.ts";
import { createRouter } from "./http/router.ts";
import { notificationRoutes } from "./notifications/routes.ts";
import { opsRoutes } from "./ops/routes.ts";
import { fairnessRoutes } from "./reports/fairness-routes.ts";
import { saleRoutes } from "./sales/routes.ts";
import { Busy } from "./shared/busy.ts";
import { DependencyDown } from "./shared/dependency-down.ts";
import { describeError, log } from "./shared/log.ts";
import { showroomRoutes } from "./showrooms/routes.ts";
import { calendarRoutes, staffRoutes } from "./staff/routes.ts";
import { ownDataRoutes, userRoutes } from "./users/routes.ts";

/** Paths whose operations read a file as a stream. */
const STREAMED = /^\/api\/cars\/[^/]+\/photos\/?$/;

/** The whole application. */
export function createApp() {
  const app = createRouter();

  app.use(nameRequest);
  app.use(observe((c) => operationAt(app, c.req.method, c.req.path)));
  app.use((c, next) => (c.req.path.startsWith("/api/") ? dataHeaders : fileHeaders)(c, next));
  app.get("/healthz", liveness);
  app.use((c, next) => {
    c.set("config", readConfig(c.env));
    return next();
  });
  app.get("/readyz", limitRequests, readiness);
  app.use("/api/*", allowCrossOrigin, limitRequests, checkBookmark, answerFromCache, limitBodies(STREAMED));
  app.use("/photos/*", checkBookmark);
  app.use("/calendars/*", limitRequests);

  const routed = app
    .route("/api/auth", authRoutes)
    .route("/api/auth", ownDataRoutes)
    .route("/api/users", userRoutes)
    .route("/api/cars", carRoutes)
    .route("/api/cars", photoRoutes)
    .route("/api/cars", slotRoutes)
    .route("/api/bookings", bookingRoutes)
    .route("/api/showrooms", showroomRoutes)
    .route("/api/sales", saleRoutes)
    .route("/api/staff", staffRoutes)
    .route("/api/reports", fairnessRoutes)
    .route("/api/notifications", notificationRoutes)
    .route("/api/ops", opsRoutes)
    .route("/photos", photoFileRoutes)
    .route("/calendars", calendarRoutes);
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
      log.error("config.invalid", { request: c.get("requestId"), error: error.message });
      // Only on a developer's machine does the response name the variable. Elsewhere the log names it.
      const detail = c.env.ENVIRONMENT === "development" ? error.message : undefined;
      return answerProblem(c, new Problem("misconfigured", detail));
    }
    if (error instanceof Busy) {
      log.warn("request.busy", {
        request: c.get("requestId"),
        path: loggedPath(c.req.path),
        error: error.message,
      });
      return answerProblem(c, new Problem("busy"));
    }
    const isOutage = error instanceof DependencyDown;
    log.error(isOutage ? "request.dependency_down" : "request.failed", {
      request: c.get("requestId"),
      path: loggedPath(c.req.path),
      error: describeError(error),
    });
    return answerProblem(c, new Problem(isOutage ? "unavailable" : "internal_error"));
  });

  return routed;
}

/** The API's types for `hc` of hono/client, as in `client.api.cars[":id"].$get`. */
export type Api = ReturnType<typeof createApp>;

/** A path as the log may have it: the address of a calendar is a secret. */
const loggedPath = (path: string): string => path.replace(/^\/calendars\/.*/, "/calendars/-");

/** Maps an error that the framework raised before a handler ran. */
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
