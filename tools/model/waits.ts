/** How long an answer waits for the calls that were counted. */
import type { Account, FarCall } from "../bench/metering.ts";

/** How long a call takes, without those that it makes itself. */
export type Durations = Record<FarCall["to"], number>;

/**
 * How long an answer waits for far calls: along the longest chain of calls of which each began after the one before had
 * ended. What runs at once counts once. A call of a coordinator lasts as long as the calls that it makes.
 */
export function waitOf(
  { calls, answeredAt = Number.POSITIVE_INFINITY }: Account,
  durations: Durations,
): number {
  const awaited = calls.filter(
    ({ until = Number.POSITIVE_INFINITY, to }) => until < answeredAt && to !== "queue",
  );
  const longest = (chain: readonly FarCall[], duration: (call: FarCall) => number): number => {
    const sorted = chain.toSorted((a, b) => (a.until ?? 0) - (b.until ?? 0));
    const best: number[] = [];
    sorted.forEach((call, at) => {
      const before = sorted
        .slice(0, at)
        .map((other, index) => ((other.until ?? 0) < call.from ? (best[index] ?? 0) : 0));
      best.push(Math.max(0, ...before) + duration(call));
    });
    return Math.max(0, ...best);
  };
  const within = (outer: FarCall) =>
    awaited.filter(
      ({ by, from, until = 0 }) => by === "coordinator" && from > outer.from && until < (outer.until ?? 0),
    );
  const own = ({ to }: FarCall): number => durations[to];
  return longest(
    awaited.filter(({ by }) => by === "worker"),
    (call) => own(call) + (call.to === "coordinator" ? longest(within(call), own) : 0),
  );
}

/** How many calls of a service the answer waited for. */
export const awaitedCalls = (
  { calls, answeredAt = Number.POSITIVE_INFINITY }: Account,
  to: FarCall["to"],
): number =>
  calls.filter((call) => call.to === to && (call.until ?? Number.POSITIVE_INFINITY) < answeredAt).length;
