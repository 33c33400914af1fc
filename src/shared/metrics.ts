/**
 * Data points of Workers Analytics Engine, where a dataset is bound as METRICS (docs/operations/metrics.md). They hold no
 * personal data and no ids: operations, codes, places and numbers.
 */
import { describeError, log } from "./log.ts";

/** What a data point is written to. */
export type Dataset = Pick<AnalyticsEngineDataset, "writeDataPoint">;

/**
 * The columns of each kind of data point, in order: `blob1` is the first text, `double1` the first number. Queries name
 * columns by number, so they are only ever added at the end.
 */
export const COLUMNS = {
  request: {
    blobs: ["kind", "operation", "code", "version", "colo", "region", "cache"],
    doubles: ["ms", "status", "trips", "rows_read", "rows_written", "object_calls"],
  },
  cron: {
    blobs: ["kind", "job", "outcome", "version", "region"],
    doubles: [
      "ms",
      "late",
      "waiting",
      "oldest_waiting_ms",
      "lag_ms",
      "pruned_rows",
      "trips",
      "rows_read",
      "rows_written",
    ],
  },
  queue: {
    blobs: ["kind", "queue", "outcome", "version", "region"],
    doubles: [
      "ms",
      "messages",
      "sent",
      "failed",
      "retried",
      "lag_ms",
      "backlog",
      "trips",
      "rows_read",
      "rows_written",
    ],
  },
} as const;

type Kind = keyof typeof COLUMNS;

/** The values of a data point, by column. An empty text stands for one that is not known. */
export type Values<K extends Kind> = {
  [Name in Exclude<(typeof COLUMNS)[K]["blobs"][number], "kind">]: string | undefined;
} & { [Name in (typeof COLUMNS)[K]["doubles"][number]]: number };

/** The dataset of an environment. An operator binds it, because not every account has Analytics Engine. */
export const datasetOf = (env: object): Dataset | undefined =>
  "METRICS" in env ? (env.METRICS as Dataset) : undefined;

/**
 * Writes a data point. It waits for nothing, and never fails what it reports.
 * @param request identifies the request in the log
 */
export function writePoint<K extends Kind>(
  dataset: Dataset | undefined,
  kind: K,
  values: Values<K>,
  request?: string,
): void {
  if (!dataset) return;
  const known: Record<string, unknown> = { ...values, kind };
  const { blobs, doubles } = COLUMNS[kind];
  try {
    dataset.writeDataPoint({
      // Sampling, when there are very many, is by the second text, so that rare operations stay whole.
      indexes: [String(known[blobs[1]])],
      blobs: blobs.map((name) => String(known[name] ?? "")),
      doubles: doubles.map((name) => Number(known[name])),
    });
  } catch (error) {
    log.warn("metrics.failed", { kind, request, error: describeError(error) });
  }
}
