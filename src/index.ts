/** The entry point of the Worker. */
import { createApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { runCron } from "./cron.ts";
import { openDatabase } from "./db/client.ts";
import { consume, type DeliveryTools, handleDeadLetters } from "./notifications/deliver.ts";
import type { Delivery } from "./outbox/outbox.ts";

export { CarCoordinator } from "./car-coordinator/car-coordinator.ts";

const app = createApp();

const deliveryTools = (env: Env): DeliveryTools => ({
  db: openDatabase(env.DB, "first-primary"),
  config: readConfig(env),
  send: (mail) => env.EMAIL.send(mail),
  now: Date.now,
});

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    if (batch.queue.endsWith("-dead")) return handleDeadLetters(batch, openDatabase(env.DB, "first-primary"));
    return consume(batch, deliveryTools(env));
  },

  async scheduled(_controller, env) {
    await runCron(env.NOTIFICATIONS, env.PHOTOS, deliveryTools(env));
  },
} satisfies ExportedHandler<Env, Delivery>;
