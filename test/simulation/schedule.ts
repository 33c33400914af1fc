/**
 * One schedule: some clients of one car, and everything that can go wrong between them, the car's Durable Object and
 * the database, in an order drawn from a seed. Every await on the outside is a point where anything else may come
 * first. The writer under test is the real one.
 */
import type { Booking, Calendar, Change, Command } from "../../src/bookings/calendar.ts";
import type {
  Attached,
  CalendarStore,
  CalendarWriter,
  Commit,
  Outcome,
} from "../../src/bookings/calendar-writer.ts";
import type { BookingStatus, CarStatus } from "../../src/vocabulary.ts";
import { Ledger, type Rules } from "./ledger.ts";
import { isLinearizable, type Observed } from "./linearizability.ts";
import { Random } from "./random.ts";
import { calendarSpecification, type Operation, type Result } from "./specification.ts";

/** What is put to the test. */
export type Subject = { Writer: typeof CalendarWriter; rules?: Partial<Rules> };

/** What came of a schedule. No faults: it kept every promise. `trace` tells what happened, in order. */
export type Report = { seed: number; faults: string[]; steps: number; trace: string[] };

const HOUR = 3_600_000;
const CAR = "car";
/** Six in the morning; the first slot is at nine. */
const DAWN = Date.UTC(2026, 11, 1, 6);
const SLOTS = [9, 10, 11, 12].map((hour) => Date.UTC(2026, 11, 1, hour));
/** A slot that nobody asks for during the storm. */
const EVENING = Date.UTC(2026, 11, 1, 16);
const HOURS = { timeZone: "UTC", horizonDays: 1 };
/** How far the clocks of two machines may be apart. */
const MAX_SKEW_MS = 2000;
/** More than any schedule takes; one that takes more has locked itself up. */
const MAX_STEPS = 20_000;

/** An instance of the Durable Object. One that was killed never runs again, whatever is still on its way. */
type Instance = { writer: CalendarWriter; alive: boolean; clients: Set<() => void> };

/** How a request to the store fares. `late`: the sender is told of a failure before the store does the work. */
type Fate = "fine" | "lost_before" | "lost_after" | "late";

type Weather = { fault: number; lostAnswer: number; evictions: number; zombies: boolean; capacity: number };

const CALM: Weather = { fault: 0, lostAnswer: 0, evictions: 0, zombies: false, capacity: 1000 };

const drawWeather = (random: Random): Weather => ({
  fault: random.pick([0.03, 0.1, 0.3]),
  lostAnswer: random.pick([0, 0.1, 0.3]),
  evictions: random.between(0, 3),
  zombies: random.chance(0.2),
  capacity: random.chance(0.1) ? 1 : 1000,
});

class World {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly trace: string[] = [];
  readonly faults: string[] = [];
  readonly history: Observed<Operation>[] = [];
  /** Bookings whose ids a client has learned. */
  readonly known: string[] = [];
  /** What any clock may have shown so far. */
  readonly shown: number[] = [];
  now = 0;
  weather: Weather;
  readonly #subject: Subject;
  readonly #tasks: Array<() => void> = [];
  instance: Instance;
  steps = 0;
  #ids = 0;
  #ticks = 0;

  constructor(seed: number, subject: Subject) {
    this.random = new Random(seed);
    this.weather = this.random.chance(0.25) ? CALM : drawWeather(this.random);
    this.#subject = subject;
    this.ledger = new Ledger({ bookings: true, fence: true, activeOnly: true, ...subject.rules });
    this.turnClockTo(DAWN);
    this.instance = this.#start();
  }

  turnClockTo(now: number): void {
    this.now = now;
    this.shown.push(now - MAX_SKEW_MS, now, now + MAX_SKEW_MS);
  }

  /** A number that rises with each event that a client sees. */
  tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  newId(prefix: string): string {
    this.#ids += 1;
    return `${prefix}-${this.#ids}`;
  }

  /** Lets `task` happen at some later moment. */
  later(task: () => void): void {
    this.#tasks.push(task);
  }

  /** A moment that passes. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.later(resolve));
  }

  /** Runs until nothing is left to happen. */
  async run(): Promise<void> {
    for (;;) {
      // Everything that needs no further event from outside runs to its end.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#tasks.length === 0) return;
      this.steps += 1;
      if (this.steps > MAX_STEPS) throw new Error("this schedule does not end");
      const index = this.random.between(0, this.#tasks.length - 1);
      const [task] = this.#tasks.splice(index, 1);
      task?.();
    }
  }

  #start(): Instance {
    const skew = this.weather === CALM ? 0 : this.random.between(-MAX_SKEW_MS, MAX_SKEW_MS);
    const circumstances = () => ({
      carId: CAR,
      now: this.now + skew,
      newId: this.newId("booking"),
      hours: HOURS,
    });
    const clients = new Set<() => void>();
    const instance: Omit<Instance, "writer"> = { alive: true, clients };
    const store = new DistantStore(this, instance);
    const writer = new this.#subject.Writer(store, circumstances, () => {}, this.weather.capacity);
    return Object.assign(instance, { writer });
  }

  /**
   * Takes the Durable Object's place away from it. Its callers are cut off. What it had sent to the database may
   * still arrive. A zombie does not notice and goes on; any other stops for good.
   */
  evict(): void {
    const old = this.instance;
    this.trace.push(this.weather.zombies ? "the object is displaced" : "the object is killed");
    old.alive = this.weather.zombies;
    for (const cutOff of old.clients) this.later(cutOff);
    this.instance = this.#start();
  }

  /** Calls the Durable Object that holds the place when the call arrives. `undefined`: the line broke. */
  call<T>(ask: (writer: CalendarWriter) => Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      this.later(() => {
        const { instance } = this;
        instance.clients.add(() => resolve(undefined));
        ask(instance.writer).then(
          (answer) => this.later(() => resolve(answer)),
          () => this.later(() => resolve(undefined)),
        );
      });
    });
  }

  drawFate(): Fate {
    if (!this.random.chance(this.weather.fault)) return "fine";
    return this.random.pick(["lost_before", "lost_after", "late"] as const);
  }
}

/** The store as an instance reaches it: over a line that may fail at any point. */
class DistantStore implements CalendarStore {
  readonly #world: World;
  readonly #instance: { alive: boolean };
  #epoch = 0;

  constructor(world: World, instance: { alive: boolean }) {
    this.#world = world;
    this.#instance = instance;
  }

  async load(): Promise<Calendar> {
    const { epoch, calendar } = await this.#ask("load", (ledger) => ledger.load());
    this.#epoch = epoch;
    return calendar;
  }

  async commit(change: Change, attached: Attached): Promise<Commit> {
    const epoch = this.#epoch;
    try {
      const violation = await this.#ask(`commit ${brief(change)}`, (ledger) =>
        ledger.commit(epoch, change, attached.claim?.id),
      );
      if (violation === "key_taken") return { type: "duplicate_request" };
      return violation ? { type: "refused", violation } : { type: "committed", bookmark: null };
    } catch (error) {
      return { type: "unknown", error };
    }
  }

  holds(change: Change): Promise<boolean> {
    return this.#ask("holds", (ledger) => ledger.holds(change));
  }

  #ask<T>(what: string, work: (ledger: Ledger) => T): Promise<T> {
    const world = this.#world;
    const fate = world.drawFate();
    return new Promise((resolve, reject) => {
      const done = () => {
        const result = work(world.ledger);
        world.trace.push(`database: ${what}: ${fate}: ${JSON.stringify(result)}`);
        checkOverlap(world);
        return result;
      };
      const hear = (heard: () => void) => world.later(() => this.#instance.alive && heard());
      const fail = () => reject(new Error("the line to the database broke"));
      switch (fate) {
        case "fine":
          return world.later(() => {
            const result = done();
            hear(() => resolve(result));
          });
        case "lost_before":
          return hear(fail);
        case "lost_after":
          return world.later(() => {
            done();
            hear(fail);
          });
        case "late":
          return hear(() => {
            fail();
            world.later(done);
          });
      }
    });
  }
}

const brief = (change: Change): string =>
  change.type === "status_set" ? change.to : `${change.type} ${change.booking.id} ${change.booking.status}`;

function checkOverlap({ ledger, faults }: World): void {
  for (const booking of ledger.active())
    if (ledger.overlapping(booking).length > 0) faults.push(`${booking.id} overlaps another active booking`);
}

/** A client: one request after the other, repeated or doubled at times. */
async function client(world: World): Promise<void> {
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
    const to = random.pick<BookingStatus>(["APPROVED", "CANCELLED", "DECLINED", "COMPLETED", "CANCELLED"]);
    const id = random.pick(known);
    return () => transition(world, id, to);
  }
  if (dice < 0.82) {
    const [id, confirmed] = [random.pick(known), random.chance(0.5)];
    return () => reschedule(world, id, startAt, confirmed);
  }
  if (dice < 0.87) {
    const to = random.pick<CarStatus>(["SOLD", "REMOVED", "AVAILABLE", "RESERVED"]);
    return () => setStatus(world, to);
  }
  return random.chance(0.6) ? () => read(world) : () => inspect(world);
}

/** Records a call and its answer. The answer may get lost on its last way. */
async function observe<Kind extends Operation["type"]>(
  world: World,
  what: Omit<Extract<Operation, { type: Kind }>, "result"> & { type: Kind },
  ask: () => Promise<Extract<Operation, { type: Kind }>["result"]>,
): Promise<Result<unknown>["type"]> {
  const called = world.tick();
  const observed: Observed<Operation> = {
    operation: { ...what, result: { type: "unknown" } } as unknown as Operation,
    called,
    answered: undefined,
  };
  world.history.push(observed);
  world.trace.push(`client: ${JSON.stringify(what)} ?`);
  const answer = await ask();
  const lost = world.random.chance(world.weather.lostAnswer);
  const result = lost ? { type: "unknown" as const } : answer;
  world.trace.push(`client: ${JSON.stringify(what)}: ${lost ? "answer lost" : JSON.stringify(result)}`);
  observed.operation = { ...what, result } as unknown as Operation;
  if (result.type !== "unknown") {
    observed.answered = world.tick();
  } else if (world.weather === CALM) {
    world.faults.push(`nothing went wrong, and yet there was no answer to ${JSON.stringify(what)}`);
  }
  return result.type;
}

/** What a client makes of an outcome: a 503 promises nothing, except that `busy` means untouched. */
function resultOf<Ok>(outcome: Outcome | undefined, ok: (done: Outcome & { ok: true }) => Ok): Result<Ok> {
  if (!outcome) return { type: "unknown" };
  if (outcome.ok) return { type: "ok", value: ok(outcome) };
  const { code } = outcome.refusal;
  return code === "unavailable" || code === "rejected" ? { type: "unknown" } : { type: "refused", code };
}

function bookingOf({ booking }: { booking: Booking | undefined }): Booking {
  if (!booking) throw new Error("a command about a booking answered without one");
  return booking;
}

/** As the route does it: with a key, an earlier answer is looked for before and after. */
function book(world: World, startAt: number, key: string | undefined) {
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
    const command: Command = { type: "book", carId: CAR, customerId: "customer", startAt, notes: "" };
    const attached = key === undefined ? {} : { claim: { id: key, fingerprint: key } };
    const outcome = await world.call((writer) => writer.perform(command, attached));
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
    const outcome = await world.call((writer) => writer.perform(command));
    return resultOf(outcome, (done) => ({ status: bookingOf(done).status }));
  });

const reschedule = (world: World, id: string, startAt: number, confirmed: boolean) =>
  observe<"reschedule">(world, { type: "reschedule", id, startAt, confirmed }, async () => {
    const command: Command = { type: "reschedule", bookingId: id, startAt, confirmed };
    const outcome = await world.call((writer) => writer.perform(command));
    return resultOf(outcome, (done) => {
      const { status, startAt: now } = bookingOf(done);
      return { status, startAt: now };
    });
  });

function setStatus(world: World, to: CarStatus) {
  const from: CarStatus[] = ["AVAILABLE", "RESERVED", "SOLD", "REMOVED"];
  return observe<"set_status">(world, { type: "set_status", to, at: world.shown }, async () => {
    const outcome = await world.call((writer) => writer.perform({ type: "set_status", from, to }));
    return resultOf(outcome, ({ change }) => {
      if (change?.type !== "status_set") throw new Error("a change of status answered with another change");
      return { cancelled: change.cancelled.map((booking) => booking.startAt), at: change.at };
    });
  });
}

const lines = (bookings: Iterable<Booking>): string[] =>
  [...bookings].map(({ startAt, status }) => `${startAt} ${status}`).sort();

const read = (world: World) =>
  observe<"read">(world, { type: "read" }, async () => {
    const calendar = await world.call((writer) => writer.read());
    if (!calendar) return { type: "unknown" };
    return {
      type: "ok",
      value: { status: String(calendar.status), active: lines(calendar.active.values()) },
    };
  });

/** Asks the database itself, as the routes that read bookings do. */
const inspect = (world: World) =>
  observe<"inspect">(world, { type: "inspect" }, async () => {
    await world.pause();
    const { status, bookings } = world.ledger;
    const value = { status, all: lines(bookings.values()) };
    await world.pause();
    return { type: "ok", value };
  });

/** Runs the schedule of a seed and checks every promise. */
export async function runSchedule(seed: number, subject: Subject): Promise<Report> {
  const world = new World(seed, subject);
  const { random, weather, faults, ledger, history } = world;
  const clients = Array.from({ length: random.between(2, 4) }, () => client(world));
  const finished = Promise.all(clients).catch((error) => faults.push(`a client failed: ${error}`));
  for (let i = 0; i < weather.evictions; i += 1) inSomeTime(world, () => world.evict());
  for (let i = random.between(0, 2); i > 0; i -= 1)
    inSomeTime(world, () =>
      world.turnClockTo(world.now + random.between(1, 8) * (HOUR / 2) + random.pick([-1000, 0, 1000])),
    );
  await world.run();
  await finished;

  const { zombies } = weather;
  world.weather = CALM;
  // A displaced instance may have written after its successor loaded, which that one learns when it writes.
  if (!zombies) {
    const memory = { status: "unknown", active: [""] };
    world.instance.writer.read().then(({ status, active }) => {
      Object.assign(memory, { status, active: versions(active.values()) });
    });
    await world.run();
    const stored = { status: ledger.status, active: versions(ledger.active()) };
    const [remembered, truth] = [JSON.stringify(memory), JSON.stringify(stored)];
    if (remembered !== truth) faults.push(`memory is ${remembered}, the database is ${truth}`);
  }
  // After the storm the calendar works: whoever asks gets an answer.
  book(world, EVENING, undefined);
  await world.run();
  inspect(world);
  await world.run();
  // What a displaced instance says from memory may be out of date; what it writes never is.
  const judged = zombies ? history.filter(({ operation }) => isOfTheDatabase(operation)) : history;
  if (!isLinearizable(calendarSpecification, judged))
    faults.push("no order of events explains what clients saw");
  return { seed, faults, steps: world.steps, trace: world.trace };
}

const versions = (bookings: Iterable<Booking>): string[] =>
  [...bookings].map(({ id, sequence, startAt }) => `${id} ${sequence} ${startAt}`).sort();

const isOfTheDatabase = ({ type, result }: Operation): boolean =>
  type !== "read" && result.type !== "refused";

/** Lets something happen after a random number of other events. */
function inSomeTime(world: World, task: () => void): void {
  let wait = world.random.between(0, 30);
  const tick = () => {
    if (wait === 0) return task();
    wait -= 1;
    world.later(tick);
  };
  world.later(tick);
}
