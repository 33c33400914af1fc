/**
 * Where a schedule happens: a clock, a database, the line to it, and for each car the instance of its Durable Object that
 * holds the place. Every await on the outside is a point where anything else may come first, drawn from the seed.
 */

import type * as Slots from "../../src/bookings/slots.ts";
import type { CarStore, CarWriter, CommandContext, Commit } from "../../src/car-coordinator/car-writer.ts";
import type { CarState, Change } from "../../src/car-coordinator/commands.ts";
import { DependencyDown } from "../../src/shared/dependency-down.ts";
import { Random } from "../random.ts";
import { type Basis, Ledger, type Rules, type State, type Stock, takenTimes } from "./ledger.ts";

/** The subject of the test: the writer of a car, and what readers make of the database. */
export type Subject = {
  Writer: typeof CarWriter;
  slots: Pick<typeof Slots, "offeredSlots">;
  rules?: Partial<Rules>;
};

/** An hour in milliseconds. */
export const HOUR = 3_600_000;
/** The day on which everything happens, in UTC. */
export const DAY = "2026-12-01";
/** Six in the morning; the first slot is at nine. */
const DAWN = Date.UTC(2026, 11, 1, 6);
/** How far a clock may be from the right time, either way. */
const MAX_SKEW_MS = 2000;
/** More than any schedule takes; one that takes more has locked itself up. */
const MAX_STEPS = 5000;

/** An instance of the Durable Object. One that was killed never runs again, whatever is still on its way. */
type Instance = { writer: CarWriter; alive: boolean; clients: Set<() => void> };

/** The fate of a request to the store. `late`: the sender gets an error before the store does the work. */
type Fate = "fine" | "lost_before" | "lost_after" | "late";

type FaultRates = {
  fault: number;
  lostAnswer: number;
  evictions: number;
  zombies: boolean;
  capacity: number;
  skewMs: number;
};

/** No faults. */
export const CALM: FaultRates = {
  fault: 0,
  lostAnswer: 0,
  evictions: 0,
  zombies: false,
  capacity: 1000,
  skewMs: 0,
};

const drawFaultRates = (random: Random): FaultRates => ({
  fault: random.pick([0.03, 0.1, 0.3]),
  lostAnswer: random.pick([0, 0.1, 0.3]),
  evictions: random.between(0, 3),
  zombies: random.chance(0.2),
  capacity: random.chance(0.1) ? 1 : 1000,
  skewMs: random.pick([0, MAX_SKEW_MS]),
});

/** The world of one schedule. */
export class World {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly trace: string[] = [];
  readonly faults: string[] = [];
  /** What any clock may have shown so far. */
  readonly shown: number[] = [];
  now = 0;
  faultRates: FaultRates;
  /** How far a clock may be from `now`, either way. */
  readonly skewMs: number;
  readonly #subject: Subject;
  readonly #tasks: Array<() => void> = [];
  readonly #instances = new Map<string, Instance>();
  steps = 0;
  /** Whether it was given up, because it did not end. */
  isStuck = false;
  #ids = 0;
  #ticks = 0;

  constructor(seed: number, subject: Subject, drawStock: (random: Random) => Stock) {
    this.random = new Random(seed);
    this.faultRates = this.random.chance(0.25) ? CALM : drawFaultRates(this.random);
    this.skewMs = this.faultRates.skewMs;
    this.#subject = subject;
    const stock = drawStock(this.random);
    this.ledger = new Ledger(subject.rules ?? {}, stock, () => this.tick());
    this.turnClockTo(DAWN);
    for (const carId of stock.cars.keys()) this.#start(carId);
  }

  get carIds(): string[] {
    return [...this.#instances.keys()];
  }

  turnClockTo(now: number): void {
    this.now = now;
    this.trace.push(`the clock says ${new Date(now).toISOString()}`);
    this.shown.push(now - this.skewMs, now, now + this.skewMs);
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

  /**
   * The starts of the slots of the day that are offered of a car, to a customer if one is given, as the routes make them
   * of a state of the database.
   */
  offeredAt(state: State, carId: string, customerId?: string): number[] {
    const { status, showroomId } = state.cars.get(carId) ?? {};
    const schedule = state.schedules.get(showroomId ?? "");
    if (!status || !schedule) throw new Error("there is no such car or showroom");
    const occupied = {
      status,
      car: takenTimes(state, carId, this.now),
      customer: customerId === undefined ? [] : takenTimes(state, customerId, this.now),
      salespeople: [
        ...state.absences,
        ...state.allocations
          .filter(
            ({ kind, expiresAt }) => kind === "SALESPERSON" && (expiresAt === null || expiresAt > this.now),
          )
          .map(({ resource: userId, startAt, endAt }) => ({ userId, startAt, endAt })),
      ],
    };
    const day = { from: DAY, to: DAY };
    const offered = this.#subject.slots.offeredSlots(schedule, day, this.now, occupied);
    return offered.map(({ startAt }) => startAt);
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
      if (this.#tasks.length === 0 || this.isStuck) return;
      this.steps += 1;
      this.isStuck = this.steps > MAX_STEPS;
      const index = this.random.between(0, this.#tasks.length - 1);
      const [task] = this.#tasks.splice(index, 1);
      task?.();
    }
  }

  #start(carId: string): void {
    const skew = this.random.between(-this.skewMs, this.skewMs);
    const decisionContext = () => ({
      carId,
      now: this.now + skew,
      newId: this.newId("booking"),
    });
    const clients = new Set<() => void>();
    const instance: Omit<Instance, "writer"> = { alive: true, clients };
    const store = new DistantStore(this, carId, instance);
    const { capacity } = this.faultRates;
    const writer = new this.#subject.Writer(
      store,
      decisionContext,
      () => {},
      capacity,
      () => this.pause(),
    );
    this.#instances.set(carId, Object.assign(instance, { writer }));
  }

  /**
   * Takes the place of a car's Durable Object away from it. Its callers are cut off. What it had sent to the database may
   * still arrive. A zombie does not notice and goes on; any other stops for good.
   */
  evict(carId: string): void {
    const old = this.#instanceOf(carId);
    this.trace.push(`the object of ${carId} is ${this.faultRates.zombies ? "displaced" : "killed"}`);
    old.alive = this.faultRates.zombies;
    for (const cutOff of old.clients) this.later(cutOff);
    this.#start(carId);
  }

  #instanceOf(carId: string): Instance {
    const instance = this.#instances.get(carId);
    if (!instance) throw new Error("there is no such car");
    return instance;
  }

  /** Calls the Durable Object that holds the car's place when the call arrives. `undefined`: the line broke. */
  call<T>(carId: string, ask: (writer: CarWriter) => Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      this.later(() => {
        const instance = this.#instanceOf(carId);
        instance.clients.add(() => resolve(undefined));
        ask(instance.writer).then(
          (answer) => this.later(() => resolve(answer)),
          () => this.later(() => resolve(undefined)),
        );
      });
    });
  }

  drawFate(): Fate {
    if (!this.random.chance(this.faultRates.fault)) return "fine";
    return this.random.pick(["lost_before", "lost_after", "late"] as const);
  }
}

/** The violations that loading the car again would not undo, with the codes of their refusals. */
const FINAL = {
  key_taken: "duplicate_request",
  customer_busy: "customer_busy",
  salesperson_busy: "salesperson_busy",
  salesperson_absent: "salesperson_absent",
  no_salesperson_free: "no_salesperson_free",
  hold_expired: "hold_expired",
  too_many_holds: "too_many_holds",
} as const;

/** The store of a car as an instance reaches it: over a line that may fail at any point. */
class DistantStore implements CarStore {
  readonly #world: World;
  readonly #carId: string;
  readonly #instance: { alive: boolean };
  #basis: Basis = { epoch: 0, schedule: undefined };
  #bookmark: string | null = null;

  constructor(world: World, carId: string, instance: { alive: boolean }) {
    this.#world = world;
    this.#carId = carId;
    this.#instance = instance;
  }

  begin(): void {}

  async load(): Promise<CarState> {
    const { epoch, state, now } = await this.#ask("load", (ledger) => ({
      ...ledger.load(this.#carId),
      now: ledger.now,
    }));
    this.#basis = { epoch, schedule: state.schedule };
    this.#bookmark = String(now);
    return state;
  }

  async commit(change: Change, { idempotency }: CommandContext): Promise<Commit> {
    const basis = this.#basis;
    try {
      const { violation, now, assigned } = await this.#ask(`commit ${brief(change)}`, (ledger) => {
        const isTrue = ledger.isTrueOf(change);
        const violation = ledger.commit(this.#carId, basis, change, idempotency?.key.id);
        if (violation === undefined && !isTrue)
          this.#world.faults.push(`${brief(change)} was decided on facts that were no longer true`);
        // A rule that the writer does not know of would make it try in vain, and answer 503.
        if (
          isTrue &&
          violation &&
          !(violation in FINAL) &&
          violation !== "fenced" &&
          violation !== "schedule_changed"
        )
          this.#world.faults.push(`${brief(change)} was decided on current facts and is ${violation}`);
        return { violation, now: ledger.now, assigned: chosenBy(change, ledger) };
      });
      if (violation === undefined) {
        this.#bookmark = String(now);
        return { type: "committed", assigned };
      }
      const code = FINAL[violation as keyof typeof FINAL];
      return { type: "refused", refusal: { code: code ?? "unavailable" }, isFinal: code !== undefined };
    } catch (error) {
      return { type: "unknown", error };
    }
  }

  find(change: Change): Promise<Change | undefined> {
    return this.#ask("find", (ledger) => ledger.find(change));
  }

  isCurrent(): Promise<boolean> {
    const basis = this.#basis;
    return this.#ask("is current", (ledger) => ledger.isCurrent(this.#carId, basis));
  }

  bookmark(): string | null {
    return this.#bookmark;
  }

  #ask<T>(what: string, work: (ledger: Ledger) => T): Promise<T> {
    const world = this.#world;
    const fate = world.drawFate();
    return new Promise((resolve, reject) => {
      const done = () => {
        const result = work(world.ledger);
        world.trace.push(`database: ${this.#carId}: ${what}: ${fate}: ${JSON.stringify(result)}`);
        return result;
      };
      const hear = (heard: () => void) => world.later(() => this.#instance.alive && heard());
      const fail = () => reject(new DependencyDown("the database", "the line broke"));
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

/** Who drives along, when the commit of a change chose. */
const chosenBy = (change: Change, { state }: Ledger) =>
  "candidates" in change && change.candidates ? state.bookings.get(change.booking.id) : undefined;

const brief = (change: Change): string =>
  change.type === "status_changed"
    ? change.to
    : `${change.type} ${change.booking.id} ${change.booking.status}`;
