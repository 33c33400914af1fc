/** What the operator is answered about the state of the deployment. */
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { beforeEach, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { jobRuns, mailCounts, notifications } from "../../src/db/schema.ts";
import { recordRun } from "../../src/ops/job-runs.ts";
import { statusSchema } from "../../src/ops/schemas.ts";
import { runSelfChecks } from "../../src/ops/self-checks.ts";
import { booked, HOUR_MS, noticeOf, notify, session } from "../support/outbox.ts";
import { answer, call, db, person } from "../support/world.ts";

const DAY_MS = 24 * HOUR_MS;

beforeEach(async () => {
  await db.delete(notifications);
  await db.delete(jobRuns);
  await db.delete(mailCounts);
});

async function statusNow() {
  const { token } = await person("ADMIN");
  const { status, body } = await answer(call("GET", "/api/ops/status/", { token }));
  expect(status).toBe(200);
  return statusSchema.strict().parse(body);
}

test("a fresh deployment has its versions, no runs and no mails", async () => {
  const migrations = env.TEST_MIGRATIONS.map(({ name }) => name);
  expect(await statusNow()).toEqual({
    version: env.VERSION.id,
    schema: migrations.at(-1),
    cron: null,
    mails: {
      waiting: 0,
      oldest_waiting_seconds: null,
      lag_seconds: null,
      failed: 0,
      failed_last_day: 0,
      sent_today: 0,
      daily_limit: Number(env.MAX_MAILS_PER_DAY),
    },
    self_checks: null,
  });
});

test("the last runs of the cron and of the self-checks are shown with their age", async () => {
  const now = Date.now();
  await recordRun(session(), "cron", { begunAt: 1, finishedAt: 2, result: {} });
  await recordRun(session(), "cron", { begunAt: now - 95_000, finishedAt: now - 90_000, result: {} });
  await runSelfChecks(session(), readConfig(env), () => now);
  const { cron, self_checks } = await statusNow();
  expect(cron?.duration_ms).toBe(5000);
  expect(cron?.age_seconds).toBeGreaterThanOrEqual(90);
  expect(cron?.age_seconds).toBeLessThan(120);
  expect(Object.values(self_checks?.failures ?? {})).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

test("mails that wait are counted with the age of the oldest, and the lag counts only what nothing holds back", async () => {
  const now = Date.now();
  const made = await booked();
  const [first = ""] = await notify([noticeOf("booking_received", made)], now - 3_000_000);
  await notify([noticeOf("booking_approved", made)], now - 2_000_000);
  expect((await statusNow()).mails).toMatchObject({ waiting: 2 });
  const due = await statusNow();
  expect(due.mails.oldest_waiting_seconds).toBeGreaterThanOrEqual(3000);
  expect(due.mails.lag_seconds).toBeGreaterThanOrEqual(3000);
  await db
    .update(notifications)
    .set({ nextAttemptAt: now + HOUR_MS })
    .where(eq(notifications.id, first));
  const held = await statusNow();
  expect(held.mails.oldest_waiting_seconds).toBeGreaterThanOrEqual(3000);
  expect(held.mails.lag_seconds).toBeNull();
});

test("failed mails are counted, those of the last day apart, and so are the mails of the day", async () => {
  const now = Date.now();
  const failed = async (lastAttemptAt: number) =>
    db.insert(notifications).values({
      id: crypto.randomUUID(),
      kind: "password_reset",
      recipient: "a@example.com",
      facts: {},
      status: "FAILED",
      createdAt: lastAttemptAt - DAY_MS,
      nextAttemptAt: lastAttemptAt,
    });
  for (const hours of [1, 23, 25, 100]) await failed(now - hours * HOUR_MS);
  const day = Math.floor(now / DAY_MS);
  await db.insert(mailCounts).values([
    { day, reader: "*", n: 17 },
    { day: day - 1, reader: "*", n: 99 },
    { day, reader: "hash", n: 5 },
  ]);
  expect((await statusNow()).mails).toMatchObject({ failed: 4, failed_last_day: 2, sent_today: 17 });
});
