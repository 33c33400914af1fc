/** What the work in the background reports: one data point for each batch of the queue and each run of the cron. */
import { createExecutionContext, createMessageBatch, createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { notifications } from "../src/db/schema.ts";
import worker from "../src/index.ts";
import type { Delivery } from "../src/outbox/outbox.ts";
import { databaseWith } from "./support/faults.ts";
import { fakeDataset, namedPoint, watchLog } from "./support/logs.ts";
import { outboxOf, queueOf, statusOf } from "./support/outbox.ts";
import { db } from "./support/world.ts";

const batchOf = (queue: string, ids: string[], sentAt = Date.now()) =>
  createMessageBatch<Delivery>(
    queue,
    ids.map((notificationId) => ({
      id: notificationId,
      timestamp: sentAt,
      attempts: 1,
      body: { notificationId },
    })),
  );

describe("the queue", () => {
  test("writes one data point for a batch: what became of it, and how long it waited", async () => {
    const [good, bad] = [await outboxOf(["booking_received"]), await outboxOf(["booking_received"])];
    const { points, dataset } = fakeDataset();
    const EMAIL = {
      send: async ({ to }: EmailMessageBuilder) => {
        if (to === bad.customer.email) throw new Error("no answer");
      },
    };
    const batch = batchOf("dealership-notifications", [good.first, bad.first], Date.now() - 7000);
    await worker.queue(batch, { ...env, METRICS: dataset, EMAIL } as unknown as Env);
    expect(points).toHaveLength(1);
    const point = namedPoint("queue", points[0]);
    expect(point).toMatchObject({ kind: "queue", queue: "dealership-notifications", outcome: "ok" });
    expect(point).toMatchObject({ messages: 2, sent: 1, failed: 0, retried: 1 });
    expect(point["lag_ms"]).toBeGreaterThanOrEqual(7000);
    expect(point["trips"]).toBeGreaterThan(1);
  });

  test("writes one data point for a batch of dead letters", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const { points, dataset } = fakeDataset();
    await worker.queue(batchOf("dealership-notifications-dead", [first]), {
      ...env,
      METRICS: dataset,
    } as Env);
    expect(points).toHaveLength(1);
    expect(namedPoint("queue", points[0])).toMatchObject({
      queue: "dealership-notifications-dead",
      messages: 1,
    });
    expect(await statusOf(first)).toBe("PENDING");
  });
});

describe("the cron", () => {
  const run = (more: object) =>
    worker.scheduled(createScheduledController(), {
      ...env,
      NOTIFICATIONS: queueOf().queue,
      ...more,
    } as unknown as Env);

  test("writes one data point for a run: what waits, and what it did", async () => {
    await db.update(notifications).set({ status: "SENT", sentAt: 1 });
    const { first } = await outboxOf(["booking_received"], Date.now() - 120_000);
    const { points, dataset } = fakeDataset();
    await run({ METRICS: dataset });
    expect(points).toHaveLength(1);
    const point = namedPoint("cron", points[0]);
    expect(point).toMatchObject({ kind: "cron", job: "cron", outcome: "ok" });
    for (const name of ["late", "waiting"]) expect(point[name], name).toBeGreaterThanOrEqual(1);
    for (const name of ["oldest_waiting_ms", "lag_ms"])
      expect(point[name], name).toBeGreaterThanOrEqual(120_000);
    expect(await statusOf(first)).toBe("PENDING");
  });

  test("says so in the log and in its data point when a run fails, and fails", async () => {
    const DB = databaseWith(() => Promise.reject(new Error("no such table: notifications")));
    const { points, dataset } = fakeDataset();
    const log = watchLog();
    await expect(run({ METRICS: dataset, DB })).rejects.toThrow("no such table");
    expect(log.lines("cron.")).toEqual([
      expect.objectContaining({ event: "cron.failed", error: "Error: no such table: notifications" }),
    ]);
    log.end();
    expect(points).toHaveLength(1);
    expect(namedPoint("cron", points[0])).toMatchObject({ outcome: "failed", late: 0 });
  });
});

test("each line of the log names the version of the Worker", async () => {
  const log = watchLog();
  const DB = databaseWith(() => Promise.reject(new Error("no such table")));
  const request = new Request("http://dealership.test/api/cars?ordering=price");
  await worker.fetch(request, { ...env, DB } as Env, createExecutionContext());
  expect(env.VERSION.id).toMatch(/./);
  expect(log.lines("request.")).toEqual([expect.objectContaining({ version: env.VERSION.id })]);
  log.end();
});
