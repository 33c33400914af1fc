/** A database of one car in memory, with the rules that the triggers of the real one keep. */
import type { Booking } from "../../src/bookings/booking.ts";
import { bookingsOf, type CarState, type Change } from "../../src/car-coordinator/commands.ts";
import type { Violation } from "../../src/db/violations.ts";
import type { CarStatus } from "../../src/shared/enums.ts";

/** The active rules: all, unless a test shows the effect of one. */
export type Rules = {
  /**
   * No two active bookings overlap, the states are gone through in order, only cars in stock are booked. Whether a drive
   * has begun or is over is not looked at, so that the writer alone must keep these rules.
   */
  bookings: boolean;
  /** A commit of an earlier epoch is refused. */
  fence: boolean;
  /** A load raises the epoch in the same transaction. Otherwise the first commit after it does. */
  loadRaisesEpoch: boolean;
  /** Only active bookings are loaded. */
  activeOnly: boolean;
};

const TRANSITIONS: Record<string, string[]> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
};

const active = ({ status }: Booking): boolean => status === "PENDING" || status === "APPROVED";

/** What a reader of the database sees. */
export type State = { status: CarStatus; active: Booking[] };

/** The database. Each method is one transaction. */
export class Ledger {
  readonly #rules: Rules;
  status: CarStatus = "AVAILABLE";
  statusSince = 0;
  bookings = new Map<string, Booking>();
  keys = new Map<string, string>();
  epoch = 0;
  /** The states that the database has gone through. A replica has one of them; a bookmark is the index of one. */
  readonly states: State[] = [];

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#keepState();
  }

  /** The index of the present state. */
  get now(): number {
    return this.states.length - 1;
  }

  load(): { epoch: number; state: CarState } {
    const epoch = this.epoch + 1;
    if (this.#rules.loadRaisesEpoch) this.epoch = epoch;
    const found = [...this.bookings.values()].filter((b) => active(b) || !this.#rules.activeOnly);
    return {
      epoch,
      state: { status: this.status, active: new Map(found.map((booking) => [booking.id, booking])) },
    };
  }

  /** Writes a change, or says which rule forbids it and writes nothing. */
  commit(epoch: number, change: Change, key: string | undefined): Violation | "key_taken" | undefined {
    if (this.#rules.fence && epoch < this.epoch) return "fenced";
    if (this.#rules.bookings && change.type !== "status_changed") {
      const violation = this.#violation(change.booking);
      if (violation) return violation;
    }
    if (change.type === "booked" && key !== undefined) {
      if (this.keys.has(key)) return "key_taken";
      this.keys.set(key, change.booking.id);
    }
    for (const booking of bookingsOf(change)) this.bookings.set(booking.id, booking);
    if (change.type === "status_changed") {
      this.status = change.to;
      this.statusSince = change.at;
    }
    this.epoch = Math.max(this.epoch, epoch);
    this.#keepState();
    return undefined;
  }

  /** Cancels the coming bookings without the writer, as the deactivation of their customer does. */
  close(now: number): number[] {
    this.epoch += 1;
    const over = this.active().filter(({ startAt }) => startAt > now);
    for (const booking of over)
      this.bookings.set(booking.id, { ...booking, status: "CANCELLED", sequence: booking.sequence + 1 });
    this.#keepState();
    return over.map(({ startAt }) => startAt);
  }

  #keepState(): void {
    this.states.push({ status: this.status, active: this.active() });
  }

  /** Whether what a change says about the facts before it is true. */
  isTrueOf(change: Change): boolean {
    if (change.type === "booked") return true;
    if (change.type === "status_changed")
      return (
        this.status === change.from &&
        change.cancelled.every(({ id, sequence }) => this.bookings.get(id)?.sequence === sequence - 1)
      );
    return JSON.stringify(this.bookings.get(change.booking.id)) === JSON.stringify(change.before);
  }

  holds(change: Change): boolean {
    if (change.type === "status_changed") return this.status === change.to && this.statusSince === change.at;
    const stored = this.bookings.get(change.booking.id);
    return JSON.stringify(stored) === JSON.stringify(change.booking);
  }

  #violation(booking: Booking): Violation | undefined {
    const old = this.bookings.get(booking.id);
    const moves = !old || old.startAt !== booking.startAt;
    if (active(booking) && this.overlapping(booking).length > 0) return "slot_taken";
    if (moves && active(booking) && (this.status === "SOLD" || this.status === "REMOVED"))
      return "car_not_bookable";
    if (!old) return undefined;
    const legal = moves
      ? active(old) && (booking.status === old.status || booking.status === "PENDING")
      : booking.status === old.status || (TRANSITIONS[old.status] ?? []).includes(booking.status);
    return legal ? undefined : "illegal_transition";
  }

  /** The other active bookings that share a moment with this one. */
  overlapping(booking: Booking): Booking[] {
    return [...this.bookings.values()].filter(
      (other) =>
        other.id !== booking.id &&
        active(other) &&
        other.startAt < booking.endAt &&
        other.endAt > booking.startAt,
    );
  }

  /** The active bookings. */
  active(): Booking[] {
    return [...this.bookings.values()].filter(active);
  }
}
