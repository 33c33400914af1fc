/** What the cron does every minute: sends again what was not told, and forgets what has had its time. */
import { lt } from "drizzle-orm";
import { sweepObjects } from "./cars/photos.ts";
import type { Database } from "./db/client.ts";
import { idempotencyKeys, passwordResets, refreshTokens } from "./db/schema.ts";
import { IDEMPOTENCY_KEPT_MS } from "./http/idempotency.ts";
import { log } from "./log.ts";
import { type Delivery, sweepOutbox } from "./notifications/outbox.ts";

/** One round of the sweep. */
export async function sweep(
  db: Database,
  queue: Queue<Delivery>,
  photos: R2Bucket,
  now: number,
): Promise<void> {
  const queued = await sweepOutbox(db, queue, now);
  if (queued > 0) log.warn("sweep.late_notifications", { queued });
  await db.batch([
    db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, now - IDEMPOTENCY_KEPT_MS)),
    db.delete(refreshTokens).where(lt(refreshTokens.expiresAt, now)),
    db.delete(passwordResets).where(lt(passwordResets.expiresAt, now)),
  ]);
  const lost = await sweepObjects(db, photos, now);
  if (lost > 0) log.info("sweep.lost_photo_objects", { lost });
}
