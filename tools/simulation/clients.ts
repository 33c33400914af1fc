/** The clients of one car. */

import type { Booking } from "../../src/bookings/booking.ts";
import type { Command } from "../../src/car-coordinator/commands.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import { defaultSchedule } from "../../src/showrooms/schedule.ts";
import { answerTo, bookingOf, CONTEXT, resultOf, statusCommand } from "./answers.ts";
import type { Stock } from "./ledger.ts";
import type { Observed } from "./linearizability.ts";
import type { Operation, Result, StatusChange } from "./specification.ts";
import { HOUR, type Subject, World } from "./world.ts";

/** The slots that clients want. */
export const SLOTS = [9, 10, 11, 12].map((hour) => Date.UTC(2026, 11, 1, hour));
/** A slot that no client requests while faults are injected. */
export const EVENING = Date.UTC(2026, 11, 1, 16);

/** The only car, and its customer. */
export const CAR = "car";
const CUSTOMER = "customer";

const STOCK: Stock = {
  cars: new Map([[CAR, { status: "AVAILABLE", since: 0, showroomId: "showroom" }]]),
  schedules: new Map([["showroom", defaultSchedule("showroom", "UTC", 1)]]),
};

/** The world of one car, and what its clients know. */
export class OneCar extends World {
  readonly history: Observed<Operation>[] = [];
  /** Bookings whose ids a client has learned. */
  readonly known: string[] = [];
  /** The bookmarks that clients got, and from which writes. */
  readonly bookmarks: Array<{ bookmark: number; write: Observed<Operation> }> = [];

  constructor(seed: number, subject: Subject) {
    super(seed, subject, () => STOCK);
  }
}

/** A client: one request after the other, repeated or doubled at times. */
export async function client(world: OneCar): Promise<void> {
  const { random } = world;
  for (let left = random.between(1, 3); left > 0; left -= 1) {
    await world.pause();
    const request = drawRequest(world);
    if (random.chance(0.1)) await Promise.all([request(), request()]);
    else if ((await request()) === "unknown" && random.chance(0.7)) await request();
  }
}

type Request = () => Promise<Result<unknown>["type"]>;

function drawRequest(world: OneCar): Request {
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

/** Records a call and its answer. */
async function observe<Kind extends Operation["type"]>(
  world: OneCar,
  what: Omit<Extract<Operation, { type: Kind }>, "clock" | "result"> & { type: Kind },
  ask: () => Promise<Extract<Operation, { type: Kind }>["result"]>,
  when: Pick<Observed<Operation>, "called" | "after"> = { called: world.tick() },
): Promise<Result<unknown>["type"]> {
  // Without an answer the decision may still come, at any time.
  const clock = { from: world.now - world.skewMs, to: Number.POSITIVE_INFINITY };
  const observed: Observed<Operation> = {
    operation: { ...what, clock, result: { type: "unknown" } } as unknown as Operation,
    ...when,
    answered: undefined,
  };
  world.history.push(observed);
  const result = await answerTo<unknown>(world, what, ask);
  if (result.type !== "unknown") {
    observed.answered = world.tick();
    clock.to = world.now + world.skewMs;
    if (result.type === "ok" && result.bookmark !== undefined)
      world.bookmarks.push({ bookmark: Number(result.bookmark), write: observed });
  }
  observed.operation = { ...what, clock, result } as unknown as Operation;
  return result.type;
}

/** As the route does it: with a key, an earlier answer is looked for before and after. */
export function book(world: OneCar, startAt: number, key: string | undefined) {
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
    const command: Command = { type: "book", customerId: CUSTOMER, startAt, notes: "" };
    const idempotency = key === undefined ? undefined : { key: { id: key, fingerprint: key } };
    const outcome = await world.call(CAR, (writer) => writer.execute(command, { ...CONTEXT, idempotency }));
    if (outcome && !outcome.ok) {
      const twin = await replay();
      if (twin) return twin;
    }
    const result = resultOf(outcome, (done) => ({ id: bookingOf(done).id, replayed: false }));
    if (result.type === "ok") {
      what.made = result.value.id;
      world.known.push(result.value.id);
      if (startAt <= now - world.skewMs) world.faults.push(`${result.value.id} was booked in the past`);
    }
    return result;
  });
}

const transition = (world: OneCar, id: string, to: BookingStatus) =>
  observe<"transition">(world, { type: "transition", id, to }, async () => {
    const command: Command = { type: "transition", bookingId: id, to };
    const outcome = await world.call(CAR, (writer) => writer.execute(command, CONTEXT));
    return resultOf(outcome, (done) => ({ status: bookingOf(done).status }));
  });

const reschedule = (world: OneCar, id: string, startAt: number, confirmed: boolean) =>
  observe<"reschedule">(world, { type: "reschedule", id, startAt, confirmed }, async () => {
    const command: Command = { type: "reschedule", bookingId: id, startAt, confirmed };
    const outcome = await world.call(CAR, (writer) => writer.execute(command, CONTEXT));
    return resultOf(outcome, (done) => {
      const { status, startAt: now } = bookingOf(done);
      return { status, startAt: now };
    });
  });

/** Has the car's status changed by a sale, its void, or by hand. */
function setStatus(world: OneCar, by: StatusChange) {
  return observe<"set_status">(world, { type: "set_status", by, at: world.shown }, async () => {
    const outcome = await world.call(CAR, (writer) => writer.execute(statusCommand(by), CONTEXT));
    return resultOf(outcome, ({ change }) => {
      if (change?.type !== "status_changed") throw new Error("the status was changed by another change");
      return { cancelled: change.cancelled.map((booking) => booking.startAt), at: change.at };
    });
  });
}

/** Deactivates the customer: the database is changed without the writer. */
function close(world: OneCar) {
  const { now } = world;
  return observe<"close">(world, { type: "close", now }, async () => {
    await world.pause();
    const cancelled = world.ledger.close(CUSTOMER, now);
    await world.pause();
    return { type: "ok", value: { cancelled: cancelled.map(({ startAt }) => startAt) } };
  });
}

const lines = (bookings: Iterable<Booking>): string[] =>
  [...bookings].map(({ startAt, status }) => `${startAt} ${status}`).sort();

/**
 * Reads the free slots as the route does: from some replica, however old it is, but not older than the bookmark that the
 * client sends. So the read may have happened at any time after the write that answered the bookmark.
 */
function readSlots(world: OneCar) {
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
      const value = state ? world.offeredAt(state, CAR) : [];
      await world.pause();
      return { type: "ok", value };
    },
    { called: 0, after: sent?.write },
  );
}

/** Reads the database itself, as the routes that read bookings do. */
export const inspect = (world: OneCar) =>
  observe<"inspect">(world, { type: "inspect" }, async () => {
    await world.pause();
    const { cars, bookings } = world.ledger.state;
    const value = { status: String(cars.get(CAR)?.status), all: lines(bookings.values()) };
    await world.pause();
    return { type: "ok", value };
  });
