/** Every request writes one data point, whatever becomes of it. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import type { Dataset } from "../../src/shared/metrics.ts";
import { databaseWith } from "../support/faults.ts";
import { fakeDataset, namedPoint, watchLog } from "../support/logs.ts";
import { car, iso, person, slot } from "../support/world.ts";

const app = createApp();

/** Sends a request to a Worker with a dataset; returns the answer and the data points, by the names of their columns. */
async function observed(path: string, init: RequestInit = {}, more: object = {}) {
  const { points, dataset } = fakeDataset();
  const ctx = createExecutionContext();
  const own = { ...env, METRICS: dataset, ...more } as Env;
  const answer = await app.fetch(new Request(`http://dealership.test${path}`, init), own, ctx);
  await answer.arrayBuffer();
  await waitOnExecutionContext(ctx);
  const named = points.map((point) => ({ ...namedPoint("request", point), index: point.indexes?.[0] }));
  return { answer, points: named as Record<string, unknown>[] };
}

const OPERATIONS = app.openAPIRegistry.definitions.flatMap((definition) =>
  definition.type === "route"
    ? [[definition.route.operationId ?? "", definition.route.method.toUpperCase(), definition.route.path]]
    : [],
) as [string, string, string][];

const json = (token: string, body: object): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
  body: JSON.stringify(body),
});

const broken = (message: string) => databaseWith(() => Promise.reject(new Error(message)));

test("there are operations to observe", () => {
  expect(OPERATIONS.length).toBeGreaterThan(40);
});

describe.each(OPERATIONS)("%s", (operation, method, path) => {
  test("writes one data point with its name, its status and no id", async () => {
    const id = crypto.randomUUID();
    const asked = path.replaceAll(/\{\w+\}/g, operation === "getPhotoFile" ? `${id}.webp` : id);
    const { answer, points } = await observed(`${asked}/`, { method });
    expect(points).toHaveLength(1);
    expect(points[0]).toMatchObject({ kind: "request", operation, index: operation, status: answer.status });
    expect(JSON.stringify(points)).not.toContain(id);
    expect(points[0]?.["code"] !== "").toBe(answer.status >= 400);
  });
});

test.each([
  ["/api/nothing", "GET", 404, "-", "not_found"],
  [`/api/cars/${crypto.randomUUID()}`, "POST", 405, "-", "method_not_allowed"],
  ["/api/cars", "OPTIONS", 204, "-", ""],
  ["/api/cars", "HEAD", 200, "listCars", ""],
  ["/api/cars?colour=red", "GET", 400, "listCars", "invalid_request"],
  ["/healthz", "GET", 200, "/healthz", ""],
  ["/docs", "GET", 200, "/docs", ""],
])("%s by %s writes one data point with status %i", async (path, method, status, operation, code) => {
  const { answer, points } = await observed(path, { method });
  expect(answer.status).toBe(status);
  expect(points).toHaveLength(1);
  expect(points[0]).toMatchObject({ status, operation, code });
});

test.each([
  ["a bug", { DB: broken("no such column: colour") }, 500, "internal_error"],
  ["an outage", { DB: broken("D1_ERROR: Network connection lost.") }, 503, "unavailable"],
  ["a missing secret", { JWT_SECRET: "" }, 503, "misconfigured"],
])("%s writes one data point", async (_, more, status, code) => {
  const { answer, points } = await observed("/api/cars?ordering=year", {}, more);
  expect(answer.status).toBe(status);
  expect(points).toEqual([expect.objectContaining({ status, code, operation: "listCars" })]);
});

test("a request that is refused before its route is known by its operation, too", async () => {
  const { points } = await observed(
    "/api/cars",
    {},
    {
      RATE_LIMITS: "on",
      REQUEST_LIMIT: { limit: async () => ({ success: false }) },
    },
  );
  expect(points).toEqual([
    expect.objectContaining({ operation: "listCars", status: 429, code: "too_many_requests" }),
  ]);
});

test("a data point says what the request cost in the Worker and in the object of the car", async () => {
  const [{ token }, carId] = [await person(), await car()];
  const body = { car: carId, start_at: iso(slot(2)) };
  const booked = await observed("/api/bookings", json(token, body));
  expect(booked.answer.status).toBe(201);
  const [point] = booked.points;
  // Whether there is such a car, the object's load, and its commit.
  expect(point).toMatchObject({ trips: 3, object_calls: 1, operation: "createBooking" });
  expect(point?.["rows_written"]).toBeGreaterThan(10);
  expect(point?.["rows_read"]).toBeGreaterThan(10);
  expect(point?.["version"]).not.toBe("");
  const list = await observed("/api/cars?ordering=mileage");
  expect(list.points[0]).toMatchObject({ trips: 1, object_calls: 0, rows_written: 0 });
});

test("a data point says whether the isolate had the answer", async () => {
  const keeping = { PUBLIC_FRESHNESS_SECONDS: "60" };
  const path = `/api/cars/${await car()}`;
  const cacheOf = async (init: RequestInit = {}) =>
    (await observed(path, init, keeping)).points[0]?.["cache"];
  expect([await cacheOf(), await cacheOf()]).toEqual(["miss", "hit"]);
  const { token } = await person("SALES");
  expect(await cacheOf({ headers: { Authorization: `Bearer ${token}` } })).toBe("");
});

test("a data point names the place that the request came in by", async () => {
  const request = new Request("http://dealership.test/healthz", { cf: { colo: "SYD" } });
  const { points, dataset } = fakeDataset();
  await app.fetch(request, { ...env, METRICS: dataset } as Env, createExecutionContext());
  expect(points[0]?.blobs).toContain("SYD");
});

test("a dataset that fails does not fail the request, and is logged", async () => {
  const METRICS: Dataset = {
    writeDataPoint() {
      throw new Error("the dataset is away");
    },
  };
  const log = watchLog();
  const { answer } = await observed("/api/cars", {}, { METRICS });
  expect(answer.status).toBe(200);
  expect(log.lines("metrics.")).toEqual([
    expect.objectContaining({
      kind: "request",
      request: answer.headers.get("X-Request-Id"),
      error: "Error: the dataset is away",
    }),
  ]);
  log.end();
});

test("without a dataset a request is answered as always", async () => {
  expect((await observed("/api/cars", {}, { METRICS: undefined })).answer.status).toBe(200);
});
