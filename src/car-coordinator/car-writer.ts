/**
 * The single writer of one car. It executes one command at a time: it decides from memory, commits to the store, and
 * applies the change to memory. Only the store holds the truth; after a fault the memory is loaded again. The writer
 * knows nothing of Cloudflare, so that tests can drive it through every fault.
 */
import type { Assigned, Booking } from "../bookings/booking.ts";
import type { CarRow } from "../cars/store.ts";
import type { Cost } from "../db/client.ts";
import type { IdempotencyKey, StoredAnswer } from "../db/idempotency.ts";
import type { Caller } from "../shared/callers.ts";
import { DependencyDown, isWorthRepeating, shortPause } from "../shared/dependency-down.ts";
import { type Refusal, refuse } from "../shared/refusals.ts";
import {
  apply,
  type CarState,
  type Change,
  type Command,
  type DecisionContext,
  decide,
  shown,
  withAssigned,
} from "./commands.ts";
import { SerialQueue } from "./serial-queue.ts";

/** The context of a command. Plain data, because it is sent over RPC. */
export type CommandContext = {
  /** The author: the commit fails unless they are signed in. */
  caller: Caller;
  requestId?: string | undefined;
  /** Where the store adds up what the command costs. The coordinator sets it; it is not sent. */
  cost?: Cost | undefined;
  /** Makes the command safe to repeat. `answer`: the answer to store, unless the store builds it. */
  idempotency?: { key: IdempotencyKey; answer?: StoredAnswer | undefined } | undefined;
};

/**
 * The outcome of a commit. Committed: `car` is the car after a change of its fields, `assigned` who drives along when the
 * commit chose. Refused: nothing was written. Unless the refusal is final, memory may have been out of date,
 * and the command is decided again. Unknown: the change may have been written.
 */
export type Commit =
  | { type: "committed"; car?: CarRow | undefined; assigned?: Assigned | undefined }
  /** `rule`: the rule of the database that refused it, for the log. */
  | { type: "refused"; refusal: Refusal; isFinal: boolean; rule?: string }
  | { type: "unknown"; error: unknown };

/** The store of one car. */
export interface CarStore {
  /** Names the command that the store works for until the next call: in the logs, and in the account of its cost. */
  begin(context: CommandContext): void;
  /**
   * Reads the car's status and active bookings. From then on no earlier decision can be committed, by any writer, even
   * if its commit is already on its way.
   */
  load(): Promise<CarState>;
  /** Writes a change, its notifications and the stored answer in one transaction. */
  commit(change: Change, context: CommandContext): Promise<Commit>;
  /** A change whose commit had an unknown outcome, as the store contains it; `undefined` when it does not. */
  find(change: Change): Promise<Change | undefined>;
  /** Whether the last load is still up to date, apart from the commits of this store. */
  isCurrent(): Promise<boolean>;
  /** The bookmark of the latest state that this store has read or written. */
  bookmark(): string | null;
}

/**
 * The result of a command. Refusals are values, because thrown errors lose their class over RPC. A reader with the
 * bookmark sees what the command did, or found done. `car` is absent when the commit did not answer with it.
 */
export type Outcome =
  | {
      ok: true;
      change: Change | undefined;
      booking: Booking | undefined;
      car?: CarRow | undefined;
      bookmark: string | null;
    }
  | { ok: false; refusal: Refusal };

/** How many commands may wait for one car. At a few milliseconds each, the last one waits for seconds. */
const MAX_WAITING = 2000;
/** How often a command is decided when memory proves to be out of date, or its commit is lost. */
const MAX_TRIES = 3;

/**
 * The writer of one car. A commit proves that memory was up to date, because the fence refuses it otherwise. An answer
 * without a commit, such as `slot_taken`, is given only when something proved it after the command arrived: a commit of
 * another command, a load, or else one question to the store.
 */
export class CarWriter {
  readonly #store: CarStore;
  readonly #decisionContext: () => DecisionContext;
  readonly #report: (event: string, error: unknown, requestId: string | undefined) => void;
  readonly #queue: SerialQueue;
  readonly #pause: () => Promise<void>;
  #state: CarState | undefined;
  /** Counts arrivals and questions to the store, so that their order is known. */
  #clock = 0;
  /** When the last question began whose answer proved that memory was up to date. */
  #provenAt = 0;

  constructor(
    store: CarStore,
    decisionContext: () => DecisionContext,
    report: (event: string, error: unknown, requestId: string | undefined) => void,
    capacity = MAX_WAITING,
    pause = shortPause,
  ) {
    this.#store = store;
    this.#decisionContext = decisionContext;
    this.#report = report;
    this.#queue = new SerialQueue(capacity);
    this.#pause = pause;
  }

  /** Executes a command after all earlier ones. Refuses with `busy` when too many wait. */
  async execute(command: Command, context: CommandContext): Promise<Outcome> {
    const arrivedAt = this.#tick();
    return this.#queue.run(() => this.#execute(command, context, arrivedAt)) ?? refuse("busy");
  }

  async #execute(command: Command, context: CommandContext, arrivedAt: number): Promise<Outcome> {
    this.#store.begin(context);
    try {
      return await this.#decideAndCommit(command, context, arrivedAt);
    } catch (error) {
      this.#state = undefined;
      this.#report("car.store_failed", error, context.requestId);
      // Any other error is a bug, and passes for one.
      if (!(error instanceof DependencyDown)) throw error;
      return refuse("unavailable");
    }
  }

  async #decideAndCommit(command: Command, context: CommandContext, arrivedAt: number): Promise<Outcome> {
    const decisionContext = this.#decisionContext();
    for (let tries = 1; ; tries += 1) {
      const state = this.#state ?? (await this.#load());
      const decision = decide(state, command, decisionContext);
      if (!decision.ok || !decision.change) {
        if (!(await this.#isProvenSince(arrivedAt))) {
          this.#state = undefined;
          continue;
        }
        return decision.ok ? { ...decision, bookmark: this.#store.bookmark() } : decision;
      }
      const { change } = decision;
      const askedAt = this.#tick();
      const commit = await this.#store.commit(change, context);
      switch (commit.type) {
        case "committed":
          this.#provenAt = askedAt;
          return this.#committed(state, withAssigned(change, commit.assigned), commit.car);
        case "refused":
          if (commit.isFinal) return { ok: false, refusal: commit.refusal };
          // Another writer loaded or wrote, so memory is out of date; or the change itself violates a rule.
          this.#state = undefined;
          if (tries >= MAX_TRIES) {
            this.#report("car.commit_refused", new Error(commit.rule), context.requestId);
            return { ok: false, refusal: commit.refusal };
          }
          continue;
        case "unknown": {
          this.#report("car.commit_unknown", commit.error, context.requestId);
          await this.#pause();
          // Memory is out of date. Once it is loaded again, the change is in the store or can never get there. What was
          // loaded is looked at first: by the time the store is asked, somebody else may have changed the booking again.
          const loaded = await this.#load();
          const found = shown(loaded, change) ?? (await this.#store.find(change));
          if (found) return this.#done(found);
          if (tries >= MAX_TRIES || !isWorthRepeating(commit.error)) return refuse("unavailable");
          continue;
        }
      }
    }
  }

  /** Whether memory was up to date at some moment after `arrivedAt`. */
  async #isProvenSince(arrivedAt: number): Promise<boolean> {
    if (this.#provenAt > arrivedAt) return true;
    const askedAt = this.#tick();
    if (!(await this.#store.isCurrent())) return false;
    this.#provenAt = askedAt;
    return true;
  }

  async #load(): Promise<CarState> {
    const askedAt = this.#tick();
    this.#state = await this.#store.load();
    this.#provenAt = askedAt;
    return this.#state;
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  #committed(state: CarState, change: Change, car: CarRow | undefined): Outcome {
    this.#state = apply(state, change);
    return { ...this.#done(change), car };
  }

  #done(change: Change) {
    const booking = change.type === "status_changed" ? undefined : change.booking;
    return { ok: true, change, booking, bookmark: this.#store.bookmark() } as const;
  }
}
