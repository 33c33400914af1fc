/** Routers with our conventions: every path with a trailing slash, invalid requests refused in one form. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AppEnv } from "./context.ts";
import { type SharedHeader, sharedHeaders } from "./openapi.ts";
import { partsOf } from "./url.ts";
import { refuseInvalid } from "./validation.ts";

/**
 * The path a request is matched by. The API's own paths end in a slash, all others but the root do not; each is found
 * with and without it, for every method and without a redirect.
 */
export function canonicalPath(request: Request): string {
  const { path } = partsOf(request.url);
  const isApi = path.startsWith("/api") && (path.length === 4 || path[4] === "/");
  if (isApi) return path.endsWith("/") ? path : `${path}/`;
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** A router for one area. */
export const createRouter = () =>
  new OpenAPIHono<AppEnv>({ getPath: canonicalPath, defaultHook: (result) => refuseInvalid(result) });

/** The JSON body of a request. */
export const jsonBody = <S>(schema: S) =>
  ({ required: true, content: { "application/json": { schema } } }) as const;

/** Answers with JSON that is text already: that of a T, which the framework's types cannot know. */
export const jsonText = <T extends object>(c: Context, text: string) =>
  c.body(text, 200, { "Content-Type": "application/json" }) as unknown as ReturnType<typeof c.json<T, 200>>;

/** A JSON answer; `headers` are those that not every operation of its kind gives. */
export const jsonAnswer = <S>(description: string, schema: S, ...headers: SharedHeader[]) =>
  ({
    description,
    content: { "application/json": { schema } },
    headers: sharedHeaders(...headers),
  }) as const;
