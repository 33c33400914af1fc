/** Reading free slots starts no Durable Object and writes nothing, for any number of cars, and for ids that are made up. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { cars } from "../../src/db/schema.ts";
import { forgetPublic } from "../../src/http/public-cache.ts";
import { costOf, emptyAccount, metered } from "../../tools/bench/metering.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { demoCars } from "../../tools/demo/demo-data.ts";
import { iso, person, slot } from "../support/world.ts";

const CARS = 1000;
const MADE_UP = 400;

const account = emptyAccount();
const app = createApp();
const own = metered({ ...env, PUBLIC_FRESHNESS_SECONDS: "360" } as unknown as Env, account, "worker");

async function statusOf(path: string, init: RequestInit = {}): Promise<number> {
  const ctx = createExecutionContext();
  const answer = await app.fetch(new Request(`http://dealership.test${path}`, init), own, ctx);
  await answer.arrayBuffer();
  await waitOnExecutionContext(ctx);
  return answer.status;
}

/** The statuses of the answers, and their cost in sum. */
async function total(requests: readonly (() => Promise<number>)[]) {
  Object.assign(account, emptyAccount());
  const statuses = new Set<number>();
  for (const request of requests) statuses.add(await request());
  const epochs = await env.DB.prepare("SELECT count(*) AS n FROM calendars").first<number>("n");
  return { statuses: [...statuses], epochs, ...costOf(account) };
}

const slotsOf = (id: string) => () =>
  statusOf(`/api/cars/${id}/available-slots/?date=${iso(slot(3)).slice(0, 10)}`);
const madeUp = Array.from({ length: MADE_UP }, () => crypto.randomUUID());
const none = { epochs: 0, rowsWritten: 0, coordinatorCalls: 0 };

let ids: string[];
beforeAll(async () => {
  const stock = demoCars(CARS, Date.now()).map((car) => ({ ...car, status: "AVAILABLE" as const }));
  await insertAll(env.DB, cars, stock);
  ids = stock.map(({ id }) => id);
});

test(`the free slots of ${CARS} cars cost one trip each, and those of one car are then kept`, async () => {
  forgetPublic();
  expect(await total(ids.map(slotsOf))).toMatchObject({ statuses: [200], ...none, trips: CARS });
  const last = ids.at(-1) ?? "";
  expect(await total([slotsOf(last), slotsOf(last)])).toMatchObject({ statuses: [200], ...none, trips: 0 });
});

test(`the free slots of ${MADE_UP} made-up ids are not found, for one trip each`, async () => {
  expect(await total(madeUp.map(slotsOf))).toMatchObject({ statuses: [404], ...none, trips: MADE_UP });
});

test(`bookings of ${MADE_UP} made-up ids are not found, for one trip each`, async () => {
  const { token } = await person();
  const book = (car: string) => () =>
    statusOf("/api/bookings/", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ car, start_at: iso(slot(3)) }),
    });
  expect(await total(madeUp.map(book))).toMatchObject({ statuses: [404], ...none, trips: MADE_UP });
});
