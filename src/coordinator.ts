/** Sends commands to the coordinator of a car (see car-coordinator/). */

import { type Cost, noCost } from "./db/client.ts";
import type { IdempotencyKey, StoredAnswer } from "./db/idempotency.ts";
import type { Deps } from "./deps.ts";
import { type Caller, markVerified } from "./shared/callers.ts";
import { DependencyDown } from "./shared/dependency-down.ts";
import { refuse } from "./shared/refusals.ts";

// The type comes from the binding, because areas must not import car-coordinator/, which imports all of them.
type Coordinator = ReturnType<Env["CAR_COORDINATOR"]["getByName"]>;
type Command = Parameters<Coordinator["execute"]>[0];

/**
 * Sends a command to the car's coordinator, which commits it only if the caller is signed in.
 * @param idempotency the key, and the answer to store unless the coordinator builds the answer itself
 * @throws {DependencyDown} when the coordinator cannot be reached
 */
export async function execute(
  deps: Deps,
  carId: string,
  caller: Caller,
  command: Command,
  idempotency?: { key: IdempotencyKey; answer?: StoredAnswer } | undefined,
) {
  const { id, role, sessionId } = caller;
  const context = { caller: { id, role, sessionId }, requestId: deps.requestId, idempotency };
  deps.found.commands ??= { ...noCost(), calls: 0 };
  deps.found.commands.calls += 1;
  const outcome = await call(deps, carId, command, context);
  if (outcome.cost) addCost(deps.found.commands, outcome.cost);
  if (!outcome.ok) return refuse(outcome.refusal.code, outcome.refusal);
  // What a command changes is public: the status of the car, or its free slots.
  deps.stockChanged();
  // A commit verifies the caller. An outcome without a commit does not.
  if (outcome.committed) deps.found.caller = markVerified(caller);
  deps.found.bookmark = outcome.bookmark;
  return outcome;
}

function addCost(sum: Cost, { trips, rowsRead, rowsWritten, region }: Cost): void {
  sum.trips += trips;
  sum.rowsRead += rowsRead;
  sum.rowsWritten += rowsWritten;
  sum.region = region ?? sum.region;
}

/**
 * Calls the coordinator. An error inside it is a bug and passes through. A failure to reach it is an outage, and so is
 * a missing method: during a deploy it may run another version.
 */
async function call(deps: Deps, carId: string, ...args: Parameters<Coordinator["execute"]>) {
  try {
    // Without a hint an object lives where its first caller was, for good: a crawler would decide.
    const locationHint = deps.config.region;
    return await deps.env.CAR_COORDINATOR.getByName(carId, { locationHint }).execute(...args);
  } catch (error) {
    const isOurs =
      error instanceof Error &&
      "remote" in error &&
      error.remote === true &&
      !error.message.startsWith("The RPC receiver does not implement");
    throw isOurs ? error : new DependencyDown("the car's coordinator", error);
  }
}
