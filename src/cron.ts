/** What the cron does every minute: sends late notifications, writes reminders, and deletes what has expired. */
import { pruneResetTokens } from "./auth/password-resets.ts";
import { pruneSessions } from "./auth/sessions.ts";
import { deleteOrphanedObjects } from "./cars/photo-store.ts";
import { pruneIdempotencyKeys } from "./db/idempotency.ts";
import { type DeliveryTools, deliverInOrder } from "./notifications/deliver.ts";
import { type Delivery, enqueue, lateNotifications } from "./outbox/outbox.ts";
import { writeReminders } from "./outbox/reminders.ts";
import { log } from "./shared/log.ts";

/** How many notifications one run delivers itself while the queue takes none: what a Worker has time for. */
const DIRECT_LIMIT = 50;

/** One run of the cron. */
export async function runCron(queue: Queue<Delivery>, photos: R2Bucket, tools: DeliveryTools): Promise<void> {
  const { db } = tools;
  const now = tools.now();
  const late = await lateNotifications(db, now);
  if (late.length > 0) {
    log.warn("cron.late_notifications", { count: late.length });
    // The queue spreads the work; when it is down, the work goes on slowly.
    if (!(await enqueue(queue, late)))
      for (const id of late.slice(0, DIRECT_LIMIT)) await deliverInOrder(id, tools);
  }
  await enqueue(queue, await writeReminders(db, now));
  await db.commit("system", "cron.prune", "-", [
    pruneIdempotencyKeys(now),
    ...pruneSessions(now),
    pruneResetTokens(now),
  ]);
  const orphaned = await deleteOrphanedObjects(db, photos, now);
  if (orphaned > 0) log.info("cron.orphaned_objects", { count: orphaned });
}
