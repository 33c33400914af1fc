/**
 * The single writer of one car: takes commands one at a time, and for each decides from memory, commits to the store,
 * and applies to memory. It holds no truth; whatever happens to it, the store is right, and the memory is loaded again.
 * Knows nothing of Cloudflare, so that tests can drive it through every fault.
 */
import type { Booking } from "../bookings/booking.ts";
import type { IdempotencyKey, StoredAnswer } from "../db/idempotency.ts";
import type { Caller } from "../shared/callers.ts";
import { type Refusal, refuse } from "../shared/refusals.ts";
import { apply, type CarState, type Change, type Command, type DecisionContext, decide } from "./commands.ts";
import { SerialQueue } from "./serial-queue.ts";

/** What comes with a command. Plain data: it is sent over RPC. */
export type CommandContext = {
  /** For whom it is: the commit fails unless they are signed in. */
  caller: Caller;
  requestId?: string | undefined;
  /** Makes the command safe to repeat. `answer`: what to remember, where only the sender can say it. */
  idempotency?: { key: IdempotencyKey; answer?: StoredAnswer | undefined } | undefined;
};

/**
 * What became of a commit. Refused: nothing was written; unless the refusal is final, memory may have been out of date,
 * and the command is decided again. Unknown: it may or may not have been written.
 */
export type Commit =
  | { type: "committed"; bookmark: string | null }
  | { type: "refused"; refusal: Refusal; isFinal: boolean }
  | { type: "unknown"; error: unknown };

/** Where the truth is kept. */
export interface CarStore {
  /**
   * Reads the car's status and active bookings. From then on no commit that was decided before takes effect, of
   * whichever writer, even if it is still on its way.
   */
  load(): Promise<CarState>;
  /** Writes a change, its notifications, and the answer to remember: all or nothing. */
  commit(change: Change, context: CommandContext): Promise<Commit>;
  /** Whether a change, of whose commit the outcome was unknown, is in the store. */
  holds(change: Change): Promise<boolean>;
}

/** What the writer answers: refusals are values, because thrown errors lose their class over RPC. */
export type Outcome =
  | { ok: true; change: Change | undefined; booking: Booking | undefined; bookmark: string | null }
  | { ok: false; refusal: Refusal };

/** How many commands may wait for one car. At a few milliseconds each this is seconds of waiting, not minutes. */
export const MAX_WAITING = 2000;
/** How often a command is decided again when the store knew better than memory. */
const MAX_TRIES = 3;

/** See the file's head. */
export class CarWriter {
  readonly #store: CarStore;
  readonly #decisionContext: () => DecisionContext;
  readonly #report: (event: string, error: unknown, requestId: string | undefined) => void;
  readonly #queue: SerialQueue;
  #state: CarState | undefined;
  #loading: Promise<CarState> | undefined;
  /** The command that is being carried out, or was last. Never rejects. */
  #current: Promise<unknown> = Promise.resolve();

  constructor(
    store: CarStore,
    decisionContext: () => DecisionContext,
    report: (event: string, error: unknown, requestId: string | undefined) => void,
    capacity = MAX_WAITING,
  ) {
    this.#store = store;
    this.#decisionContext = decisionContext;
    this.#report = report;
    this.#queue = new SerialQueue(capacity);
  }

  /** Carries out a command after all earlier ones. `busy` at once when too many wait. */
  async execute(command: Command, context: CommandContext): Promise<Outcome> {
    const outcome = this.#queue.run(() => {
      const current = this.#execute(command, context);
      this.#current = current;
      return current;
    });
    return outcome ?? refuse("busy");
  }

  /**
   * The state with every change that was in the store when it was asked for. A change whose commit is under way may be
   * there already, and a client may have seen it there: so it is waited for.
   * @throws whatever the store throws when it cannot be read
   */
  async read(): Promise<CarState> {
    await this.#current;
    return this.#state ?? this.#load();
  }

  async #execute(command: Command, context: CommandContext): Promise<Outcome> {
    try {
      return await this.#decideAndCommit(command, context);
    } catch (error) {
      this.#state = undefined;
      this.#report("car.store_failed", error, context.requestId);
      return refuse("unavailable");
    }
  }

  async #decideAndCommit(command: Command, context: CommandContext): Promise<Outcome> {
    const decisionContext = this.#decisionContext();
    for (let tries = 1; ; tries += 1) {
      const state = this.#state ?? (await this.#load());
      const decision = decide(state, command, decisionContext);
      if (!decision.ok) return decision;
      const { change } = decision;
      if (!change) return { ok: true, change, booking: decision.booking, bookmark: null };
      const commit = await this.#store.commit(change, context);
      switch (commit.type) {
        case "committed":
          this.#state = apply(state, change);
          return done(change, commit.bookmark);
        case "refused":
          if (commit.isFinal) return { ok: false, refusal: commit.refusal };
          // Another writer loaded or wrote, so memory is out of date; or the change itself is against the rules.
          this.#state = undefined;
          if (tries === MAX_TRIES) return { ok: false, refusal: commit.refusal };
          continue;
        case "unknown":
          this.#report("car.commit_unknown", commit.error, context.requestId);
          // Memory is of no use now. Once it is loaded again, the change is in the store or never will be.
          await this.#load();
          return (await this.#store.holds(change)) ? done(change, null) : refuse("unavailable");
      }
    }
  }

  /** Loads the state, once for all who ask at the same time. */
  #load(): Promise<CarState> {
    this.#loading ??= this.#store
      .load()
      .then((state) => {
        this.#state = state;
        return state;
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }
}

const done = (change: Change, bookmark: string | null): Outcome => ({
  ok: true,
  change,
  booking: change.type === "status_changed" ? undefined : change.booking,
  bookmark,
});
