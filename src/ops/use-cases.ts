/** The use cases of the operator. */
import type { z } from "@hono/zod-openapi";
import { readAs } from "../auth/verification.ts";
import { query } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import { mailsSentOn } from "../notifications/daily-limits.ts";
import { failedMails, outboxState } from "../outbox/outbox.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { ok, type Result } from "../shared/refusals.ts";
import { DAY_MS, formatInstant } from "../shared/showroom-time.ts";
import { type Job, lastRuns } from "./job-runs.ts";
import type { statusSchema } from "./schemas.ts";

const lastMigration = query<{ name: string }>`SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1`;

/** The state of the deployment. One round trip. */
export async function getStatus(
  deps: Deps,
  claimed: ClaimedCaller,
): Promise<Result<z.infer<typeof statusSchema>>> {
  const { now, config, env } = deps;
  const read = await readAs(
    deps,
    claimed,
    outboxState(now),
    failedMails(now - DAY_MS),
    mailsSentOn(now),
    lastRuns,
    lastMigration,
  );
  if (!read.ok) return read;
  const [[outbox], [failed], [sent], runs, [migration]] = read.value.rows;
  const ageOf = (at: number) => Math.max(0, Math.floor((now - at) / 1000));
  const agesOf = (at: number | null | undefined) => (at === null || at === undefined ? null : ageOf(at));
  const timesOf = ({ finishedAt, ms }: (typeof runs)[number]) => ({
    finished_at: formatInstant(finishedAt),
    age_seconds: ageOf(finishedAt),
    duration_ms: ms,
  });
  const runOf = (job: Job) => runs.find((run) => run.job === job);
  const [cron, checks] = [runOf("cron"), runOf("self_check")];
  return ok({
    version: env.VERSION?.id ?? null,
    schema: migration?.name ?? null,
    cron: cron ? timesOf(cron) : null,
    mails: {
      waiting: outbox?.waiting ?? 0,
      oldest_waiting_seconds: agesOf(outbox?.oldestAt),
      lag_seconds: agesOf(outbox?.dueSince),
      failed: failed?.failed ?? 0,
      failed_last_day: failed?.lately ?? 0,
      sent_today: sent?.n ?? 0,
      daily_limit: config.maxMailsPerDay,
    },
    self_checks: checks ? { ...timesOf(checks), failures: JSON.parse(checks.result) } : null,
  });
}
