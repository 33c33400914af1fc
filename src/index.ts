/** The Worker's entry. */
import { createApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { openDatabase } from "./db/client.ts";
import { bury, consume } from "./notifications/deliver.ts";
import type { Delivery } from "./notifications/outbox.ts";
import { sweep } from "./sweep.ts";

export { CarCalendar } from "./bookings/car-calendar.ts";

const app = createApp();

export default {
  fetch: app.fetch,

  async queue(batch, env) {
    const db = openDatabase(env.DB, "first-primary");
    if (batch.queue.endsWith("-dead")) return bury(batch, db);
    const send: SendEmail["send"] = (mail: never) => env.EMAIL.send(mail);
    return consume(batch, { db, config: readConfig(env), send, now: Date.now });
  },

  async scheduled(_controller, env) {
    await sweep(openDatabase(env.DB, "first-primary"), env.NOTIFICATIONS, env.PHOTOS, Date.now());
  },
} satisfies ExportedHandler<Env, Delivery>;
