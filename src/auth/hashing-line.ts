/**
 * The waiting line of password hashing. A derivation takes 16 MiB and a quarter of a second in which its isolate does
 * nothing else. So one runs at a time, few may wait, and other requests get their turn in between.
 */
import { Busy } from "../shared/busy.ts";

/** How many derivations may wait or run in an isolate at once. The last one waits for about ten seconds. */
export const MAX_WAITING = 20;
/** While some wait, one begins in this time. It takes about half of it, and the rest is for other requests. */
export const SPACING_MS = 500;
/** How often a waiting derivation looks whether it is its turn. */
const LOOK_MS = 5;
/**
 * The platform may end a request at any time, for example when its client hangs up, and nothing of it runs any more. Who
 * has not looked for this long is no longer there.
 */
const GONE_MS = 3000;

/** `isPreferred`: goes before those that are not, for example because the client is known to the account. */
type Waiting = { readonly isPreferred: boolean; seenAt: number };

/** By turn. The first one's derivation runs. */
const line: Waiting[] = [];
/** When the last derivation began. Its end is not known: the clock of a Worker stands still while it computes. */
let begunAt = 0;

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
  // Never before the first one, which may be running.
  const others = isPreferred ? line.findIndex((other, at) => at > 0 && !other.isPreferred) : -1;
  line.splice(others === -1 ? line.length : others, 0, own);
  const isFree = line[0] === own;
  try {
    // At least once, so that other requests get their turn, and each derivation is seen in the line before it runs.
    do {
      await new Promise((done) => setTimeout(done, LOOK_MS));
      own.seenAt = Date.now();
      removeGone();
      // After a long pause of the whole isolate another one may have removed it.
      if (!line.includes(own)) line.push(own);
    } while (line[0] !== own || !(isFree || own.seenAt - begunAt >= SPACING_MS));
    begunAt = own.seenAt;
    return await derive();
  } finally {
    const place = line.indexOf(own);
    if (place !== -1) line.splice(place, 1);
  }
}
