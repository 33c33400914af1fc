import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { inTurn, MAX_WAITING } from "../../src/auth/hashing-line.ts";
import { Busy } from "../../src/shared/busy.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  vi.useRealTimers();
});

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** A derivation of 300 ms that says when it runs. */
function derivation(name: string, log: string[]) {
  return async () => {
    log.push(`${name} begins`);
    await pause(300);
    log.push(`${name} ends`);
    return name;
  };
}

test("thirty derivations at once take the memory of one, and those above the limit are refused", async () => {
  let running = 0;
  let most = 0;
  const derive = async () => {
    running += 1;
    most = Math.max(most, running);
    await pause(300);
    running -= 1;
  };
  const all = Array.from({ length: 30 }, () => inTurn(false, derive).catch((error: unknown) => error));
  await vi.advanceTimersByTimeAsync(30_000);
  const ended = await Promise.all(all);
  expect(most).toBe(1);
  expect(ended.filter((error) => error instanceof Busy)).toHaveLength(30 - MAX_WAITING);
});

test("derivations run in the order of arrival, and a preferred one goes before all but the one that runs", async () => {
  const log: string[] = [];
  const names: [string, boolean][] = [
    ["stranger 1", false],
    ["stranger 2", false],
    ["owner 1", true],
    ["owner 2", true],
  ];
  const all = names.map(async ([name, isPreferred], at) => {
    await pause(at * 10);
    return inTurn(isPreferred, derivation(name, log));
  });
  await vi.advanceTimersByTimeAsync(5_000);
  await Promise.all(all);
  expect(log.filter((line) => line.endsWith("begins"))).toEqual([
    "stranger 1 begins",
    "owner 1 begins",
    "owner 2 begins",
    "stranger 2 begins",
  ]);
});

test("while some wait, half of the time is left for other requests; otherwise nobody waits", async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  const begun: number[] = [];
  const now = Date.now();
  const derive = async () => {
    begun.push(Date.now() - now);
    await pause(250);
  };
  const all = Promise.all([1, 2, 3, 4].map(() => inTurn(false, derive)));
  await vi.advanceTimersByTimeAsync(5_000);
  await all;
  expect(begun[0]).toBeLessThan(20);
  for (const [at, time] of begun.slice(1).entries())
    expect(time - (begun[at] ?? 0)).toBeGreaterThanOrEqual(2 * 250);
  const alone = [inTurn(false, derive)];
  await vi.advanceTimersByTimeAsync(300);
  await Promise.all(alone);
  expect((begun[4] ?? 0) - 5_000).toBeLessThan(20);
});

test("a preferred derivation is not refused because others fill the line", async () => {
  const others = Array.from({ length: MAX_WAITING }, () => inTurn(false, () => pause(300)));
  await expect(inTurn(false, () => pause(1))).rejects.toThrow(Busy);
  const preferred = inTurn(true, async () => "done");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await preferred).toBe("done");
  await Promise.all(others);
});

test("a derivation that fails does not hold up the next one", async () => {
  const failed = inTurn(false, async () => {
    throw new Error("no");
  }).catch((error: Error) => error.message);
  const next = inTurn(false, async () => "done");
  await vi.advanceTimersByTimeAsync(1_000);
  expect([await failed, await next]).toEqual(["no", "done"]);
});

test("a request that the platform has ended does not hold up the others for long", async () => {
  // Its timer never fires, as if the request did not exist any more.
  const { setTimeout: original } = globalThis;
  globalThis.setTimeout = (() => 0) as never;
  void inTurn(false, async () => "never");
  globalThis.setTimeout = original;
  const next = inTurn(false, async () => "done");
  await vi.advanceTimersByTimeAsync(3_500);
  expect(await next).toBe("done");
});

test("all waiting derivations run after the whole isolate has paused", async () => {
  const all = Promise.all([1, 2, 3].map((n) => inTurn(false, async () => n)));
  vi.setSystemTime(Date.now() + 60_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await all).toEqual([1, 2, 3]);
});
