/** Routers with common conventions: an optional slash at the end of paths, and one refusal of invalid requests. */
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { type SharedHeader, sharedHeaders } from "./shared-headers.ts";
import { refuseInvalid } from "./validation.ts";

/** A router for one area. */
export const createRouter = () =>
  new OpenAPIHono<AppEnv>({ strict: false, defaultHook: (result) => refuseInvalid(result) });

/**
 * Prepares a route whose handler reads the body itself, as a stream: the document has all of it, and the framework does
 * not read the body.
 */
export function streamed<R extends RouteConfig>(router: OpenAPIHono<AppEnv>, route: R): R {
  // Middleware is not for the document.
  const { middleware: _, ...documented } = route as R & { middleware?: unknown };
  router.openAPIRegistry.registerPath(documented);
  const { body: __, ...request } = route.request ?? {};
  return { ...route, request, hide: true };
}

/** The JSON body of a request. */
export const jsonBody = <S>(schema: S) =>
  ({ required: true, content: { "application/json": { schema } } }) as const;

/** The JSON body of a request that may have none (`allowNoBody` in request-body.ts). */
export const optionalJsonBody = <S>(schema: S) =>
  ({ required: false, content: { "application/json": { schema } } }) as const;

/** A JSON response in the OpenAPI document; `headers` are those that not every operation of its kind has. */
export const jsonAnswer = <S>(description: string, schema: S, ...headers: SharedHeader[]) =>
  ({
    description,
    content: { "application/json": { schema } },
    headers: sharedHeaders(...headers),
  }) as const;
