/** Gives each request an id, for its response and for every log line that it causes. */
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";

/** The form of an id that a client may send. */
const SANE = /^[\w=-]{1,255}$/;

/**
 * Keeps a valid X-Request-Id or creates one. hono/request-id is not used: it sets the header before the handler runs,
 * and workerd then copies all headers of every response (docs/adr/0012-headers-set-once.md).
 */
export const nameRequest: MiddlewareHandler<AppEnv> = (c, next) => {
  const brought = c.req.header("X-Request-Id");
  c.set("requestId", brought !== undefined && SANE.test(brought) ? brought : crypto.randomUUID());
  return next();
};
