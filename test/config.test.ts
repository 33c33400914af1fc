import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createApp } from "../src/app.ts";
import { Misconfigured, readConfig } from "../src/config.ts";
import { DEPLOYED } from "./support/world.ts";

const configured = (more: object) => ({ ...env, ...DEPLOYED, ...more }) as unknown as Env;

const faultOf = (more: object): string => {
  try {
    readConfig(configured(more));
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(Misconfigured);
    return (error as Error).message;
  }
};

afterEach(() => void vi.restoreAllMocks());

describe("a public deployment refuses", () => {
  test.each([
    ["PUBLIC_URL", "https://dealership.example"],
    ["PUBLIC_URL", "https://api.dealership.example"],
    ["PUBLIC_URL", "https://localhost:8787"],
    ["PUBLIC_URL", "https://127.0.0.1"],
    ["PUBLIC_URL", "https://[::1]"],
    ["PUBLIC_URL", "http://cars.dealership.internal"],
    ["EMAIL_FROM", "showroom@dealership.example"],
    ["EMAIL_STAFF", "sales@example.com"],
  ])("%s = %s, which leads nowhere", (name, value) => {
    for (const ENVIRONMENT of ["production", "staging"]) {
      const fault = faultOf({ ENVIRONMENT, [name]: value });
      expect(fault).toMatch(new RegExp(`^${name}: `));
      expect(fault).not.toContain(value);
    }
    expect(faultOf({ ENVIRONMENT: "development", [name]: value })).toBe("");
  });

  test("to answer, by a 503 that does not name the variable and a log line that does", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const placeholders = configured({ PUBLIC_URL: "https://dealership.example" });
    for (const path of ["/api/cars", "/readyz", "/docs"]) {
      const answer = await createApp().fetch(new Request(`http://dealership.test${path}`), placeholders);
      expect(answer.status).toBe(503);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({ code: "misconfigured" });
      expect(text).not.toContain("PUBLIC_URL");
    }
    expect(logged.mock.calls.flat().join()).toContain("PUBLIC_URL: not a public address");
  });
});

test("a public deployment accepts addresses that can be reached, and any region of Durable Objects", () => {
  expect(faultOf({})).toBe("");
  expect(readConfig(configured({ REGION: "apac-ne" })).region).toBe("apac-ne");
  expect(faultOf({ REGION: "europe" })).toMatch(/^REGION: /);
});
