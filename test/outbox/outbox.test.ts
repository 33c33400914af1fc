import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { notifications } from "../../src/db/schema.ts";
import { lateNotifications } from "../../src/outbox/outbox.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { session } from "../support/outbox.ts";

test("of more late notifications than one run takes, the longest waiting come first", async () => {
  const now = Date.now();
  // The times neither rise nor fall with the ids and the rows.
  const waits = Array.from({ length: 600 }, (_, index) => ((index * 7) % 600) + 60);
  await insertAll(
    env.DB,
    notifications,
    waits.map((seconds, index) => ({
      id: `late-${String(index).padStart(3, "0")}`,
      kind: "password_reset" as const,
      recipient: "late@example.com",
      facts: {},
      createdAt: now - seconds * 1000,
      nextAttemptAt: now - seconds * 1000,
    })),
  );
  const late = await lateNotifications(session(), now);
  const waited = late.map((id) => waits[Number(id.slice(5))]);
  expect(waited).toEqual(waits.toSorted((a, b) => b - a).slice(0, 500));
});
