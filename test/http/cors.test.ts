import { describe, expect, test } from "vitest";
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

test.each([undefined, "http://shop.example", "http://evil.example"])(
  "an answer that caches may keep varies by origin, also for the origin %s",
  async (origin) => {
    const { headers } = await call("GET", "/api/cars/", { headers: origin ? { Origin: origin } : {} });
    expect(headers.get("Cache-Control")).toMatch(/^public/);
    expect(headers.get("Vary")).toMatch(/\bOrigin\b/);
  },
);
