/** Routers with our conventions: every path with a trailing slash, invalid requests refused in one form. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { type SharedHeader, sharedHeaders } from "./openapi.ts";
import { refuseInvalid } from "./validation.ts";

/**
 * The path a request is matched by. The API's own paths end in a slash, all others but the root do not; each is found
 * with and without it, for every method and without a redirect.
 */
export function canonicalPath(request: Request): string {
  const { pathname } = new URL(request.url);
  const bare = pathname.length > 1 && pathname.endsWith("/") ? pathname.slice(0, -1) : pathname;
  return /^\/api(\/|$)/.test(bare) ? `${bare}/` : bare;
}

/** A router for one area. */
export const createRouter = () =>
  new OpenAPIHono<AppEnv>({ getPath: canonicalPath, defaultHook: (result) => refuseInvalid(result) });

/** The JSON body of a request. */
export const jsonBody = <S>(schema: S) =>
  ({ required: true, content: { "application/json": { schema } } }) as const;

/** A JSON answer; `headers` are those that not every operation of its kind gives. */
export const jsonAnswer = <S>(description: string, schema: S, ...headers: SharedHeader[]) =>
  ({
    description,
    content: { "application/json": { schema } },
    headers: sharedHeaders(...headers),
  }) as const;
