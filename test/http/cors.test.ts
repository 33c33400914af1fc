import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { call } from "../support/world.ts";

const allowedOrigin = async (method: string, origin: string) => {
  const headers = { Origin: origin, "Access-Control-Request-Method": "POST" };
  return (await call(method, "/api/cars/", { headers })).headers.get("Access-Control-Allow-Origin");
};

describe.each(["GET", "OPTIONS"])("%s from a page of another origin", (method) => {
  test("names the origin when it is one of CORS_ORIGINS", async () => {
    expect(await allowedOrigin(method, "http://shop.example")).toBe("http://shop.example");
  });

  test.each(["http://evil.example", "http://shop.example.evil.example", "https://shop.example", "null"])(
    "names no origin when it is %s",
    async (origin) => {
      expect(await allowedOrigin(method, origin)).toBeNull();
    },
  );
});

/** The headers of an answer that a cache may keep, where CORS_ORIGINS is `origins`. */
async function cacheable(origins: string, origin?: string): Promise<Headers> {
  const own = { ...env, CORS_ORIGINS: origins, PUBLIC_FRESHNESS_SECONDS: "30" } as unknown as Env;
  const headers: Record<string, string> = origin ? { Origin: origin } : {};
  const answer = await createApp().request("http://dealership.test/api/cars/", { headers }, own, {
    waitUntil() {},
    passThroughOnException() {},
  } as unknown as ExecutionContext);
  expect(answer.headers.get("Cache-Control")).toMatch(/^public/);
  return answer.headers;
}

const VARY = "Authorization, X-D1-Bookmark";

describe.each([undefined, "http://shop.example", "http://evil.example"])(
  "an answer that caches may keep, to the origin %s",
  (origin) => {
    test("varies by origin where some origins may read it", async () => {
      const headers = await cacheable("http://shop.example", origin);
      expect(headers.get("Vary")).toBe(`${VARY}, Origin`);
      const isAllowed = origin === "http://shop.example";
      expect(headers.get("Access-Control-Allow-Origin")).toBe(isAllowed ? origin : null);
    });

    test("is the same for every origin where all may read it", async () => {
      const headers = await cacheable("*", origin);
      expect([headers.get("Vary"), headers.get("Access-Control-Allow-Origin")]).toEqual([VARY, "*"]);
      expect(headers.get("Access-Control-Expose-Headers")).toContain("ETag");
    });

    test("is the same for every origin where none may read it", async () => {
      const headers = await cacheable("", origin);
      expect([headers.get("Vary"), headers.get("Access-Control-Allow-Origin")]).toEqual([VARY, null]);
    });
  },
);

test("an answer of one caller names no other origin", async () => {
  const own = await call("GET", "/api/auth/me/", { headers: { Origin: "http://evil.example" } });
  expect([own.status, own.headers.get("Access-Control-Allow-Origin")]).toEqual([401, null]);
});
