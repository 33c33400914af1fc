/**
 * The single writer of one car's calendar: takes commands one at a time, and for each decides from memory, commits
 * to the store, and applies to memory. It holds no truth; whatever happens to it, the store is right, and the
 * memory is loaded again. Knows nothing of Cloudflare, so that it can be driven through every misfortune in tests.
 */
import type { Statement } from "../db/statement.ts";
import type { Violation } from "../db/violations.ts";
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
} from "./commands.ts";
import { SerialQueue } from "./serial-queue.ts";

/** What else belongs to a command. Sent over RPC. */
export type Attached = {
  /** Makes a booking request safe to repeat. */
  claim?: Claim | undefined;
  /** What the asker wants committed in the same batch, before the change itself. */
  alongside?: Statement[];
  /** The notifications among `alongside`. */
  notificationIds?: string[];
};

/** What became of a commit. Refused: nothing was written. Unknown: it may or may not have been. */
export type Commit =
  | { type: "committed"; bookmark: string | null }
  | { type: "refused"; violation: Violation }
  | { type: "duplicate_request" }
  | { type: "unknown"; error: unknown };

/** Where the truth is kept. */
export interface CalendarStore {
  /**
   * Reads the car's status and active bookings. From then on no commit that was decided before takes effect, of
   * whichever writer, even if it is still on its way.
   */
  load(): Promise<Calendar>;
  /** Writes a change, what must be told about it, and what is attached: all or nothing. */
  commit(change: Change, attached: Attached): Promise<Commit>;
  /** Whether a change, of whose commit the outcome was unknown, is in the store. */
  holds(change: Change): Promise<boolean>;
}

/** What the writer answers. Sent over RPC, where thrown errors lose their class: refusals are values. */
export type Outcome =
  | { ok: true; change: Change | undefined; booking: Booking | undefined; bookmark: string | null }
  | { ok: false; refusal: Refusal | WriterRefusal };

/** Why the writer itself refuses. `rejected`: the store's rules forbid what was attached. */
export type WriterRefusal =
  | { code: "duplicate_request" | "busy" | "unavailable" }
  | { code: "rejected"; violation: Violation };

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
  /** The command that is being carried out, or was last. Never rejects. */
  #current: Promise<unknown> = Promise.resolve();

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
  async perform(command: Command, attached: Attached = {}): Promise<Outcome> {
    const outcome = this.#queue.run(() => {
      const current = this.#perform(command, attached);
      this.#current = current;
      return current;
    });
    return outcome ?? refuse({ code: "busy" });
  }

  /**
   * The calendar with every change that was in the store when it was asked for. A change whose commit is under way
   * may be there already, and a client may have seen it there: so it is waited for.
   * @throws whatever the store throws when it cannot be read
   */
  async read(): Promise<Calendar> {
    await this.#current;
    return this.#calendar ?? this.#load();
  }

  async #perform(command: Command, attached: Attached): Promise<Outcome> {
    try {
      return await this.#decideAndCommit(command, attached);
    } catch (error) {
      this.#calendar = undefined;
      this.#report("calendar.store_failed", error);
      return refuse({ code: "unavailable" });
    }
  }

  async #decideAndCommit(command: Command, attached: Attached): Promise<Outcome> {
    const circumstances = this.#circumstances();
    for (let tries = 1; ; tries += 1) {
      const calendar = this.#calendar ?? (await this.#load());
      const decision = decide(calendar, command, circumstances);
      if (!decision.ok) return decision;
      const { change } = decision;
      if (!change) return { ok: true, change, booking: decision.booking, bookmark: null };
      const commit = await this.#store.commit(change, attached);
      switch (commit.type) {
        case "committed":
          this.#calendar = apply(calendar, change);
          return done(change, commit.bookmark);
        case "duplicate_request":
          return refuse({ code: "duplicate_request" });
        case "refused":
          // The asker may not ask; the calendar is as it was.
          if (commit.violation === "not_signed_in")
            return refuse({ code: "rejected", violation: commit.violation });
          // Somebody else loaded or wrote, so memory is out of date; or what is attached is against the rules.
          this.#calendar = undefined;
          if (tries === MAX_TRIES) return refuse({ code: "rejected", violation: commit.violation });
          continue;
        case "unknown":
          this.#report("calendar.commit_unknown", commit.error);
          // Memory is of no use any more. Once it is loaded again, the change is in the store or never will be.
          await this.#load();
          return (await this.#store.holds(change)) ? done(change, null) : refuse({ code: "unavailable" });
      }
    }
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

const refuse = (refusal: WriterRefusal): Outcome => ({ ok: false, refusal });

const done = (change: Change, bookmark: string | null): Outcome => ({
  ok: true,
  change,
  booking: change.type === "status_set" ? undefined : change.booking,
  bookmark,
});
