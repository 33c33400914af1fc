import { expect, test } from "vitest";
import { runCrashTest } from "../../tools/crash-test/crash.ts";

test("a server that is killed under load and restarted on the same disk keeps every acknowledged fact", async () => {
  const report = await runCrashTest({
    calls: 300,
    cars: 3,
    kills: 1,
    clients: 30,
    seed: 1,
    folder: ".crash-test/small",
  });
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ kills: 1, overlaps: 0, lost: 0 });
  expect(report.answers["connection broken"]).toBeGreaterThan(0);
  expect(report.bookings.acknowledged).toBeGreaterThan(30);
}, 180_000);
