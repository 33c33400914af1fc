/** The cron runs every minute. It sends late notifications, writes reminders and deletes expired rows. */
import { deleteOrphanedObjects, pruneRemovedPhotos } from "./cars/photo-store.ts";
import { deleteExpired, deleteOldRecipients } from "./db/retention.ts";
import { type DeliveryTools, deliverInOrder } from "./notifications/deliver.ts";
import { type Delivery, enqueue, lateNotifications } from "./outbox/outbox.ts";
import { writeReminders } from "./outbox/reminders.ts";
import { log } from "./shared/log.ts";
import { pruneUnusedAccounts } from "./users/store.ts";

/** Number of notifications that one run delivers itself when the queue is down: as many as fit into a run. */
const DIRECT_LIMIT = 50;

/**
 * The UTC hour in which old accounts and photos are deleted, a bounded number with each run. Finding them reads many
 * rows, so it is not done all day.
 */
const NIGHT_HOUR = 2;

const isNight = (now: number): boolean => new Date(now).getUTCHours() === NIGHT_HOUR;

/** Runs the cron once. */
export async function runCron(queue: Queue<Delivery>, photos: R2Bucket, tools: DeliveryTools): Promise<void> {
  const { db } = tools;
  const now = tools.now();
  const late = await lateNotifications(db, now);
  if (late.length > 0) {
    log.warn("cron.late_notifications", { count: late.length });
    // Normally the queue spreads the work. When the queue is down, the cron delivers, slowly.
    if (!(await enqueue(queue, late)))
      for (const id of late.slice(0, DIRECT_LIMIT)) await deliverInOrder(id, tools);
  }
  await enqueue(queue, await writeReminders(db, now));
  await db.commit("system", "cron.prune", "-", [...deleteExpired(now), ...deleteOldRecipients(now)]);
  if (isNight(now))
    await db.commit("system", "cron.forget", "-", [...pruneUnusedAccounts(now), ...pruneRemovedPhotos(now)]);
  const orphaned = await deleteOrphanedObjects(db, photos, now);
  if (orphaned > 0) log.info("cron.orphaned_objects", { count: orphaned });
}
