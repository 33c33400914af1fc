import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { answer } from "../support/world.ts";

const ask = (path: string, bindings: Env) =>
  answer(Promise.resolve(createApp().fetch(new Request(`http://dealership.test${path}`), bindings)));

/** The bindings, with a bucket that can be taken away, and how often it was asked. */
function withBucket() {
  const bucket = { asked: 0, isDown: false };
  const PHOTOS = {
    head: async () => {
      bucket.asked += 1;
      if (bucket.isDown) throw new Error("the bucket is away");
      return null;
    },
  };
  return { bucket, bindings: { ...env, PHOTOS } as unknown as Env };
}

test("liveness names the version that answers, also when the configuration is wrong", async () => {
  const bindings = { ...env, PUBLIC_URL: "", VERSION: { ...env.VERSION, id: "v42" } } as unknown as Env;
  expect(await ask("/healthz", bindings)).toMatchObject({
    status: 200,
    body: { status: "ok", version: "v42" },
  });
});

test("readiness is checked once in five seconds, however often it is asked", async () => {
  const { bucket, bindings } = withBucket();
  for (let i = 0; i < 20; i += 1) expect((await ask("/readyz", bindings)).status).toBe(200);
  expect(bucket.asked).toBe(1);
  expect((await ask("/readyz", withBucket().bindings)).body).toMatchObject({ photos: "ok" });
});

test("readiness is checked again after five seconds", async () => {
  const { bucket, bindings } = withBucket();
  expect((await ask("/readyz", bindings)).status).toBe(200);
  bucket.isDown = true;
  await new Promise((done) => setTimeout(done, 5100));
  expect(await ask("/readyz", bindings)).toMatchObject({ status: 503, body: { photos: "down" } });
});

test("readiness counts against the rate limit of the address, liveness does not", async () => {
  const REQUEST_LIMIT = { limit: async () => ({ success: false }) };
  const bindings = { ...env, RATE_LIMITS: "on", REQUEST_LIMIT } as unknown as Env;
  const refused = await ask("/readyz", bindings);
  expect([refused.status, refused.body.code]).toEqual([429, "too_many_requests"]);
  expect((await ask("/healthz", bindings)).status).toBe(200);
});

test("https is required of this host alone, of data and of pages", async () => {
  for (const path of ["/api/cars", "/healthz"])
    expect((await ask(path, env)).headers.get("Strict-Transport-Security")).toBe("max-age=15552000");
});
