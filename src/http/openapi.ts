/** The OpenAPI document. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { HEADERS, PARAMETERS } from "./shared-headers.ts";

const TAGS = {
  Auth: "Accounts, sessions and passwords",
  Cars: "The stock, and the free slots of each car",
  Photos: "Photos of cars, and their files",
  Bookings: "Test drives",
  Showrooms: "Where cars stand, and when test drives may begin",
  Sales: "Sales of cars, and voiding them",
  Staff: "Staff members and their metrics",
  Reports: "What the dealership has done, in numbers",
  Notifications: "E-mail notifications and their delivery status",
  Operations: "The state of the deployment, for its operator",
};

const ABOUT = `Browse a dealership's stock, book test drives, sell cars.

Every path answers with and without a slash at its end. Instants are ISO 8601 in UTC, slots carry the showroom's offset, money is a decimal string.

Errors are problem details (RFC 9457) with a stable \`code\` for programs: [the errors](/docs/errors).`;

/** Returns the OpenAPI 3.1 document of the whole API. */
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
  return app.getOpenAPI31Document({
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
}
