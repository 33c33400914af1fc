/**
 * The waiting line of password hashing. A derivation takes 16 MiB and a quarter of a second in which its isolate does
 * nothing else. So one runs at a time, few may wait, and other requests get their turn in between.
 */
import { Busy } from "../shared/busy.ts";

/** How many derivations may wait or run in an isolate at once. The last one waits for about ten seconds. */
export const MAX_WAITING = 20;
/** While some wait, each derivation is followed by a rest of its own length, up to this, in which other requests run. */
const MAX_REST_MS = 1000;
/** How often a waiting derivation looks whether it is its turn. */
const LOOK_MS = 5;
/**
 * The platform may end a request at any time, for example when its client hangs up, and nothing of it runs any more. Who
 * has not looked for this long is no longer there.
 */
const GONE_MS = 3000;

/** `isPreferred`: goes before those that are not, for example because the client is known to the account. */
type Waiting = { readonly isPreferred: boolean; seenAt: number };

/** By turn, with the one that runs. */
const line: Waiting[] = [];
/**
 * The last derivation: when it began, and when a waiting one first saw that it had ended. It cannot know its own end,
 * because the clock of a Worker stands still while it computes.
 */
let last: { begunAt: number; isRunning: boolean; endedAt?: number } = {
  begunAt: 0,
  isRunning: false,
  endedAt: 0,
};

const isRunning = (now: number): boolean => last.isRunning && now - last.begunAt < GONE_MS;

/** Whether the rest after the last derivation is over. */
function isRested(now: number): boolean {
  last.endedAt ??= now;
  return now - last.endedAt >= Math.min(last.endedAt - last.begunAt, MAX_REST_MS);
}

const removeGone = (): void => {
  const there = line.filter(({ seenAt }) => Date.now() - seenAt < GONE_MS);
  line.splice(0, line.length, ...there);
};

/**
 * Runs a derivation when it is its turn.
 * @throws {Busy} when too many wait; a preferred one is not refused because of others
 */
export async function inTurn<T>(isPreferred: boolean, derive: () => Promise<T>): Promise<T> {
  const own: Waiting = { isPreferred, seenAt: Date.now() };
  removeGone();
  const rivals = isPreferred ? line.filter((other) => other.isPreferred) : line;
  if (rivals.length >= MAX_WAITING) throw new Busy("password hashing");
  const running = isRunning(own.seenAt) ? 1 : 0;
  const others = isPreferred ? line.findIndex((other, at) => at >= running && !other.isPreferred) : -1;
  line.splice(others === -1 ? line.length : others, 0, own);
  const isAlone = line.length === 1;
  try {
    // At least once, so that other requests get their turn, and each derivation is seen in the line before it runs.
    do {
      await new Promise((done) => setTimeout(done, LOOK_MS));
      own.seenAt = Date.now();
      removeGone();
      // After a long pause of the whole isolate another one may have removed it.
      if (!line.includes(own)) line.push(own);
    } while (isRunning(own.seenAt) || !(isRested(own.seenAt) || isAlone) || line[0] !== own);
    return await run(own.seenAt, derive);
  } finally {
    const place = line.indexOf(own);
    if (place !== -1) line.splice(place, 1);
  }
}

async function run<T>(now: number, derive: () => Promise<T>): Promise<T> {
  const own = { begunAt: now, isRunning: true };
  last = own;
  try {
    return await derive();
  } finally {
    own.isRunning = false;
  }
}
