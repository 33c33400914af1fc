/** The entry point of the Worker. */
import { env as bindings } from "cloudflare:workers";
import { createApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { runCron } from "./cron.ts";
import { type Database, openDatabase } from "./db/client.ts";
import { type Consumed, consume, type DeliveryTools, handleDeadLetters } from "./notifications/deliver.ts";
import type { Delivery } from "./outbox/outbox.ts";
import { describeError, log, logVersion } from "./shared/log.ts";
import { datasetOf, writePoint } from "./shared/metrics.ts";

export { CarCoordinator } from "./car-coordinator/car-coordinator.ts";

logVersion(bindings.VERSION?.id);

const app = createApp();

const deliveryTools = (env: Env, db: Database): DeliveryTools => ({
  db,
  config: readConfig(env),
  send: (mail) => env.EMAIL.send(mail),
  now: Date.now,
});

/** What all data points about work in the background have. */
const pointOf = (env: Env, db: Database, begun: number) => {
  const { trips, rowsRead, rowsWritten, region } = db.cost();
  const ms = Date.now() - begun;
  return { version: env.VERSION?.id, region, ms, trips, rows_read: rowsRead, rows_written: rowsWritten };
};

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    const begun = Date.now();
    const db = openDatabase(env.DB, "first-primary");
    let consumed: Consumed | undefined;
    try {
      consumed = batch.queue.endsWith("-dead")
        ? await handleDeadLetters(batch, db)
        : await consume(batch, deliveryTools(env, db));
    } finally {
      const sentAt = Math.min(...batch.messages.map(({ timestamp }) => timestamp.getTime()));
      writePoint(datasetOf(env), "queue", {
        ...pointOf(env, db, begun),
        queue: batch.queue,
        outcome: consumed ? "ok" : "failed",
        messages: batch.messages.length,
        sent: consumed?.sent ?? 0,
        failed: consumed?.failed ?? 0,
        retried: consumed?.retried ?? 0,
        lag_ms: Math.max(0, begun - sentAt),
        backlog: batch.metadata?.metrics?.backlogCount ?? 0,
      });
    }
  },

  async scheduled(_controller, env) {
    const begun = Date.now();
    const db = openDatabase(env.DB, "first-primary");
    let report: Awaited<ReturnType<typeof runCron>> | undefined;
    try {
      report = await runCron(env.NOTIFICATIONS, env.PHOTOS, deliveryTools(env, db));
    } catch (error) {
      log.error("cron.failed", { error: describeError(error) });
      throw error;
    } finally {
      writePoint(datasetOf(env), "cron", {
        ...pointOf(env, db, begun),
        job: "cron",
        outcome: report ? "ok" : "failed",
        late: report?.late ?? 0,
        waiting: report?.waiting ?? 0,
        oldest_waiting_ms: report?.oldestWaitingMs ?? 0,
        lag_ms: report?.lagMs ?? 0,
        pruned_rows: report?.prunedRows ?? 0,
      });
    }
  },
} satisfies ExportedHandler<Env, Delivery>;
