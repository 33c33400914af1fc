/** Requests without a body, where a client may leave it out or must not send one. */
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";
import { invalid } from "./problems.ts";
import { unknownMembers } from "./validation.ts";

/**
 * Lets a client leave out an optional body. Many name a media type for a body that they do not send, and the router
 * would try to read it.
 */
export const allowNoBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  if ((await c.req.text()) === "") {
    const headers = new Headers(c.req.raw.headers);
    headers.delete("Content-Type");
    c.req.raw = new Request(c.req.raw.url, { method: c.req.method, headers });
  }
  return next();
};

/** Refuses a body, of an operation that takes none. An empty object is accepted. */
export const refuseBody: MiddlewareHandler<AppEnv> = async (c, next) => {
  const text = await c.req.text();
  const body = text === "" ? {} : parse(text);
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw invalid([{ field: "(body)", code: "unknown_field", message: "This operation takes no body" }]);
  const faults = unknownMembers(Object.keys(body));
  if (faults.length > 0) throw invalid(faults);
  return next();
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
