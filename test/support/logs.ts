/** The log lines and data points that a test causes. */
import { vi } from "vitest";
import { COLUMNS, type Dataset } from "../../src/shared/metrics.ts";

export type LogLine = { event: string } & Record<string, unknown>;

/** Watches the log from now on. `lines` returns what was written since, and only then. */
export function watchLog() {
  const texts: string[] = [];
  const spies = (["info", "warn", "error"] as const).map((level) =>
    vi.spyOn(console, level).mockImplementation((text) => {
      texts.push(String(text));
    }),
  );
  return {
    lines(prefix = ""): LogLine[] {
      const lines = texts.filter((text) => text.startsWith("{")).map((text) => JSON.parse(text) as LogLine);
      return lines.filter(({ event }) => event.startsWith(prefix));
    },
    end(): void {
      for (const spy of spies) spy.mockRestore();
    },
  };
}

/** A dataset that keeps its data points. */
export function fakeDataset() {
  const points: AnalyticsEngineDataPoint[] = [];
  const dataset: Dataset = {
    writeDataPoint: (point) => {
      points.push(point ?? {});
    },
  };
  return { points, dataset };
}

/** The values of a data point, by the names of its columns. */
export function namedPoint(
  kind: keyof typeof COLUMNS,
  { blobs = [], doubles = [] }: AnalyticsEngineDataPoint = {},
): Record<string, unknown> {
  return {
    ...Object.fromEntries(COLUMNS[kind].blobs.map((name, at) => [name, blobs[at]])),
    ...Object.fromEntries(COLUMNS[kind].doubles.map((name, at) => [name, doubles[at]])),
  };
}
