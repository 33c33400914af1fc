import { describe, expect, test } from "vitest";
import { emptyAccount, type FarCall } from "../../tools/bench/metering.ts";
import { awaitedCalls, waitOf } from "../../tools/model/waits.ts";

const DURATIONS = { D1: 10, R2: 25, Images: 200, coordinator: 3, queue: 1000 };

const waiting = (answeredAt: number, ...calls: FarCall[]) =>
  waitOf({ ...emptyAccount(), answeredAt, calls }, DURATIONS);

const call = (to: FarCall["to"], from: number, until?: number, by: FarCall["by"] = "worker"): FarCall => ({
  to,
  by,
  from,
  ...(until === undefined ? {} : { until }),
});

describe("an answer waits", () => {
  test("for calls one after the other as long as they take together", () => {
    expect(waiting(9, call("D1", 1, 2), call("D1", 3, 4), call("R2", 5, 6))).toBe(45);
  });

  test("for calls at once as long as the longest of them takes", () => {
    expect(waiting(9, call("D1", 1, 3), call("R2", 2, 4))).toBe(25);
    expect(waiting(9, call("R2", 1, 3), call("D1", 2, 4), call("D1", 5, 6))).toBe(35);
  });

  test("for a coordinator as long as its own calls take", () => {
    expect(
      waiting(
        9,
        call("D1", 1, 2),
        call("coordinator", 3, 8),
        call("D1", 4, 5, "coordinator"),
        call("D1", 6, 7, "coordinator"),
      ),
    ).toBe(33);
  });

  test("neither for the queue nor for background work", () => {
    const calls = [call("D1", 1, 2), call("queue", 3, 4), call("D1", 5, 7), call("D1", 8)];
    expect(waiting(6, ...calls)).toBe(10);
    expect(awaitedCalls({ ...emptyAccount(), answeredAt: 6, calls }, "D1")).toBe(1);
  });
});
