/** Limits the size of bodies. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";

/** The largest JSON body. The longest valid one is a car with a description of 10,000 characters. */
export const MAX_JSON_BYTES = 64 * 1024;

const limit = bodyLimit({
  maxSize: MAX_JSON_BYTES,
  onError: () => {
    throw new Problem("too_large", `The limit is ${MAX_JSON_BYTES} bytes`);
  },
});

/**
 * Refuses a larger body with `too_large`.
 * @param streamed the paths whose operations read their bodies as streams, and limit them (see multipart.ts)
 */
export const limitBodies =
  (streamed: RegExp): MiddlewareHandler<AppEnv> =>
  (c, next) =>
    c.req.method === "GET" || streamed.test(c.req.path) ? next() : limit(c, next);
