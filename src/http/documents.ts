/** The documents about the API, and the methods that each path supports. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { PAGE_CACHE_CONTROL } from "./freshness.ts";
import { openApiDocument } from "./openapi.ts";
import { createRouter } from "./router.ts";

// Only our own files, and nothing inline.
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The public files under public/, by path. */
const PAGES = {
  "/": "/",
  "/index.js": "/index.js",
  "/style.css": "/style.css",
  "/icon.svg": "/icon.svg",
  "/reset-password": "/reset-password",
  "/reset-password.js": "/reset-password.js",
  "/verify-email": "/verify-email",
  "/verify-email.js": "/verify-email.js",
  "/docs": "/docs/",
  "/docs/errors": "/docs/errors",
  "/docs/*": undefined,
} as const;

/** Paths that can be read but are not in the OpenAPI document. */
const READ_ONLY = new Set(["/healthz", "/readyz", "/openapi.json", ...Object.keys(PAGES)]);

/** The landing page, /openapi.json and /docs. */
export function documentRoutes(app: OpenAPIHono<AppEnv>) {
  const routes = createRouter();
  let document: string | undefined;

  routes.get("/openapi.json", (c) => {
    document ??= JSON.stringify(openApiDocument(app));
    return c.body(document, 200, {
      "Content-Type": "application/json",
      "Cache-Control": PAGE_CACHE_CONTROL,
    });
  });

  for (const [path, file] of Object.entries(PAGES))
    routes.get(path, async (c) => {
      const url = new URL(file ?? c.req.path, c.req.url);
      const found = await c.env.ASSETS.fetch(new Request(url, c.req.raw));
      if (!found.ok && found.status !== 304) return c.notFound();
      const answer = new Response(found.body, found);
      answer.headers.set("Content-Security-Policy", PAGE_POLICY);
      answer.headers.set("Cache-Control", PAGE_CACHE_CONTROL);
      return answer;
    });
  return routes;
}

type Operation = { path: RegExp; method: string; id: string };

const patterns = new WeakMap<object, Operation[]>();

/** The operations that a router describes, in the order in which it tries them. */
function operationsOf(app: OpenAPIHono<AppEnv>): Operation[] {
  let known = patterns.get(app);
  if (!known) {
    known = app.openAPIRegistry.definitions.flatMap((definition) =>
      definition.type === "route"
        ? [
            {
              path: new RegExp(`^${definition.route.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
              method: definition.route.method.toUpperCase(),
              id: definition.route.operationId ?? "",
            },
          ]
        : [],
    );
    patterns.set(app, known);
  }
  return known;
}

/**
 * The operation of a request: the operationId, the path of a document, or `-` where there is none. So it never has an id
 * in it.
 */
export function operationAt(app: OpenAPIHono<AppEnv>, method: string, path: string): string {
  const asked = method === "HEAD" ? "GET" : method;
  const found = operationsOf(app).find((entry) => entry.method === asked && entry.path.test(path));
  return found?.id ?? (READ_ONLY.has(path) ? path : "-");
}

/** The methods of a path, as an `Allow` header names them. Empty when the path does not exist. */
export function allowedMethods(app: OpenAPIHono<AppEnv>, path: string): string[] {
  const methods = operationsOf(app)
    .filter((entry) => entry.path.test(path))
    .map((entry) => entry.method);
  if (methods.length === 0) return READ_ONLY.has(path) ? ["GET", "HEAD", "OPTIONS"] : [];
  return [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].sort();
}
