import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { runCron } from "../src/cron.ts";
import { idempotencyKeys } from "../src/db/schema.ts";
import { HOUR_MS, mailbox, queueOf, tools } from "./support/outbox.ts";
import { db } from "./support/world.ts";

test.each([
  [23, 1],
  [25, 0],
])("the answer of a keyed request %i hours ago is remembered by %i rows after a run", async (hours, left) => {
  const [id, now] = [crypto.randomUUID(), Date.now()];
  const row = { id, fingerprint: "f", status: 201, body: "{}" };
  await db.insert(idempotencyKeys).values({ ...row, createdAt: now - hours * HOUR_MS });
  await runCron(queueOf().queue, env.PHOTOS, tools(mailbox().send, now));
  expect(await db.select().from(idempotencyKeys).where(eq(idempotencyKeys.id, id))).toHaveLength(left);
});
