import { describe, expect, test } from "vitest";
import { call } from "../support/world.ts";

describe("documents and health checks", () => {
  test.each(["/healthz/", "/readyz/", "/openapi.json/", "/docs/", "/reset-password/", "/verify-email/"])(
    "at %s are found",
    async (path) => {
      expect((await call("GET", path)).status).toBe(200);
    },
  );

  test.each(["/healthz", "/openapi.json", "/docs", "/"])(
    "at %s answer POST with 405 and Allow",
    async (path) => {
      const refused = await call("POST", path);
      expect([refused.status, refused.headers.get("Allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    },
  );
});
