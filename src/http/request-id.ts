/** Names each request, in its answer and in every log line that it causes. */
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";

/** A name that a client may give its request. */
const SANE = /^[\w=-]{1,255}$/;

/**
 * Keeps a sane X-Request-Id or makes one. Not hono/request-id: it sets the header before the handler runs, and workerd
 * then copies all headers of every answer (see docs/adr/0012-headers-set-once.md).
 */
export const nameRequest: MiddlewareHandler<AppEnv> = (c, next) => {
  const brought = c.req.header("X-Request-Id");
  c.set("requestId", brought !== undefined && SANE.test(brought) ? brought : crypto.randomUUID());
  return next();
};
