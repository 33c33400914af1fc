/** The record of what the cron does: the last whole run of each of its jobs. */
import type { Database } from "../db/client.ts";
import { jobRuns } from "../db/schema.ts";
import { build, columnsOf, queryOf, statementOf } from "../db/statement.ts";

/** The jobs of the cron: what it does every minute, and the self-checks. */
export type Job = "cron" | "self_check";

/** Records a run that did all it had to. One row is written. */
export async function recordRun(
  db: Database,
  job: Job,
  run: { begunAt: number; finishedAt: number; result: object },
): Promise<void> {
  const { begunAt, finishedAt } = run;
  const row = { finishedAt, ms: finishedAt - begunAt, result: JSON.stringify(run.result) };
  await db.commit("system", "job.record", "-", [
    statementOf(
      build
        .insert(jobRuns)
        .values({ job, ...row })
        .onConflictDoUpdate({ target: jobRuns.job, set: row }),
    ),
  ]);
}

/** The last run of each job. */
export const lastRuns = queryOf(build.select(columnsOf(jobRuns)).from(jobRuns));
