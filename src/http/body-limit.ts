/** Limits the size of bodies. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { AppEnv } from "./context.ts";
import { Problem } from "./problems.ts";

/** The largest JSON body. The longest valid one is a car with a description of 10,000 characters. */
const MAX_JSON_BYTES = 64 * 1024;
/** The largest file in a form. */
export const MAX_FILE_BYTES = 10 * 1024 * 1024;

const atMost = (maxSize: number) =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new Problem("too_large", `The limit is ${maxSize} bytes`);
    },
  });
const [limitJson, limitForm] = [atMost(MAX_JSON_BYTES), atMost(MAX_FILE_BYTES + MAX_JSON_BYTES)];

/** Refuses a larger body with `too_large`. Only operations that take a file read forms. */
export const limitBody: MiddlewareHandler<AppEnv> = (c, next) => {
  if (c.req.method === "GET") return next();
  const isForm = /^multipart\/form-data\b/i.test(c.req.header("Content-Type") ?? "");
  return (isForm ? limitForm : limitJson)(c, next);
};
