/**
 * The single writer of one car's calendar: takes commands one at a time, and for each decides from memory, commits
 * to the store, and applies to memory. It holds no truth; whatever happens to it, the store is right, and the
 * memory is loaded again. Knows nothing of Cloudflare, so that it can be driven through every misfortune in tests.
 */
import type { Claim } from "../http/idempotency.ts";
import {
  apply,
  type Booking,
  type Calendar,
  type Change,
  type Circumstances,
  type Command,
  decide,
  type Refusal,
} from "./calendar.ts";
import { SerialQueue } from "./serial-queue.ts";

/** What became of a commit. Refused: nothing was written. Unknown: it may or may not have been. */
export type Commit =
  | { type: "committed"; bookmark: string | null }
  | { type: "refused" }
  | { type: "duplicate_request" }
  | { type: "unknown"; error: unknown };

/** Where the truth is kept. */
export interface CalendarStore {
  /** Reads the car's status and active bookings. */
  load(): Promise<Calendar>;
  /** Writes a change, what must be told about it, and the claim's answer: all or nothing. */
  commit(change: Change, claim: Claim | undefined): Promise<Commit>;
  /** Whether a change, of whose commit the outcome was unknown, is in the store. */
  holds(change: Change): Promise<boolean>;
}

/** What the writer answers. Sent over RPC, where thrown errors lose their class: refusals are values. */
export type Outcome =
  | { ok: true; booking: Booking; bookmark: string | null }
  | { ok: false; refusal: Refusal | { code: "duplicate_request" | "busy" | "unavailable" } };

/** How many commands may wait for one car. At a few milliseconds each this is seconds of waiting, not minutes. */
export const MAX_WAITING = 2000;
/** How often a command is decided anew when the store knew better than memory. */
const MAX_TRIES = 3;

/** See the file's head. */
export class CalendarWriter {
  readonly #store: CalendarStore;
  readonly #circumstances: () => Circumstances;
  readonly #report: (event: string, error: unknown) => void;
  readonly #queue: SerialQueue;
  #calendar: Calendar | undefined;
  #loading: Promise<Calendar> | undefined;

  constructor(
    store: CalendarStore,
    circumstances: () => Circumstances,
    report: (event: string, error: unknown) => void,
    capacity = MAX_WAITING,
  ) {
    this.#store = store;
    this.#circumstances = circumstances;
    this.#report = report;
    this.#queue = new SerialQueue(capacity);
  }

  /** Carries out a command after all earlier ones. `busy` at once when too many wait. */
  async perform(command: Command, claim?: Claim): Promise<Outcome> {
    const outcome = this.#queue.run(() => this.#perform(command, claim));
    return outcome ?? { ok: false, refusal: { code: "busy" } };
  }

  /**
   * The calendar as of the last change that was acknowledged, or a later one.
   * @throws whatever the store throws when it cannot be read
   */
  async read(): Promise<Calendar> {
    return this.#calendar ?? this.#load();
  }

  async #perform(command: Command, claim: Claim | undefined): Promise<Outcome> {
    // One set of circumstances for all tries: the id stays the same, so a late first try cannot make a second row.
    const circumstances = this.#circumstances();
    try {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const calendar = this.#calendar ?? (await this.#load());
        const decision = decide(calendar, command, circumstances);
        if (!decision.ok) return decision;
        const { change } = decision;
        const commit = await this.#store.commit(change, claim);
        switch (commit.type) {
          case "committed":
            this.#calendar = apply(calendar, change);
            return { ok: true, booking: change.booking, bookmark: commit.bookmark };
          case "duplicate_request":
            return { ok: false, refusal: { code: "duplicate_request" } };
          case "refused":
            // Somebody else wrote: what was remembered is out of date.
            this.#calendar = undefined;
            continue;
          case "unknown":
            this.#calendar = undefined;
            this.#report("calendar.commit_unknown", commit.error);
            if (await this.#store.holds(change)) return { ok: true, booking: change.booking, bookmark: null };
            return { ok: false, refusal: { code: "unavailable" } };
        }
      }
      this.#report("calendar.tries_exhausted", undefined);
    } catch (error) {
      this.#calendar = undefined;
      this.#report("calendar.store_failed", error);
    }
    return { ok: false, refusal: { code: "unavailable" } };
  }

  /** Loads the calendar, once for all who ask at the same time. */
  #load(): Promise<Calendar> {
    this.#loading ??= this.#store
      .load()
      .then((calendar) => {
        this.#calendar = calendar;
        return calendar;
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }
}
