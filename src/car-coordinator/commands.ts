/**
 * The decisions about one car. Pure: time and new ids are passed in. `decide` returns the change of a command, or a
 * refusal. After the change is committed, `apply` makes the same change in memory.
 */
import {
  type Assigned,
  type Booking,
  canTransition,
  checkTime,
  footprintOf,
  isActive,
  isBookable,
  isExpired,
  isOver,
} from "../bookings/booking.ts";
import { START_MESSAGES } from "../bookings/slots.ts";
import type { CarFields } from "../cars/car-writes.ts";
import type { Commission, Sale } from "../sales/store.ts";
import type { BookingStatus, CarStatus } from "../shared/enums.ts";
import { ok, type Refusal, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { localDate, overlaps } from "../shared/showroom-time.ts";
import {
  type Booker,
  checkStart,
  driveAt,
  inShift,
  type Schedule,
  footprintOf as spanOf,
} from "../showrooms/schedule.ts";

/**
 * The state of one car: its status and the schedule of its showroom (`undefined`: there is no such car), and its active
 * bookings by id. Holds that have expired may be among them.
 */
export type CarState = {
  status: CarStatus | undefined;
  schedule: Schedule | undefined;
  active: ReadonlyMap<string, Booking>;
};

/** A command about a booking of the car. */
export type BookingCommand =
  /**
   * `heldUntil`: it is a hold, which the customer still has to confirm. `by`: the staff member who books for the customer,
   * which needs no approval; they may say who drives along.
   */
  | {
      type: "book";
      customerId: string;
      startAt: number;
      notes: string;
      heldUntil?: number | undefined;
      by?: string | undefined;
      salespersonId?: string | undefined;
    }
  /** Makes a booking of a hold. */
  | { type: "confirm"; bookingId: string }
  /** `by`: the staff member who decides; absent when the customer does. */
  | {
      type: "transition";
      bookingId: string;
      to: BookingStatus;
      by?: string | undefined;
      reason?: string | undefined;
    }
  /** `confirmed`: staff moved it, so it needs no approval. */
  | { type: "reschedule"; bookingId: string; startAt: number; confirmed: boolean }
  /** Staff say who drives along, also out of their shifts; `null`: nobody yet. */
  | { type: "assign"; bookingId: string; salespersonId: string | null };

/** A command about the car. */
export type StatusCommand =
  /** `fields` change together with the status. `expectedVersion`: the version that the car must have. */
  | {
      type: "set_status";
      to: Exclude<CarStatus, "SOLD">;
      fields?: CarFields | undefined;
      expectedVersion?: number | undefined;
    }
  | { type: "sell"; sale: Sale; commission: Commission }
  | { type: "void_sale"; sale: Sale; reversal: Commission };

/** The commands. They are sent over RPC between versions: never rename a released member or make it required. */
export type Command = BookingCommand | StatusCommand;

/**
 * The change of a command. `before` is the booking before it. `candidates`: the salespeople of whom the commit gives the
 * drive to one who is free; until then the booking does not say who that is. Without them its salesperson stays.
 */
export type Change =
  | { type: "booked"; booking: Booking; candidates?: readonly string[] }
  | { type: "confirmed"; booking: Booking; before: Booking }
  | { type: "transitioned"; booking: Booking; before: Booking; by: "customer" | "staff" }
  | { type: "rescheduled"; booking: Booking; before: Booking; candidates?: readonly string[] }
  | { type: "assigned"; booking: Booking; before: Booking }
  | {
      type: "status_changed";
      command: StatusCommand;
      carId: string;
      from: CarStatus;
      to: CarStatus;
      cancelled: Booking[];
      at: number;
    };

/** The inputs of a decision besides the state of the car. */
export type DecisionContext = { carId: string; now: number; newId: string };

/** The result of `decide`. Without a change, the state is already as requested. */
export type Decision =
  | { ok: true; change: Change }
  | { ok: true; change: undefined; booking: Booking }
  | { ok: false; refusal: Refusal };

/** Decides about a command. */
export function decide(state: CarState, command: Command, { now, ...given }: DecisionContext): Decision {
  const context = { ...given, now: notBehind(state, now) };
  switch (command.type) {
    case "book":
      return decideBook(state, command, context);
    case "confirm":
      return decideConfirm(state, command, context);
    case "transition":
      return decideTransition(state, command, context);
    case "reschedule":
      return decideReschedule(state, command, context);
    case "assign":
      return decideAssign(state, command, context);
    case "set_status":
    case "sell":
    case "void_sale":
      return decideStatus(state, command, context);
    default:
      // From a newer Worker, during a deploy.
      return refuse("unavailable");
  }
}

/**
 * The time of a decision: not before the changes that it builds on, which may have been made by a clock that is ahead. A
 * hold that had ended for them has ended for this decision.
 */
function notBehind({ active }: CarState, now: number): number {
  let latest = now;
  for (const { updatedAt } of active.values()) latest = Math.max(latest, updatedAt);
  return latest;
}

type Of<Type extends Command["type"]> = Extract<Command, { type: Type }>;

function decideBook(state: CarState, command: Of<"book">, context: DecisionContext): Decision {
  const { carId, now, newId } = context;
  const { customerId, notes, startAt, heldUntil = null, by = null, salespersonId = null } = command;
  const place = findPlace(state, startAt, context, { byStaff: by !== null });
  if (!place.ok) return place;
  const candidates = salespersonId === null ? candidatesFor(place.value.schedule, startAt) : undefined;
  if (candidates?.length === 0) return refuse("no_salesperson_free");
  const booking: Booking = {
    id: newId,
    carId,
    customerId,
    ...place.value.place,
    heldUntil,
    status: by === null ? "PENDING" : "APPROVED",
    notes,
    reason: "",
    handledBy: by,
    sequence: 0,
    salespersonId,
    assignedBy: salespersonId === null ? null : "STAFF",
    source: by === null ? "ONLINE" : "STAFF",
    createdAt: now,
    updatedAt: now,
  };
  return { ok: true, change: { type: "booked", booking, ...(candidates && { candidates }) } };
}

/**
 * The salespeople of whom one has to drive along at `startAt`; `undefined` where drives need none, and `before` has none
 * who could stay. A salesperson whom staff chose may stay out of their shifts.
 */
function candidatesFor(schedule: Schedule, startAt: number, before?: Booking): readonly string[] | undefined {
  const chosen = before?.salespersonId ? [before.salespersonId] : [];
  if (schedule.policy.assignment === "NONE") return chosen.length > 0 ? chosen : undefined;
  const working = inShift(schedule, startAt);
  return before?.assignedBy === "STAFF" ? [...new Set([...working, ...chosen])] : working;
}

function decideConfirm(state: CarState, command: Of<"confirm">, { now }: DecisionContext): Decision {
  const before = state.active.get(command.bookingId);
  if (!before) return refuse("illegal_transition");
  // The command was repeated, because its first response was lost.
  if (before.heldUntil === null) return { ok: true, change: undefined, booking: before };
  if (isExpired(before, now)) return refuse("hold_expired");
  return {
    ok: true,
    change: { type: "confirmed", before, booking: changed(before, now, { heldUntil: null }) },
  };
}

function decideTransition(state: CarState, command: Of<"transition">, { now }: DecisionContext): Decision {
  const { bookingId, to: status, by, reason = "" } = command;
  // A booking that is not active has reached its last status.
  const before = state.active.get(bookingId);
  if (!before || !canTransition(before, status, now)) return refuse("illegal_transition");
  const fault = checkTime(before, status, now);
  if (fault) return refuse(fault);
  const booking = changed(before, now, { status, reason, handledBy: by ?? before.handledBy });
  return { ok: true, change: { type: "transitioned", before, booking, by: by ? "staff" : "customer" } };
}

function decideReschedule(state: CarState, command: Of<"reschedule">, context: DecisionContext): Decision {
  const before = state.active.get(command.bookingId);
  if (!before || before.heldUntil !== null) return refuse("illegal_transition");
  if (isOver(before, context.now)) return refuse("too_late");
  // The command was repeated, because its first response was lost.
  if (before.startAt === command.startAt) return { ok: true, change: undefined, booking: before };
  const place = findPlace(state, command.startAt, context, { byStaff: command.confirmed }, before.id);
  if (!place.ok) return place;
  const candidates = candidatesFor(place.value.schedule, command.startAt, before);
  if (candidates?.length === 0) return refuse("no_salesperson_free");
  const status = command.confirmed ? before.status : "PENDING";
  const booking = changed(before, context.now, { ...place.value.place, status });
  return { ok: true, change: { type: "rescheduled", before, booking, ...(candidates && { candidates }) } };
}

function decideAssign(state: CarState, command: Of<"assign">, { now }: DecisionContext): Decision {
  const { bookingId, salespersonId } = command;
  const before = state.active.get(bookingId);
  if (!before || isExpired(before, now)) return refuse("illegal_transition");
  if (isOver(before, now)) return refuse("too_late");
  const assignedBy = salespersonId === null ? null : "STAFF";
  if (before.salespersonId === salespersonId && before.assignedBy === assignedBy)
    return { ok: true, change: undefined, booking: before };
  const booking = changed(before, now, { salespersonId, assignedBy });
  return { ok: true, change: { type: "assigned", before, booking } };
}

function decideStatus(state: CarState, command: StatusCommand, { carId, now }: DecisionContext): Decision {
  const { status: from } = state;
  if (!from) return refuse("car_not_found");
  const to = command.type === "sell" ? "SOLD" : command.type === "void_sale" ? "AVAILABLE" : command.to;
  if (command.type === "sell" && !isBookable(from)) return refuse("car_not_sellable");
  if (command.type === "void_sale" && from !== "SOLD") return refuse("already_void");
  if (command.type === "set_status" && from === "SOLD") return refuse("car_sold");
  const cancelled = isBookable(to)
    ? []
    : [...state.active.values()]
        .filter((booking) => booking.startAt > now && !isExpired(booking, now))
        .map((booking) => changed(booking, now, { status: "CANCELLED" }));
  return { ok: true, change: { type: "status_changed", command, carId, from, to, cancelled, at: now } };
}

/** When and where a drive takes place. */
type Place = Pick<
  Booking,
  "startAt" | "endAt" | "showroomId" | "localDate" | "footprintStartAt" | "footprintEndAt"
>;

/**
 * The place of a drive that begins at `startAt`, or why the car cannot be booked then. The booking `except`, which is to
 * be moved, does not count.
 */
function findPlace(
  { status, schedule, active }: CarState,
  startAt: number,
  { now }: DecisionContext,
  booker: Booker,
  except?: string,
): Result<{ place: Place; schedule: Schedule }> {
  if (!status || !schedule) return refuse("car_not_found");
  const fault = checkStart(schedule, startAt, now, booker);
  if (fault) return refuseField("start_at", fault, START_MESSAGES[fault]);
  if (!isBookable(status)) return refuse("car_not_bookable");
  const footprint = spanOf(schedule, startAt);
  for (const other of active.values())
    if (other.id !== except && !isExpired(other, now) && overlaps(footprint, footprintOf(other)))
      return refuse("slot_taken");
  const drive = driveAt(schedule, startAt);
  const hasBuffers = footprint.startAt < drive.startAt || footprint.endAt > drive.endAt;
  const place = {
    ...drive,
    showroomId: schedule.showroomId,
    localDate: localDate(startAt, schedule.timeZone),
    footprintStartAt: hasBuffers ? footprint.startAt : null,
    footprintEndAt: hasBuffers ? footprint.endAt : null,
  };
  return ok({ place, schedule });
}

const changed = (before: Booking, now: number, change: Partial<Booking>): Booking => ({
  ...before,
  ...change,
  sequence: before.sequence + 1,
  updatedAt: now,
});

/** A change with the salesperson whom its commit chose. */
export const withAssigned = (change: Change, assigned: Assigned | undefined): Change =>
  change.type === "status_changed" || !assigned
    ? change
    : {
        ...change,
        booking: {
          ...change.booking,
          salespersonId: assigned.salespersonId,
          assignedBy: assigned.assignedBy,
        },
      };

/** The changed bookings of a change. */
export const bookingsOf = (change: Change): readonly Booking[] =>
  change.type === "status_changed" ? change.cancelled : [change.booking];

/**
 * A change, if a state has its booking as the change left it, with the salesperson of that state. Changes after which no
 * booking is active are not shown.
 */
export function shown({ active }: CarState, change: Change): Change | undefined {
  if (change.type === "status_changed") return undefined;
  const stored = active.get(change.booking.id);
  return isResultOf(change, stored) ? withAssigned(change, stored) : undefined;
}

/**
 * Whether a stored booking is as a change left it, or as the closing of its customer's account, which waits for no
 * coordinator, left it after the change: cancelled, at the place of the change, and changed once more.
 */
export function isResultOf(change: { booking: Booking }, stored: Booking | undefined): boolean {
  const { sequence, status, startAt, updatedAt } = change.booking;
  if (stored?.startAt !== startAt) return false;
  const isAsLeft = stored.sequence === sequence && stored.status === status && stored.updatedAt === updatedAt;
  const isClosed = isActive(status) && stored.status === "CANCELLED" && stored.sequence === sequence + 1;
  return isAsLeft || isClosed;
}

/** The state of the car after a change. */
export function apply(state: CarState, change: Change): CarState {
  const active = new Map(state.active);
  for (const booking of bookingsOf(change))
    if (isActive(booking.status)) active.set(booking.id, booking);
    else active.delete(booking.id);
  return { ...state, status: change.type === "status_changed" ? change.to : state.status, active };
}
