/** The parts of the OpenAPI document that operations share, and the document as a whole. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";

const HEADERS = {
  "X-Request-Id": "Names this request in our logs; a sane one that came with the request is kept.",
  "X-D1-Bookmark": "The state that this write made. A request that carries it reads at least that state.",
  Location: "Where what was made is found.",
  ETag: "The version of what was answered, for If-None-Match and If-Match.",
  "Idempotency-Replayed":
    "`true` when the answer is that of an earlier request with the same Idempotency-Key.",
  "Retry-After": "Seconds after which it is worth trying again.",
  "WWW-Authenticate": "The scheme to sign in with, and what is wrong with the token.",
} as const;

const PARAMETERS = {
  "Idempotency-Key": {
    description:
      "Makes a repeated request safe: the same key from the same caller with the same body has one effect and one answer. Kept 24 hours.",
    schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
  },
  "X-D1-Bookmark": {
    description: "The bookmark that a write answered: this request reads at least that state.",
    schema: { type: "string", pattern: "^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$" },
  },
} as const;

/** A response header that operations share. */
export type SharedHeader = keyof typeof HEADERS;

/** References to shared response headers. */
export const sharedHeaders = (...names: SharedHeader[]) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** References to shared request headers. */
export const sharedParameters = (...names: Array<keyof typeof PARAMETERS>) =>
  names.map((name) => ({ $ref: `#/components/parameters/${name}` }));

const TAGS = {
  Auth: "Accounts, sessions and passwords",
  Cars: "The stock, and when a car can be driven",
  Photos: "Photos of cars, and the files themselves",
  Bookings: "Test drives",
  Sales: "Selling cars, and taking a sale back",
  Staff: "The people who work here",
  Notifications: "What was told to whom, and what could not be",
};

const ABOUT = `Browse a dealership's stock, book test drives, sell cars.

Every path answers with and without a slash at its end. Instants are ISO 8601 in UTC, slots carry the showroom's offset, money is a decimal string.

Errors are problem details (RFC 9457) with a stable \`code\` to program against: [the errors](/docs/errors).`;

/** Everything the API can do, as OpenAPI 3.1. */
export function openApiDocument(app: OpenAPIHono<AppEnv>) {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  for (const [name, description] of Object.entries(HEADERS))
    registry.registerComponent("headers", name, { description, schema: { type: "string" } });
  for (const [name, parameter] of Object.entries(PARAMETERS))
    registry.registerComponent("parameters", name, {
      ...parameter,
      name,
      in: "header",
      schema: { ...parameter.schema },
    });
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Dealership API",
      version: "0.1.0",
      license: { name: "MIT", url: "https://spdx.org/licenses/MIT.html" },
      description: ABOUT,
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  });
  // The form without the slash is the one that tools expect of a document.
  const paths = Object.entries(document.paths ?? {});
  return {
    ...document,
    paths: Object.fromEntries(paths.map(([path, item]) => [path.replace(/(.)\/$/, "$1"), item])),
  };
}
