/** The clients of one car: their requests, the answers, and their conclusions. */

import type { Booking } from "../../src/bookings/booking.ts";
import type { Outcome } from "../../src/car-coordinator/car-writer.ts";
import type { Command } from "../../src/car-coordinator/commands.ts";
import type { Commission, Sale } from "../../src/sales/store.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import type { Observed } from "./linearizability.ts";
import type { Operation, Result, StatusChange } from "./specification.ts";
import { CALM, HOUR, MAX_SKEW_MS, SLOTS, type World } from "./world.ts";

/** The caller of all commands. */
const CONTEXT = { caller: { id: "customer", role: "CUSTOMER", sessionId: "session" } } as const;

/** A client: one request after the other, repeated or doubled at times. */
export async function client(world: World): Promise<void> {
  const { random } = world;
  for (let left = random.between(1, 3); left > 0; left -= 1) {
    await world.pause();
    const request = drawRequest(world);
    if (random.chance(0.1)) await Promise.all([request(), request()]);
    else if ((await request()) === "unknown" && random.chance(0.7)) await request();
  }
}

type Request = () => Promise<Result<unknown>["type"]>;

function drawRequest(world: World): Request {
  const { random, known } = world;
  const startAt = random.pick(SLOTS);
  const dice = random.next();
  if (dice < 0.5 || (known.length === 0 && dice < 0.85)) {
    const odd = random.chance(0.05) ? HOUR / 2 : 0;
    const key = random.chance(0.5) ? world.newId("key") : undefined;
    return () => book(world, startAt + odd, key);
  }
  if (dice < 0.7) {
    const to = random.pick<BookingStatus>([
      "APPROVED",
      "CANCELLED",
      "DECLINED",
      "COMPLETED",
      "NO_SHOW",
      "CANCELLED",
    ]);
    const id = random.pick(known);
    return () => transition(world, id, to);
  }
  if (dice < 0.82) {
    const [id, confirmed] = [random.pick(known), random.chance(0.5)];
    return () => reschedule(world, id, startAt, confirmed);
  }
  if (dice < 0.84) return () => close(world);
  if (dice < 0.89) {
    const by = random.pick(["sell", "sell", "void_sale", "REMOVED", "AVAILABLE", "RESERVED"] as const);
    return () => setStatus(world, by);
  }
  return random.chance(0.6) ? () => readSlots(world) : () => inspect(world);
}

/** Records a call and its answer. The answer may get lost on its last way. */
async function observe<Kind extends Operation["type"]>(
  world: World,
  what: Omit<Extract<Operation, { type: Kind }>, "clock" | "result"> & { type: Kind },
  ask: () => Promise<Extract<Operation, { type: Kind }>["result"]>,
  when: Pick<Observed<Operation>, "called" | "after"> = { called: world.tick() },
): Promise<Result<unknown>["type"]> {
  // Without an answer the decision may still come, at any time.
  const clock = { from: world.now - MAX_SKEW_MS, to: Number.POSITIVE_INFINITY };
  const observed: Observed<Operation> = {
    operation: { ...what, clock, result: { type: "unknown" } } as unknown as Operation,
    ...when,
    answered: undefined,
  };
  world.history.push(observed);
  world.trace.push(`client: ${JSON.stringify(what)} ?`);
  const answer = await ask();
  const lost = world.random.chance(world.faultRates.lostAnswer);
  const result = lost ? { type: "unknown" as const } : answer;
  world.trace.push(`client: ${JSON.stringify(what)}: ${lost ? "answer lost" : JSON.stringify(result)}`);
  if (result.type !== "unknown") {
    observed.answered = world.tick();
    clock.to = world.now + MAX_SKEW_MS;
    if (result.type === "ok" && result.bookmark !== undefined)
      world.bookmarks.push({ bookmark: Number(result.bookmark), write: observed });
  } else if (world.faultRates === CALM) {
    world.faults.push(`nothing went wrong, and yet there was no answer to ${JSON.stringify(what)}`);
  }
  observed.operation = { ...what, clock, result } as unknown as Operation;
  return result.type;
}

/** What a client concludes from an outcome: a 503 promises nothing, except that `busy` means unchanged. */
function resultOf<Ok>(outcome: Outcome | undefined, ok: (done: Outcome & { ok: true }) => Ok): Result<Ok> {
  if (!outcome) return { type: "unknown" };
  if (outcome.ok) {
    if (outcome.bookmark === null) throw new Error("a command succeeded without a bookmark");
    return { type: "ok", value: ok(outcome), bookmark: outcome.bookmark };
  }
  const { code } = outcome.refusal;
  return code === "unavailable" ? { type: "unknown" } : { type: "refused", code };
}

function bookingOf({ booking }: { booking: Booking | undefined }): Booking {
  if (!booking) throw new Error("a command about a booking answered without one");
  return booking;
}

/** As the route does it: with a key, an earlier answer is looked for before and after. */
export function book(world: World, startAt: number, key: string | undefined) {
  const replay = async (): Promise<Result<{ id: string; replayed: boolean }> | undefined> => {
    if (key === undefined) return undefined;
    await world.pause();
    const id = world.ledger.keys.get(key);
    return id === undefined ? undefined : { type: "ok", value: { id, replayed: true } };
  };
  const what: Omit<Extract<Operation, { type: "book" }>, "result"> = { type: "book", startAt, key };
  return observe<"book">(world, what, async () => {
    const earlier = await replay();
    if (earlier) return earlier;
    const now = world.now;
    const command: Command = { type: "book", customerId: "customer", startAt, notes: "" };
    const idempotency = key === undefined ? undefined : { key: { id: key, fingerprint: key } };
    const outcome = await world.call((writer) => writer.execute(command, { ...CONTEXT, idempotency }));
    if (outcome && !outcome.ok) {
      const twin = await replay();
      if (twin) return twin;
    }
    const result = resultOf(outcome, (done) => ({ id: bookingOf(done).id, replayed: false }));
    if (result.type === "ok") {
      what.made = result.value.id;
      world.known.push(result.value.id);
      if (startAt <= now - MAX_SKEW_MS) world.faults.push(`${result.value.id} was booked in the past`);
    }
    return result;
  });
}

const transition = (world: World, id: string, to: BookingStatus) =>
  observe<"transition">(world, { type: "transition", id, to }, async () => {
    const command: Command = { type: "transition", bookingId: id, to };
    const outcome = await world.call((writer) => writer.execute(command, CONTEXT));
    return resultOf(outcome, (done) => ({ status: bookingOf(done).status }));
  });

const reschedule = (world: World, id: string, startAt: number, confirmed: boolean) =>
  observe<"reschedule">(world, { type: "reschedule", id, startAt, confirmed }, async () => {
    const command: Command = { type: "reschedule", bookingId: id, startAt, confirmed };
    const outcome = await world.call((writer) => writer.execute(command, CONTEXT));
    return resultOf(outcome, (done) => {
      const { status, startAt: now } = bookingOf(done);
      return { status, startAt: now };
    });
  });

/** Has the car's status changed by a sale, its void, or by hand. */
function setStatus(world: World, by: StatusChange) {
  return observe<"set_status">(world, { type: "set_status", by, at: world.shown }, async () => {
    const outcome = await world.call((writer) => writer.execute(statusCommand(by), CONTEXT));
    return resultOf(outcome, ({ change }) => {
      if (change?.type !== "status_changed") throw new Error("the status was changed by another change");
      return { cancelled: change.cancelled.map((booking) => booking.startAt), at: change.at };
    });
  });
}

function statusCommand(by: StatusChange): Command {
  // The record of a sale does not matter here.
  const [sale, entry] = [{} as Sale, {} as Commission];
  if (by === "sell") return { type: "sell", sale, commission: entry };
  if (by === "void_sale") return { type: "void_sale", sale, reversal: entry };
  return { type: "set_status", to: by };
}

/** Deactivates the customer: the database is changed without the writer. */
function close(world: World) {
  const { now } = world;
  return observe<"close">(world, { type: "close", now }, async () => {
    await world.pause();
    const cancelled = world.ledger.close(now);
    await world.pause();
    return { type: "ok", value: { cancelled } };
  });
}

const lines = (bookings: Iterable<Booking>): string[] =>
  [...bookings].map(({ startAt, status }) => `${startAt} ${status}`).sort();

/**
 * Reads the free slots as the route does: from some replica, however old it is, but not older than the bookmark that the
 * client sends. So the read may have happened at any time after the write that answered the bookmark.
 */
function readSlots(world: World) {
  const { random, bookmarks, ledger } = world;
  const sent = bookmarks.length > 0 && random.chance(0.6) ? random.pick(bookmarks) : undefined;
  const what: Omit<Extract<Operation, { type: "slots" }>, "result"> = { type: "slots", now: 0 };
  return observe<"slots">(
    world,
    what,
    async () => {
      await world.pause();
      what.now = world.now;
      const state = ledger.states[random.between(sent?.bookmark ?? 0, ledger.now)];
      const value = state ? world.offeredAt(state) : [];
      await world.pause();
      return { type: "ok", value };
    },
    { called: 0, after: sent?.write },
  );
}

/** Reads the database itself, as the routes that read bookings do. */
export const inspect = (world: World) =>
  observe<"inspect">(world, { type: "inspect" }, async () => {
    await world.pause();
    const { status, bookings } = world.ledger;
    const value = { status, all: lines(bookings.values()) };
    await world.pause();
    return { type: "ok", value };
  });
