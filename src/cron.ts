/** The cron runs every minute. It sends late notifications, writes reminders and deletes expired rows. */
import { deleteOrphanedObjects, pruneRemovedPhotos } from "./cars/photo-store.ts";
import { deleteExpired, deleteOldRecipients } from "./db/retention.ts";
import { type DeliveryTools, deliverInOrder } from "./notifications/deliver.ts";
import { recordRun } from "./ops/job-runs.ts";
import { isCheckTime, runSelfChecks } from "./ops/self-checks.ts";
import { type Delivery, enqueue, lateNotifications, outboxState } from "./outbox/outbox.ts";
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

const ageOf = (at: number | null | undefined, now: number): number =>
  at === null || at === undefined ? 0 : Math.max(0, now - at);

const isNight = (now: number): boolean => new Date(now).getUTCHours() === NIGHT_HOUR;

/** What a run of the cron found and did. */
export type CronReport = {
  /** How many notifications it sent to the queue again. */
  late: number;
  /** How many mails wait, how old the oldest of them is, and for how long one has been due. */
  waiting: number;
  oldestWaitingMs: number;
  lagMs: number;
  /** How many rows of the database, with their indexes, it deleted or emptied. */
  prunedRows: number;
};

/** Runs the cron once. */
export async function runCron(
  queue: Queue<Delivery>,
  photos: R2Bucket,
  tools: DeliveryTools,
): Promise<CronReport> {
  const { db, config } = tools;
  const now = tools.now();
  const [[outbox]] = await db.ask(outboxState(now));
  const late = await lateNotifications(db, now);
  if (late.length > 0) {
    log.warn("cron.late_notifications", { count: late.length });
    // Normally the queue spreads the work. When the queue is down, the cron delivers, slowly.
    if (!(await enqueue(queue, late)))
      for (const id of late.slice(0, DIRECT_LIMIT)) await deliverInOrder(id, tools);
  }
  await enqueue(queue, await writeReminders(db, now));
  const before = db.cost().rowsWritten;
  await db.commit("system", "cron.prune", "-", [...deleteExpired(now), ...deleteOldRecipients(now)]);
  if (isNight(now))
    await db.commit("system", "cron.forget", "-", [...pruneUnusedAccounts(now), ...pruneRemovedPhotos(now)]);
  const prunedRows = db.cost().rowsWritten - before;
  const orphaned = await deleteOrphanedObjects(db, photos, now);
  if (orphaned > 0) log.info("cron.orphaned_objects", { count: orphaned });
  if (isCheckTime(now)) await runSelfChecks(db, config, tools.now);
  const report: CronReport = {
    late: late.length,
    waiting: outbox?.waiting ?? 0,
    oldestWaitingMs: ageOf(outbox?.oldestAt, now),
    lagMs: ageOf(outbox?.dueSince, now),
    prunedRows,
  };
  // Last, so that a run which fails shows as one that is missing.
  await recordRun(db, "cron", { begunAt: now, finishedAt: tools.now(), result: report });
  return report;
}
