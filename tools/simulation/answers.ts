/** What clients send to the writer of a car, and what they conclude from its answers. */
import type { Booking } from "../../src/bookings/booking.ts";
import type { Outcome } from "../../src/car-coordinator/car-writer.ts";
import type { Command } from "../../src/car-coordinator/commands.ts";
import type { Commission, Sale } from "../../src/sales/store.ts";
import type { Result, StatusChange } from "./specification.ts";
import { CALM, type World } from "./world.ts";

/** The caller of all commands. */
export const CONTEXT = { caller: { id: "customer", role: "CUSTOMER", sessionId: "session" } } as const;

/** Waits for the answer to a request. It may get lost on its last way, and there must be one when nothing goes wrong. */
export async function answerTo<Ok>(
  world: World,
  request: unknown,
  ask: () => Promise<Result<Ok>>,
): Promise<Result<Ok>> {
  const what = JSON.stringify(request);
  world.trace.push(`client: ${what} ?`);
  const answer = await ask();
  const lost = world.random.chance(world.faultRates.lostAnswer);
  world.trace.push(`client: ${what}: ${lost ? "answer lost" : JSON.stringify(answer)}`);
  if (answer.type === "unknown" && world.faultRates === CALM)
    world.faults.push(`nothing went wrong, and yet there was no answer to ${what}`);
  return lost ? { type: "unknown" } : answer;
}

/** What a client concludes from an outcome: a 503 promises nothing, except that `busy` means unchanged. */
export function resultOf<Ok>(
  outcome: Outcome | undefined,
  ok: (done: Outcome & { ok: true }) => Ok,
): Result<Ok> {
  if (!outcome) return { type: "unknown" };
  if (outcome.ok) {
    if (outcome.bookmark === null) throw new Error("a command succeeded without a bookmark");
    return { type: "ok", value: ok(outcome), bookmark: outcome.bookmark };
  }
  const { code } = outcome.refusal;
  return code === "unavailable" ? { type: "unknown" } : { type: "refused", code };
}

/** The booking of an outcome that has one. */
export function bookingOf({ booking }: { booking: Booking | undefined }): Booking {
  if (!booking) throw new Error("a command about a booking answered without one");
  return booking;
}

/** The command that changes the status of a car. */
export function statusCommand(by: StatusChange): Command {
  // The record of a sale does not matter here.
  const [sale, entry] = [{} as Sale, {} as Commission];
  if (by === "sell") return { type: "sell", sale, commission: entry };
  if (by === "void_sale") return { type: "void_sale", sale, reversal: entry };
  return { type: "set_status", to: by };
}
