/** The clients of several cars: customers who book on all of them, staff, and an administrator of the showrooms. */
import type { Command } from "../../src/car-coordinator/commands.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import type { OpeningWindow } from "../../src/shared/opening-hours.ts";
import { defaultSchedule, type Policy, type Schedule, type Shift } from "../../src/showrooms/schedule.ts";
import type { Random } from "../random.ts";
import { answerTo, bookingOf, CONTEXT, resultOf, statusCommand } from "./answers.ts";
import type { Stock } from "./ledger.ts";
import type { Result } from "./specification.ts";
import type { Answer, Call, Request } from "./stock-specification.ts";
import { DAY, HOUR, type Subject, World } from "./world.ts";

const at = (hour: number): number => Date.parse(DAY) + hour * HOUR;

/** The starts that customers want: few, so that they meet. */
export const WANTED = [9, 9.5, 10, 10.5, 11].map(at);
const SHOWROOMS = ["north", "south"];
const CUSTOMERS = ["ada", "bob", "cyd"];
const SALESPEOPLE = ["sam", "sue", "tim"];

/** Windows in which somebody works; drives begin within all of them. */
const WORKING: readonly OpeningWindow[] = [
  ["09:00", "17:00"],
  ["09:00", "17:00"],
  ["09:00", "11:00"],
  ["10:00", "17:00"],
];

const WINDOWS: readonly OpeningWindow[][] = [
  [["09:00", "17:00"]],
  [["09:00", "17:00"]],
  [["09:30", "12:30"]],
  [
    ["09:00", "10:00"],
    ["10:30", "17:00"],
  ],
  [],
];

const drawPolicy = (random: Random): Partial<Policy> => ({
  stepMinutes: random.pick([30, 30, 60]),
  bufferBeforeMinutes: random.pick([0, 0, 30]),
  bufferAfterMinutes: random.pick([0, 0, 30, 45]),
});

/** Some people work in a showroom, each in one window of the day. They may work in the other one, too. */
const drawShifts = (random: Random): Shift[] =>
  SALESPEOPLE.filter(() => random.chance(0.75)).map((userId) => ({
    userId,
    weekday: "tue",
    window: random.pick(WORKING),
  }));

function drawSchedule(random: Random, showroomId: string): Schedule {
  const schedule = defaultSchedule(showroomId, "UTC", 1);
  const assignment = random.chance(0.5) ? "AUTOMATIC" : "NONE";
  const policy = { ...schedule.policy, ...drawPolicy(random), assignment } as const;
  return { ...schedule, policy, shifts: drawShifts(random) };
}

function drawStock(random: Random): Stock {
  const showrooms = SHOWROOMS.slice(0, random.between(1, 2));
  const cars = ["red", "blue", "green"].slice(0, random.between(2, 3));
  return {
    schedules: new Map(showrooms.map((id) => [id, drawSchedule(random, id)])),
    cars: new Map(
      cars.map((id) => [id, { status: "AVAILABLE", since: 0, showroomId: random.pick(showrooms) }]),
    ),
  };
}

/** The world of several cars, and what its clients know. */
export class SeveralCars extends World {
  readonly calls: Call[] = [];
  /** Bookings whose ids a client has learned, with their cars. */
  readonly known: Array<{ id: string; carId: string }> = [];
  /** The bookmarks that clients got. */
  readonly bookmarks: number[] = [];
  readonly customers: string[];

  constructor(seed: number, subject: Subject) {
    super(seed, subject, drawStock);
    this.customers = CUSTOMERS.slice(0, this.random.between(2, 3));
  }
}

/** A client: one request after the other, repeated or doubled at times. */
export async function stockClient(world: SeveralCars): Promise<void> {
  const { random } = world;
  for (let left = random.between(2, 4); left > 0; left -= 1) {
    await world.pause();
    const request = drawRequest(world);
    if (random.chance(0.1)) await Promise.all([send(world, request), send(world, request)]);
    else if ((await send(world, request)).type === "unknown" && random.chance(0.5))
      await send(world, request);
  }
}

function drawRequest(world: SeveralCars): Request {
  const { random, known } = world;
  const carId = random.pick(world.carIds);
  const customerId = random.pick(world.customers);
  const startAt = random.pick(WANTED);
  const dice = random.next();
  if (dice < 0.45 || (known.length === 0 && dice < 0.88)) {
    const heldUntil = random.chance(0.4) ? world.now + random.pick([0.5, 1, 2]) * HOUR : undefined;
    const by = heldUntil === undefined && random.chance(0.2) ? "sue" : undefined;
    return { type: "book", carId, customerId, startAt, heldUntil, by };
  }
  if (dice < 0.52) return { type: "confirm", ...random.pick(known) };
  if (dice < 0.6) {
    const to = random.pick(["APPROVED", "CANCELLED", "CANCELLED", "DECLINED", "COMPLETED"]);
    return { type: "transition", ...random.pick(known), to };
  }
  if (dice < 0.65)
    return { type: "assign", ...random.pick(known), salespersonId: random.pick([null, ...SALESPEOPLE]) };
  if (dice < 0.88)
    return { type: "reschedule", ...random.pick(known), startAt, confirmed: random.chance(0.3) };
  if (dice < 0.92)
    return {
      type: "set_status",
      carId,
      by: random.pick(["sell", "void_sale", "REMOVED", "AVAILABLE"] as const),
    };
  const since = world.bookmarks.length > 0 && random.chance(0.6) ? random.pick(world.bookmarks) : 0;
  return { type: "slots", carId, customerId, since, now: 0 };
}

/** Sends a request, and records the call and its answer. */
export async function send(world: SeveralCars, drawn: Request): Promise<Result<Answer>> {
  const request = { ...drawn };
  const clock = { from: world.now - world.skewMs, to: Number.POSITIVE_INFINITY };
  const call: Call = {
    request,
    called: world.tick(),
    answered: undefined,
    clock,
    result: { type: "unknown" },
  };
  world.calls.push(call);
  call.result = await answerTo(world, request, () =>
    request.type === "slots" ? readSlots(world, request) : execute(world, request),
  );
  if (call.result.type === "unknown") return call.result;
  call.answered = world.tick();
  clock.to = world.now + world.skewMs;
  if (call.result.type === "ok") {
    if (call.result.bookmark !== undefined) world.bookmarks.push(Number(call.result.bookmark));
    if (request.type === "book" && "booking" in call.result.value)
      world.known.push({ id: call.result.value.booking.id, carId: request.carId });
  }
  return call.result;
}

async function execute(
  world: SeveralCars,
  request: Exclude<Request, { type: "slots" }>,
): Promise<Result<Answer>> {
  const outcome = await world.call(request.carId, (writer) => writer.execute(commandOf(request), CONTEXT));
  return resultOf(outcome, (done): Answer => {
    if (done.change?.type === "status_changed") return { at: done.change.at };
    return { booking: bookingOf(done), changed: done.change !== undefined };
  });
}

function commandOf(request: Exclude<Request, { type: "slots" }>): Command {
  switch (request.type) {
    case "book":
      return { ...request, notes: "" };
    case "confirm":
      return { type: "confirm", bookingId: request.id };
    case "transition":
      return { type: "transition", bookingId: request.id, to: request.to as BookingStatus };
    case "reschedule":
    case "assign":
      return { ...request, bookingId: request.id };
    case "set_status":
      return statusCommand(request.by);
  }
}

/** As the routes do it: from a replica of any age, which is not older than the bookmark that the client sends. */
async function readSlots(world: SeveralCars, request: Request & { type: "slots" }): Promise<Result<Answer>> {
  const { ledger, random } = world;
  await world.pause();
  request.now = world.now;
  const state = ledger.states[random.between(request.since, ledger.now)] ?? ledger.state;
  const slots = world.offeredAt(state, request.carId, request.customerId);
  await world.pause();
  return { type: "ok", value: { slots } };
}

/** What happens to showrooms, cars and customers without the writers of the cars. */
export function administrate(world: SeveralCars): void {
  const { random, ledger } = world;
  const showrooms = [...ledger.state.schedules.keys()];
  const [showroomId, carId] = [random.pick(showrooms), random.pick(world.carIds)];
  const dice = random.next();
  if (dice < 0.25) {
    const userId = random.pick(SALESPEOPLE);
    const startAt = random.pick(WANTED) - random.between(0, 1) * HOUR;
    const absence = { userId, startAt, endAt: startAt + random.between(1, 4) * (HOUR / 2) };
    world.trace.push(`administrator: ${JSON.stringify(absence)}`);
    if (random.chance(0.2)) ledger.endAbsences(userId);
    else ledger.addAbsence(absence, world.now);
  } else if (dice < 0.35) {
    const shifts = drawShifts(random);
    world.trace.push(`administrator: ${showroomId}: ${JSON.stringify(shifts)}`);
    ledger.changeSchedule(showroomId, { shifts });
  } else if (dice < 0.7) {
    const old = ledger.state.schedules.get(showroomId);
    const windows = random.pick(WINDOWS);
    const special = { specialHours: random.chance(0.3) ? [] : [{ from: DAY, to: DAY, windows }] };
    const policy = old && { policy: { ...old.policy, ...drawPolicy(random) } };
    const changes = random.chance(0.5) ? special : { ...special, ...policy };
    world.trace.push(`administrator: ${showroomId}: ${JSON.stringify(changes)}`);
    ledger.changeSchedule(showroomId, changes);
  } else if (dice < 0.8) {
    world.trace.push(`administrator: ${carId} moves to ${showroomId}`);
    ledger.moveCar(carId, showroomId);
  } else {
    const customerId = random.pick(world.customers);
    world.trace.push(`administrator: ${customerId} is deactivated`);
    ledger.close(customerId, world.now);
  }
}

/** Turns the clock to the end of a hold or next to it, or else onwards by hours. */
export function turnClock(world: SeveralCars): void {
  const { random, ledger, now } = world;
  const ends = [...ledger.state.bookings.values()].flatMap(({ heldUntil }) => heldUntil ?? []);
  const coming = ends.map((end) => end + random.pick([-1000, -1, 0, 1, 1000])).filter((end) => end > now);
  world.turnClockTo(
    coming.length > 0 && random.chance(0.8) ? random.pick(coming) : now + random.between(1, 4) * (HOUR / 2),
  );
}
