/** What the cron does every minute: sends again what was not told, reminds, and forgets what has had its time. */
import { lt } from "drizzle-orm";
import { sweepObjects } from "./cars/photo-store.ts";
import { idempotencyKeys, passwordResets, refreshTokens, sessions } from "./db/schema.ts";
import { IDEMPOTENCY_KEPT_MS } from "./http/idempotency.ts";
import { type DeliveryTools, deliverInOrder } from "./notifications/deliver.ts";
import { type Delivery, enqueue, lateNotifications } from "./outbox/outbox.ts";
import { writeReminders } from "./outbox/reminders.ts";
import { log } from "./shared/log.ts";

/** How many notifications a sweep delivers itself while the queue takes none: what one run of a Worker has time for. */
const DIRECT_LIMIT = 50;

/** One round of the sweep. */
export async function sweep(queue: Queue<Delivery>, photos: R2Bucket, tools: DeliveryTools): Promise<void> {
  const { db } = tools;
  const now = tools.now();
  const late = await lateNotifications(db, now);
  if (late.length > 0) {
    log.warn("sweep.late_notifications", { count: late.length });
    // The queue spreads the work; when it is away, the work goes on slowly.
    if (!(await enqueue(queue, late)))
      for (const id of late.slice(0, DIRECT_LIMIT)) await deliverInOrder(id, tools);
  }
  await enqueue(queue, await writeReminders(db, now));
  await db.batch([
    db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, now - IDEMPOTENCY_KEPT_MS)),
    db.delete(refreshTokens).where(lt(refreshTokens.expiresAt, now)),
    db.delete(sessions).where(lt(sessions.expiresAt, now)),
    db.delete(passwordResets).where(lt(passwordResets.expiresAt, now)),
  ]);
  const lost = await sweepObjects(db, photos, now);
  if (lost > 0) log.info("sweep.lost_photo_objects", { lost });
}
