/** The documents about the API: the OpenAPI document, the reference page, and which methods a path knows. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { createRouter } from "./router.ts";

/** Everything the API can do, as OpenAPI 3.1. */
export function openApiDocument(app: OpenAPIHono<AppEnv>) {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Dealership API",
      version: "0.1.0",
      description:
        "Browse a dealership's stock, book test drives, sell cars. Paths answer with and without their trailing slash. Errors are problem details (RFC 9457) with a stable `code`.",
    },
    servers: [{ url: "/" }],
    tags: [{ name: "Auth" }, { name: "Cars" }, { name: "Photos" }, { name: "Bookings" }],
  });
}

// Swagger UI sets style attributes; everything else is ours alone.
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** /openapi.json and /docs. */
export function documentRoutes(app: OpenAPIHono<AppEnv>) {
  const routes = createRouter();
  let document: string | undefined;

  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });

  routes.get("/openapi.json", (c) => {
    document ??= JSON.stringify(openApiDocument(app));
    return c.body(document, 200, { "Content-Type": "application/json" });
  });

  for (const path of ["/docs", "/docs/*"])
    routes.get(path, async (c) => {
      const url = new URL(c.req.url);
      if (url.pathname === "/docs") url.pathname = "/docs/";
      const file = await c.env.ASSETS.fetch(new Request(url, c.req.raw));
      if (!file.ok && file.status !== 304) return c.notFound();
      const answer = new Response(file.body, file);
      answer.headers.set("Content-Security-Policy", DOCS_POLICY);
      return answer;
    });
  return routes;
}

const patterns = new WeakMap<object, Array<{ path: RegExp; method: string }>>();

/** The methods that a path knows, as an `Allow` header names them; none when there is no such path. */
export function allowedMethods(app: OpenAPIHono<AppEnv>, path: string): string[] {
  let known = patterns.get(app);
  if (!known) {
    known = app.openAPIRegistry.definitions.flatMap((definition) =>
      definition.type === "route"
        ? [
            {
              path: new RegExp(`^${definition.route.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
              method: definition.route.method.toUpperCase(),
            },
          ]
        : [],
    );
    patterns.set(app, known);
  }
  const methods = known.filter((entry) => entry.path.test(path)).map((entry) => entry.method);
  if (methods.length === 0) return [];
  return [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].sort();
}
