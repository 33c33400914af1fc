import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { clientAddress } from "../../src/http/client-address.ts";
import type { AppEnv } from "../../src/http/context.ts";
import { DEPLOYED } from "../support/world.ts";

const app = new Hono<AppEnv>().get("/", (c) => {
  c.set("config", readConfig(env));
  return c.text(clientAddress(c));
});
const countedAs = async (address: string): Promise<string> =>
  (await app.request("/", { headers: { "CF-Connecting-IP": address } })).text();

test("all addresses of an IPv6 /64 network count as one, however they are written", async () => {
  const same = ["2001:db8:1:2::1", "2001:DB8:1:2:ffff::", "2001:0db8:0001:0002:0:0:0:9", "2001:db8:1:2::"];
  expect(new Set(await Promise.all(same.map(countedAs)))).toEqual(new Set(["2001:db8:1:2::/64"]));
  expect(await countedAs("2001:db8:1:3::1")).toBe("2001:db8:1:3::/64");
  expect(await countedAs("::1")).toBe("0:0:0:0::/64");
});

test("an IPv4 address counts as itself, also in its IPv6 form", async () => {
  expect(await countedAs("192.0.2.7")).toBe("192.0.2.7");
  expect(await countedAs("::ffff:192.0.2.7")).toBe("192.0.2.7");
});

test("in production a request without an address is refused, because all such clients would share every limit", async () => {
  const ask = (headers: Record<string, string>, bindings: Partial<Record<keyof Env, unknown>>) =>
    createApp().request(
      "/api/cars/",
      { headers },
      { ...env, ...bindings } as Env,
      {
        waitUntil() {},
        passThroughOnException() {},
        props: {},
      } as unknown as ExecutionContext,
    );
  const refused = await ask({}, DEPLOYED);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ code: "misconfigured" });
  expect((await ask({ "CF-Connecting-IP": "" }, DEPLOYED)).status).toBe(503);
  expect((await ask({ "CF-Connecting-IP": "192.0.2.7" }, DEPLOYED)).status).toBe(200);
  expect((await ask({}, {})).status).toBe(200);
  expect(await (await app.request("/")).text()).toBe("local");
});
