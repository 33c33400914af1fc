/**
 * A database in memory, of some cars that share customers and showrooms, with the rules that the triggers of the real one
 * keep. Each method is one transaction.
 */
import type { Booking } from "../../src/bookings/booking.ts";
import {
  bookingsOf,
  type CarState,
  type Change,
  isResultOf,
  withAssigned,
} from "../../src/car-coordinator/commands.ts";
import type { Violation } from "../../src/db/violations.ts";
import type { CarStatus, ResourceKind } from "../../src/shared/enums.ts";
import type { Schedule } from "../../src/showrooms/schedule.ts";

/** The active rules: all, unless a test shows the effect of one. */
export type Rules = {
  /**
   * No two active bookings overlap, the states are gone through in order, only cars in stock are booked. Whether a drive
   * has begun or is over is not looked at, so that the writer alone must keep these rules.
   */
  bookings: boolean;
  /** A hold is confirmed before it ends, or never, and a customer has at most two. */
  holds: boolean;
  /** A customer is allocated for the time of a drive. */
  customers: boolean;
  /** A salesperson is allocated for the time of a drive with its buffers. */
  salespeople: boolean;
  /** Those buffers, too. */
  salespeopleBuffers: boolean;
  /** Nobody drives along while they are absent. */
  absences: boolean;
  /** A salesperson is chosen among those who are free at the commit. Otherwise somebody is chosen, free or not. */
  choiceIsFree: boolean;
  /** A booking that moves lets go of what it had allocated. */
  movesFree: boolean;
  /** A commit of an earlier epoch is refused. */
  fence: boolean;
  /** A commit by an earlier version of the schedule is refused. */
  scheduleFence: boolean;
  /** A writer that asks whether its memory is current is answered about the schedule, too. */
  scheduleIsAsked: boolean;
  /** A load raises the epoch in the same transaction. Otherwise the first commit after it does. */
  loadRaisesEpoch: boolean;
  /** Only active bookings are loaded. */
  activeOnly: boolean;
};

const ALL_RULES: Rules = {
  bookings: true,
  holds: true,
  customers: true,
  salespeople: true,
  salespeopleBuffers: true,
  absences: true,
  choiceIsFree: true,
  movesFree: true,
  fence: true,
  scheduleFence: true,
  scheduleIsAsked: true,
  loadRaisesEpoch: true,
  activeOnly: true,
};

const IN_USE = { CAR: "slot_taken", CUSTOMER: "customer_busy", SALESPERSON: "salesperson_busy" } as const;

const TRANSITIONS: Record<string, string[]> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
};

const active = ({ status }: Booking): boolean => status === "PENDING" || status === "APPROVED";

/** A car as stored. `since`: when its status was last written. */
export type Car = { status: CarStatus; since: number; showroomId: string };

/** When a car, a customer or a salesperson is in use, by which booking, and until when that counts. */
type Allocation = {
  kind: ResourceKind;
  resource: string;
  startAt: number;
  endAt: number;
  bookingId: string;
  expiresAt: number | null;
};

/** What a reader of the database sees. It is never changed. `tick`: when it came about. */
export type State = {
  tick: number;
  cars: ReadonlyMap<string, Car>;
  schedules: ReadonlyMap<string, Schedule>;
  bookings: ReadonlyMap<string, Booking>;
  allocations: readonly Allocation[];
  absences: readonly Absence[];
};

/** When a salesperson is away. */
export type Absence = { userId: string; startAt: number; endAt: number };

/** What the first state consists of. */
export type Stock = Pick<State, "cars" | "schedules">;

/** What a writer knew when it decided: the epoch of its load, and the schedule that it read. */
export type Basis = { epoch: number; schedule: Schedule | undefined };

const overlap = (a: { startAt: number; endAt: number }, b: { startAt: number; endAt: number }): boolean =>
  a.startAt < b.endAt && b.startAt < a.endAt;

/** The database. */
export class Ledger {
  readonly #rules: Rules;
  readonly #tick: () => number;
  readonly #epochs = new Map<string, number>();
  readonly keys = new Map<string, string>();
  /** The states that the database has gone through. A replica has one of them; a bookmark is the index of one. */
  readonly states: State[];

  constructor(rules: Partial<Rules>, stock: Stock, tick: () => number) {
    this.#rules = { ...ALL_RULES, ...rules };
    this.#tick = tick;
    this.states = [{ ...stock, tick: tick(), bookings: new Map(), allocations: [], absences: [] }];
  }

  /** The index of the present state. */
  get now(): number {
    return this.states.length - 1;
  }

  get state(): State {
    return this.states[this.now] as State;
  }

  epochOf = (carId: string): number => this.#epochs.get(carId) ?? 0;

  load(carId: string): { epoch: number; state: CarState } {
    const epoch = this.epochOf(carId) + 1;
    if (this.#rules.loadRaisesEpoch) this.#epochs.set(carId, epoch);
    const found = [...this.state.bookings.values()].filter(
      (booking) => booking.carId === carId && (active(booking) || !this.#rules.activeOnly),
    );
    return {
      epoch,
      state: {
        status: this.state.cars.get(carId)?.status,
        schedule: this.#scheduleOf(carId),
        active: new Map(found.map((booking) => [booking.id, booking])),
      },
    };
  }

  /** Whether a load is still up to date. */
  isCurrent(carId: string, { epoch, schedule }: Basis): boolean {
    const current = this.#scheduleOf(carId);
    const isSameSchedule =
      current?.showroomId === schedule?.showroomId && current?.version === schedule?.version;
    return this.epochOf(carId) === epoch && (isSameSchedule || !this.#rules.scheduleIsAsked);
  }

  /** Writes a change, or says which rule forbids it and writes nothing. */
  commit(
    carId: string,
    { epoch, schedule }: Basis,
    change: Change,
    key: string | undefined,
  ): Violation | "key_taken" | undefined {
    if (this.#rules.fence && epoch < this.epochOf(carId)) return "fenced";
    if (schedule && this.#rules.scheduleFence) {
      const { version } = this.state.schedules.get(schedule.showroomId) ?? {};
      if (version !== schedule.version) return "schedule_changed";
    }
    const settled = this.#settled(change);
    if (settled.type !== "status_changed") {
      const violation = this.#violation(settled.booking);
      if (violation) return violation;
    }
    if (change.type === "booked" && key !== undefined) {
      if (this.keys.has(key)) return "key_taken";
      this.keys.set(key, change.booking.id);
    }
    const next: Partial<State> = this.#written(bookingsOf(settled));
    if (change.type === "status_changed")
      next.cars = this.#carsWith(carId, { status: change.to, since: change.at });
    this.#epochs.set(carId, Math.max(this.epochOf(carId), epoch));
    this.#keep(next);
    return undefined;
  }

  /** A change with the salesperson whom its batch chooses: the one who had it, or who has the fewest drives. */
  #settled(change: Change): Change {
    const candidates = "candidates" in change ? change.candidates : undefined;
    if (!candidates || change.type === "status_changed") return change;
    const { booking } = change;
    const before = "before" in change ? change.before : undefined;
    const free = candidates.filter(
      (person) =>
        !this.#rules.choiceIsFree ||
        this.#allocationsOf({ ...booking, salespersonId: person, assignedBy: "AUTO" })
          .filter(({ kind }) => kind === "SALESPERSON")
          .every((wanted) => !this.#isAbsent(wanted) && !this.#isInUse(wanted, booking)),
    );
    const drives = (person: string) =>
      [...this.state.bookings.values()].filter((b) => b.salespersonId === person).length;
    const kept = before?.salespersonId;
    const chosen = kept && free.includes(kept) ? kept : free.toSorted((a, b) => drives(a) - drives(b)).at(0);
    const assignedBy = !chosen ? null : before && chosen === kept ? before.assignedBy : "AUTO";
    return withAssigned(change, { salespersonId: chosen ?? null, assignedBy });
  }

  /** Adds an absence, or says which rule forbids it. */
  addAbsence(absence: Absence, now: number): Violation | undefined {
    const drives = this.state.allocations.some(
      (other) =>
        other.kind === "SALESPERSON" &&
        other.resource === absence.userId &&
        overlap(other, absence) &&
        (other.expiresAt === null || other.expiresAt > now),
    );
    if (drives && this.#rules.absences) return "has_bookings";
    this.#keep({ absences: [...this.state.absences, absence] });
    return undefined;
  }

  /** Ends all absences of a salesperson. */
  endAbsences(userId: string): void {
    this.#keep({ absences: this.state.absences.filter((absence) => absence.userId !== userId) });
  }

  /** Cancels the coming bookings of a customer without the writers, as the customer's deactivation does. */
  close(customerId: string, now: number): Booking[] {
    const theirs = [...this.state.bookings.values()].filter((b) => active(b) && b.customerId === customerId);
    for (const carId of new Set(theirs.map((booking) => booking.carId))) this.#beginEpoch(carId);
    const cancelled = theirs
      .filter(({ startAt, heldUntil }) => startAt > now && (heldUntil === null || heldUntil > now))
      .map((booking) => ({
        ...booking,
        status: "CANCELLED" as const,
        sequence: booking.sequence + 1,
        updatedAt: now,
      }));
    this.#keep(this.#written(cancelled));
    return cancelled;
  }

  /** Replaces the schedule of a showroom by its next version. */
  changeSchedule(showroomId: string, changes: Partial<Schedule>): void {
    const old = this.state.schedules.get(showroomId);
    if (!old) throw new Error("there is no such showroom");
    const schedule = { ...old, ...changes, version: old.version + 1 };
    this.#keep({ schedules: new Map(this.state.schedules).set(showroomId, schedule) });
  }

  /** Moves a car to another showroom, without its writer. */
  moveCar(carId: string, showroomId: string): void {
    if (this.state.cars.get(carId)?.showroomId === showroomId) return;
    this.#beginEpoch(carId);
    this.#keep({ cars: this.#carsWith(carId, { showroomId }) });
  }

  /** Whether what a change says about the facts before it is true. */
  isTrueOf(change: Change): boolean {
    const { bookings, cars } = this.state;
    if (change.type === "booked") return !bookings.has(change.booking.id);
    if (change.type === "status_changed")
      return (
        cars.get(change.carId)?.status === change.from &&
        change.cancelled.every(({ id, sequence }) => bookings.get(id)?.sequence === sequence - 1)
      );
    return JSON.stringify(bookings.get(change.booking.id)) === JSON.stringify(change.before);
  }

  /** A change as the database contains it, with the salesperson of its booking. */
  find(change: Change): Change | undefined {
    const { bookings, cars } = this.state;
    if (change.type === "status_changed") {
      const car = cars.get(change.carId);
      return car?.status === change.to && car.since === change.at ? change : undefined;
    }
    const stored = bookings.get(change.booking.id);
    // Its id is new, whatever has become of it since.
    const isThere = change.type === "booked" ? stored !== undefined : isResultOf(change, stored);
    return isThere ? withAssigned(change, stored) : undefined;
  }

  #scheduleOf(carId: string): Schedule | undefined {
    return this.state.schedules.get(this.state.cars.get(carId)?.showroomId ?? "");
  }

  #beginEpoch(carId: string): void {
    this.#epochs.set(carId, this.epochOf(carId) + 1);
  }

  #carsWith(carId: string, changes: Partial<Car>): Map<string, Car> {
    const car = this.state.cars.get(carId);
    if (!car) throw new Error("there is no such car");
    return new Map(this.state.cars).set(carId, { ...car, ...changes });
  }

  #keep(changes: Partial<State>): void {
    this.states.push({ ...this.state, ...changes, tick: this.#tick() });
  }

  /** The bookings and allocations after some bookings are written. */
  #written(changed: readonly Booking[]): Pick<State, "bookings" | "allocations"> {
    const bookings = new Map(this.state.bookings);
    let { allocations } = this.state;
    for (const booking of changed) {
      const old = bookings.get(booking.id);
      bookings.set(booking.id, booking);
      if (!this.#reallocates(old, booking)) continue;
      const isMove = old !== undefined && old.startAt !== booking.startAt;
      if (!isMove || this.#rules.movesFree)
        allocations = allocations.filter(({ bookingId }) => bookingId !== booking.id);
      allocations = [...allocations, ...this.#allocationsOf(booking)];
    }
    return { bookings, allocations };
  }

  #allocationsOf(booking: Booking): Allocation[] {
    if (!active(booking)) return [];
    const { id: bookingId, heldUntil: expiresAt, startAt, endAt, carId, customerId } = booking;
    const footprint = {
      startAt: booking.footprintStartAt ?? startAt,
      endAt: booking.footprintEndAt ?? endAt,
    };
    const car: Allocation = { kind: "CAR", resource: carId, ...footprint, bookingId, expiresAt };
    const customer: Allocation = {
      kind: "CUSTOMER",
      resource: customerId,
      startAt,
      endAt,
      bookingId,
      expiresAt,
    };
    const who = booking.salespersonId;
    const time = this.#rules.salespeopleBuffers ? footprint : { startAt, endAt };
    const salesperson: Allocation[] =
      who && this.#rules.salespeople
        ? [{ kind: "SALESPERSON", resource: who, ...time, bookingId, expiresAt }]
        : [];
    return [car, ...(this.#rules.customers ? [customer] : []), ...salesperson];
  }

  #reallocates(old: Booking | undefined, booking: Booking): boolean {
    return (
      !old ||
      active(old) !== active(booking) ||
      old.startAt !== booking.startAt ||
      old.heldUntil !== booking.heldUntil ||
      old.footprintStartAt !== booking.footprintStartAt ||
      old.footprintEndAt !== booking.footprintEndAt ||
      old.salespersonId !== booking.salespersonId
    );
  }

  #violation(booking: Booking): Violation | undefined {
    const old = this.state.bookings.get(booking.id);
    return (
      this.#assignmentViolation(old, booking) ??
      (this.#rules.holds ? this.#holdViolation(old, booking) : undefined) ??
      (this.#rules.bookings ? this.#bookingViolation(old, booking) : undefined) ??
      (this.#reallocates(old, booking) ? this.#allocationViolation(booking) : undefined)
    );
  }

  /** Where a showroom assigns salespeople, an active booking has one. */
  #assignmentViolation(old: Booking | undefined, booking: Booking): Violation | undefined {
    const isChange = !old || old.startAt !== booking.startAt || old.salespersonId !== null;
    const { assignment } = this.state.schedules.get(booking.showroomId)?.policy ?? {};
    return isChange && booking.salespersonId === null && active(booking) && assignment === "AUTOMATIC"
      ? "no_salesperson_free"
      : undefined;
  }

  #holdViolation(old: Booking | undefined, booking: Booking): Violation | undefined {
    const { heldUntil, updatedAt: now } = booking;
    if (!old) {
      const others = [...this.state.bookings.values()].filter(
        (b) =>
          b.customerId === booking.customerId &&
          b.status === "PENDING" &&
          b.heldUntil !== null &&
          b.heldUntil > now,
      );
      return heldUntil !== null && others.length >= 2 ? "too_many_holds" : undefined;
    }
    const waits = old.startAt === booking.startAt && ["PENDING", "CANCELLED"].includes(booking.status);
    if (heldUntil !== null && !waits) return "illegal_transition";
    if (old.heldUntil !== null && active(booking) && now >= old.heldUntil) return "hold_expired";
    const isNewEnd = old.heldUntil !== heldUntil && (old.heldUntil === null || heldUntil !== null);
    return isNewEnd ? "illegal_transition" : undefined;
  }

  #bookingViolation(old: Booking | undefined, booking: Booking): Violation | undefined {
    const moves = !old || old.startAt !== booking.startAt;
    const car = this.state.cars.get(booking.carId);
    if (moves && active(booking) && (car?.status === "SOLD" || car?.status === "REMOVED"))
      return "car_not_bookable";
    if (!old) return undefined;
    const legal = moves
      ? active(old) && (booking.status === old.status || booking.status === "PENDING")
      : booking.status === old.status || (TRANSITIONS[old.status] ?? []).includes(booking.status);
    return legal ? undefined : "illegal_transition";
  }

  #allocationViolation(booking: Booking): Violation | undefined {
    for (const wanted of this.#allocationsOf(booking)) {
      if (wanted.kind === "CAR" && !this.#rules.bookings) continue;
      if (wanted.kind === "SALESPERSON" && this.#isAbsent(wanted)) return "salesperson_absent";
      if (this.#isInUse(wanted, booking)) return IN_USE[wanted.kind];
    }
    return undefined;
  }

  #isAbsent({ resource, ...time }: Allocation): boolean {
    return (
      this.#rules.absences &&
      this.state.absences.some((absence) => absence.userId === resource && overlap(absence, time))
    );
  }

  #isInUse(wanted: Allocation, { id, updatedAt }: Booking): boolean {
    return this.state.allocations.some(
      (other) =>
        other.kind === wanted.kind &&
        other.resource === wanted.resource &&
        other.bookingId !== id &&
        overlap(other, wanted) &&
        (other.expiresAt === null || other.expiresAt > updatedAt),
    );
  }
}

/** The times for which a car or a customer is in use at `now`, as a reader of the database gets them. */
export const takenTimes = ({ allocations }: State, resource: string, now: number): Allocation[] =>
  allocations.filter((one) => one.resource === resource && (one.expiresAt === null || one.expiresAt > now));
