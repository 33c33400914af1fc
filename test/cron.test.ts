import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { runCron } from "../src/cron.ts";
import { idempotencyKeys } from "../src/db/schema.ts";
import { HOUR_MS, mailbox, queueOf, tools } from "./support/outbox.ts";
import { db } from "./support/world.ts";

/** Whether the answer to a keyed request of so many hours ago is still there after a run. */
async function isKept(hours: number): Promise<boolean> {
  const [id, now] = [crypto.randomUUID(), Date.now()];
  const row = { id, fingerprint: "f", status: 201, body: "{}" };
  await db.insert(idempotencyKeys).values({ ...row, createdAt: now - hours * HOUR_MS });
  await runCron(queueOf().queue, env.PHOTOS, tools(mailbox().send, now));
  return (await db.$count(idempotencyKeys, eq(idempotencyKeys.id, id))) === 1;
}

test("a run keeps the answer to a keyed request for a day, and deletes it afterwards", async () => {
  expect(await isKept(23)).toBe(true);
  expect(await isKept(25)).toBe(false);
});
