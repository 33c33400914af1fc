/** The wire format of the operator's endpoints. */
import { z } from "@hono/zod-openapi";
import { instant } from "../http/validation.ts";
import { MOST_COUNTED } from "../outbox/outbox.ts";

const seconds = z.int().min(0);
const upTo = `Counted up to ${MOST_COUNTED}`;

const run = { finished_at: instant, age_seconds: seconds, duration_ms: z.int() };

/** The state of the deployment. */
export const statusSchema = z
  .object({
    version: z.string().nullable().openapi({ description: "The Worker's version that answers" }),
    schema: z.string().nullable().openapi({
      description: "The last migration that was applied",
      example: "0004_safety.sql",
    }),
    cron: z.object(run).nullable().openapi({
      description: "The last whole run of the cron, which runs every minute; null before the first one",
    }),
    mails: z.object({
      waiting: z.int().openapi({ description: `E-mails that are not sent yet. ${upTo}` }),
      oldest_waiting_seconds: seconds.nullable().openapi({ description: "The age of the oldest of them" }),
      lag_seconds: seconds.nullable().openapi({
        description:
          "For how long an e-mail has been due that nothing holds back: the lag of the queue. Null when none is due",
      }),
      failed: z.int().openapi({ description: `E-mails that failed for good, and can be replayed. ${upTo}` }),
      failed_last_day: z.int().openapi({ description: "Those that failed within the last 24 hours" }),
      sent_today: z.int().openapi({ description: "E-mails sent on this day (UTC)" }),
      daily_limit: z.int().openapi({ description: "`MAX_MAILS_PER_DAY`" }),
    }),
    self_checks: z
      .object({
        ...run,
        failures: z.record(z.string(), z.int().nullable()).openapi({
          description: "By check: how many things break its rule; null when it could not be made",
        }),
      })
      .nullable()
      .openapi({ description: "The last self-checks, which are made once an hour; null before the first" }),
  })
  .openapi("OpsStatus");
