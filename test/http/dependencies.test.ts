/** What happens when something the Worker needs is down: the table in README, row by row. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { writerOf } from "../support/faults.ts";
import { answer, car, iso, person, slot } from "../support/world.ts";

const broken = (message: string) =>
  new Proxy(
    {},
    {
      get: () => () => {
        throw new Error(message);
      },
    },
  );

const noDatabase = broken("D1_ERROR: Network connection lost.") as D1Database;

const DOWN = {
  // Also down for the coordinators, which have their own binding.
  D1: { DB: noDatabase, CAR_COORDINATOR: { getByName: (carId: string) => writerOf(carId, noDatabase) } },
  R2: { PHOTOS: broken("the bucket is away: internal error (10001)") },
  queue: { NOTIFICATIONS: broken("the queue is away") },
  coordinator: { CAR_COORDINATOR: broken("Durable Object is away") },
};

type Ask = (its: { token: string; carId: string }) => Request;

const get =
  (path: string | ((carId: string) => string)): Ask =>
  ({ token, carId }) =>
    new Request(`http://dealership.test${typeof path === "string" ? path : path(carId)}`, {
      headers: path === "/api/cars/" ? {} : { Authorization: `Bearer ${token}` },
    });

const post =
  (path: string, body: (its: { carId: string }) => object): Ask =>
  ({ token, carId }) =>
    new Request(`http://dealership.test${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify(body({ carId })),
    });

const list = get("/api/cars/");
const detail = get((carId) => `/api/cars/${carId}/`);
const slots = get((carId) => `/api/cars/${carId}/available-slots/?date=${iso(slot(2)).slice(0, 10)}`);
const mine = get("/api/bookings/me/");
const book = post("/api/bookings/", ({ carId }) => ({ car: carId, start_at: iso(slot(2)) }));
const login = post("/api/auth/login/", () => ({ username: "nobody", password: "a quiet engine" }));
const forgot = post("/api/auth/password/forgot/", () => ({ email: "nobody@example.com" }));
const photo = get("/photos/01936f7e-8a3b-7c4d-9e5f-123456789abc.webp");

const TABLE: Array<[keyof typeof DOWN, string, Ask, number]> = [
  ["D1", "the list", list, 503],
  ["D1", "a car", detail, 503],
  ["D1", "free slots", slots, 503],
  ["D1", "my bookings", mine, 503],
  ["D1", "booking", book, 503],
  ["D1", "signing in", login, 503],
  ["D1", "asking for a reset", forgot, 503],
  ["D1", "readiness", get("/readyz"), 503],
  ["D1", "liveness", get("/healthz"), 200],
  ["D1", "the document", get("/openapi.json"), 200],
  ["D1", "the reference", get("/docs"), 200],
  ["R2", "a photo", photo, 503],
  ["R2", "the list", list, 200],
  ["R2", "a car", detail, 200],
  ["R2", "booking", book, 201],
  ["R2", "readiness", get("/readyz"), 503],
  ["queue", "asking for a reset", forgot, 204],
  ["queue", "the list", list, 200],
  ["queue", "booking", book, 201],
  ["coordinator", "booking", book, 503],
  ["coordinator", "free slots", slots, 200],
  ["coordinator", "the list", list, 200],
  ["coordinator", "my bookings", mine, 200],
];

test("a permanent fault of the database gets 500 without Retry-After", async () => {
  const DB = broken("D1_ERROR: no such column: colour: SQLITE_ERROR") as D1Database;
  const request = new Request("http://dealership.test/api/cars/");
  const failed = await answer(Promise.resolve(createApp().fetch(request, { ...env, DB })));
  expect([failed.status, failed.body.code]).toEqual([500, "internal_error"]);
  expect(failed.headers.get("Retry-After")).toBeNull();
});

describe("with a dependency down", () => {
  test.each(TABLE)("%s: %s gets %4$d", async (what, _, ask, status) => {
    const [{ token }, carId] = [await person(), await car()];
    const waiting: Promise<unknown>[] = [];
    const context = {
      waitUntil: (promise: Promise<unknown>) => waiting.push(promise),
      passThroughOnException() {},
    };
    const surroundings = { ...env, ...DOWN[what] } as unknown as Env;
    const sent = createApp().fetch(
      ask({ token, carId }),
      surroundings,
      context as unknown as ExecutionContext,
    );
    const response = await sent;
    expect(response.status).toBe(status);
    await Promise.all(waiting);
    if (status !== 503) return;
    expect(response.headers.get("Retry-After")).toMatch(/^\d+$/);
    if (response.headers.get("Content-Type")?.includes("problem"))
      expect((await answer(Promise.resolve(response))).body).toMatchObject({
        status: 503,
        code: "unavailable",
      });
  });
});
