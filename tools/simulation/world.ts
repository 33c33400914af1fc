/**
 * Where a schedule happens: a clock, a database, the line to it, and the instance of the Durable Object that holds the
 * place. Every await on the outside is a point where anything else may come first, drawn from the seed.
 */

import type * as Slots from "../../src/bookings/slots.ts";
import type { CarStore, CarWriter, CommandContext, Commit } from "../../src/car-coordinator/car-writer.ts";
import type { CarState, Change } from "../../src/car-coordinator/commands.ts";
import { DependencyDown } from "../../src/shared/dependency-down.ts";
import { Random } from "../random.ts";
import { Ledger, type Rules, type State } from "./ledger.ts";
import type { Observed } from "./linearizability.ts";
import type { Operation } from "./specification.ts";

/** The subject of the test: the writer of a car, and what readers make of the database. */
export type Subject = {
  Writer: typeof CarWriter;
  slots: Pick<typeof Slots, "futureSlots" | "offeredSlots">;
  rules?: Partial<Rules>;
};

/** An hour in milliseconds. */
export const HOUR = 3_600_000;
/** The id of the only car. */
const CAR = "car";
/** The day on which everything happens. */
const DAY = "2026-12-01";
/** Six in the morning; the first slot is at nine. */
const DAWN = Date.UTC(2026, 11, 1, 6);
/** The slots that clients want. */
export const SLOTS = [9, 10, 11, 12].map((hour) => Date.UTC(2026, 11, 1, hour));
/** A slot that no client requests while faults are injected. */
export const EVENING = Date.UTC(2026, 11, 1, 16);
const HOURS = { timeZone: "UTC", horizonDays: 1 };
/** How far the clocks of two machines may be apart. */
export const MAX_SKEW_MS = 2000;
/** More than any schedule takes; one that takes more has locked itself up. */
const MAX_STEPS = 20_000;

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
};

/** No faults. */
export const CALM: FaultRates = { fault: 0, lostAnswer: 0, evictions: 0, zombies: false, capacity: 1000 };

const drawFaultRates = (random: Random): FaultRates => ({
  fault: random.pick([0.03, 0.1, 0.3]),
  lostAnswer: random.pick([0, 0.1, 0.3]),
  evictions: random.between(0, 3),
  zombies: random.chance(0.2),
  capacity: random.chance(0.1) ? 1 : 1000,
});

/** The world of one schedule. */
export class World {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly trace: string[] = [];
  readonly faults: string[] = [];
  readonly history: Observed<Operation>[] = [];
  /** Bookings whose ids a client has learned. */
  readonly known: string[] = [];
  /** The bookmarks that clients got, and from which writes. */
  readonly bookmarks: Array<{ bookmark: number; write: Observed<Operation> }> = [];
  /** What any clock may have shown so far. */
  readonly shown: number[] = [];
  now = 0;
  faultRates: FaultRates;
  readonly #subject: Subject;
  readonly #tasks: Array<() => void> = [];
  instance: Instance;
  steps = 0;
  #ids = 0;
  #ticks = 0;

  constructor(seed: number, subject: Subject) {
    this.random = new Random(seed);
    this.faultRates = this.random.chance(0.25) ? CALM : drawFaultRates(this.random);
    this.#subject = subject;
    this.ledger = new Ledger({
      bookings: true,
      fence: true,
      loadRaisesEpoch: true,
      activeOnly: true,
      ...subject.rules,
    });
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

  /** The starts of the free slots of the day, as the route makes them of a state of the database. */
  offeredAt(state: State): number[] {
    const { futureSlots, offeredSlots } = this.#subject.slots;
    const slots = futureSlots(DAY, DAY, this.now, HOURS);
    return offeredSlots(slots, state.status, state.active).map(({ startAt }) => startAt);
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
    const skew = this.faultRates === CALM ? 0 : this.random.between(-MAX_SKEW_MS, MAX_SKEW_MS);
    const decisionContext = () => ({
      carId: CAR,
      now: this.now + skew,
      newId: this.newId("booking"),
      hours: HOURS,
    });
    const clients = new Set<() => void>();
    const instance: Omit<Instance, "writer"> = { alive: true, clients };
    const store = new DistantStore(this, instance);
    const { capacity } = this.faultRates;
    const writer = new this.#subject.Writer(
      store,
      decisionContext,
      () => {},
      capacity,
      () => this.pause(),
    );
    return Object.assign(instance, { writer });
  }

  /**
   * Takes the Durable Object's place away from it. Its callers are cut off. What it had sent to the database may
   * still arrive. A zombie does not notice and goes on; any other stops for good.
   */
  evict(): void {
    const old = this.instance;
    this.trace.push(this.faultRates.zombies ? "the object is displaced" : "the object is killed");
    old.alive = this.faultRates.zombies;
    for (const cutOff of old.clients) this.later(cutOff);
    this.instance = this.#start();
  }

  /** Calls the Durable Object that holds the place when the call arrives. `undefined`: the line broke. */
  call<T>(ask: (writer: CarWriter) => Promise<T>): Promise<T | undefined> {
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
    if (!this.random.chance(this.faultRates.fault)) return "fine";
    return this.random.pick(["lost_before", "lost_after", "late"] as const);
  }
}

/** The store as an instance reaches it: over a line that may fail at any point. */
class DistantStore implements CarStore {
  readonly #world: World;
  readonly #instance: { alive: boolean };
  #epoch = 0;
  #bookmark: string | null = null;

  constructor(world: World, instance: { alive: boolean }) {
    this.#world = world;
    this.#instance = instance;
  }

  begin(): void {}

  async load(): Promise<CarState> {
    const { epoch, state, now } = await this.#ask("load", (ledger) => ({
      ...ledger.load(),
      now: ledger.now,
    }));
    this.#epoch = epoch;
    this.#bookmark = String(now);
    return state;
  }

  async commit(change: Change, { idempotency }: CommandContext): Promise<Commit> {
    const epoch = this.#epoch;
    try {
      const { violation, now } = await this.#ask(`commit ${brief(change)}`, (ledger) => {
        const isTrue = ledger.isTrueOf(change);
        const violation = ledger.commit(epoch, change, idempotency?.key.id);
        if (violation === undefined && !isTrue)
          this.#world.faults.push(`${brief(change)} was decided on facts that were no longer true`);
        return { violation, now: ledger.now };
      });
      if (violation === undefined) {
        this.#bookmark = String(now);
        return { type: "committed" };
      }
      const isFinal = violation === "key_taken";
      const code = isFinal ? "duplicate_request" : "unavailable";
      return { type: "refused", refusal: { code }, isFinal };
    } catch (error) {
      return { type: "unknown", error };
    }
  }

  holds(change: Change): Promise<boolean> {
    return this.#ask("holds", (ledger) => ledger.holds(change));
  }

  isCurrent(): Promise<boolean> {
    const epoch = this.#epoch;
    return this.#ask("is current", (ledger) => ledger.epoch === epoch);
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
        world.trace.push(`database: ${what}: ${fate}: ${JSON.stringify(result)}`);
        checkOverlap(world);
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

const brief = (change: Change): string =>
  change.type === "status_changed"
    ? change.to
    : `${change.type} ${change.booking.id} ${change.booking.status}`;

function checkOverlap({ ledger, faults }: World): void {
  for (const booking of ledger.active())
    if (ledger.overlapping(booking).length > 0) faults.push(`${booking.id} overlaps another active booking`);
}
