/**
 * The decisions about one car. Pure: time and new ids are passed in. `decide` returns the change of a command, or a
 * refusal. After the change is committed, `apply` makes the same change in memory.
 */
import { type Booking, canTransition, checkTime, isActive, isBookable, isOver } from "../bookings/booking.ts";
import { checkStart, type Hours, nearestFree, START_MESSAGES, slotAt } from "../bookings/slots.ts";
import type { CarFields } from "../cars/car-writes.ts";
import type { Commission, Sale } from "../sales/store.ts";
import type { BookingStatus, CarStatus } from "../shared/enums.ts";
import { type Refusal, refuse, refuseField } from "../shared/refusals.ts";
import { overlaps } from "../shared/showroom-time.ts";

/** The state of one car: its status (`undefined`: there is no such car) and its active bookings by id. */
export type CarState = {
  status: CarStatus | undefined;
  active: ReadonlyMap<string, Booking>;
};

/** A command about a booking of the car. */
export type BookingCommand =
  | { type: "book"; customerId: string; startAt: number; notes: string }
  /** `by`: the staff member who decides; absent when the customer does. */
  | {
      type: "transition";
      bookingId: string;
      to: BookingStatus;
      by?: string | undefined;
      reason?: string | undefined;
    }
  /** `confirmed`: staff moved it, so it needs no approval. */
  | { type: "reschedule"; bookingId: string; startAt: number; confirmed: boolean };

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

/** The change of a command. `before` is the booking before it. */
export type Change =
  | { type: "booked"; booking: Booking }
  | { type: "transitioned"; booking: Booking; before: Booking; by: "customer" | "staff" }
  | { type: "rescheduled"; booking: Booking; before: Booking }
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
export type DecisionContext = { carId: string; now: number; newId: string; hours: Hours };

/** The result of `decide`. Without a change, the state is already as requested. */
export type Decision =
  | { ok: true; change: Change }
  | { ok: true; change: undefined; booking: Booking }
  | { ok: false; refusal: Refusal };

/** Decides about a command. */
export function decide(state: CarState, command: Command, context: DecisionContext): Decision {
  switch (command.type) {
    case "book":
      return decideBook(state, command, context);
    case "transition":
      return decideTransition(state, command, context);
    case "reschedule":
      return decideReschedule(state, command, context);
    case "set_status":
    case "sell":
    case "void_sale":
      return decideStatus(state, command, context);
    default:
      // From a newer Worker, during a deploy.
      return refuse("unavailable");
  }
}

type Of<Type extends Command["type"]> = Extract<Command, { type: Type }>;

function decideBook(state: CarState, command: Of<"book">, context: DecisionContext): Decision {
  const { carId, now, newId } = context;
  const refusal = checkSlot(state, command.startAt, context);
  if (refusal) return refusal;
  const { customerId, notes, startAt } = command;
  const booking: Booking = {
    id: newId,
    carId,
    customerId,
    ...slotAt(startAt),
    status: "PENDING",
    notes,
    reason: "",
    handledBy: null,
    sequence: 0,
    createdAt: now,
    updatedAt: now,
  };
  return { ok: true, change: { type: "booked", booking } };
}

function decideTransition(state: CarState, command: Of<"transition">, { now }: DecisionContext): Decision {
  const { bookingId, to: status, by, reason = "" } = command;
  // A booking that is not active has reached its last status.
  const before = state.active.get(bookingId);
  if (!before || !canTransition(before.status, status)) return refuse("illegal_transition");
  const fault = checkTime(before, status, now);
  if (fault) return refuse(fault);
  const booking = changed(before, now, { status, reason, handledBy: by ?? before.handledBy });
  return { ok: true, change: { type: "transitioned", before, booking, by: by ? "staff" : "customer" } };
}

function decideReschedule(state: CarState, command: Of<"reschedule">, context: DecisionContext): Decision {
  const before = state.active.get(command.bookingId);
  if (!before) return refuse("illegal_transition");
  if (isOver(before, context.now)) return refuse("too_late");
  // The command was repeated, because its first response was lost.
  if (before.startAt === command.startAt) return { ok: true, change: undefined, booking: before };
  const refusal = checkSlot(state, command.startAt, context, before.id);
  if (refusal) return refusal;
  const status = command.confirmed ? before.status : "PENDING";
  const booking = changed(before, context.now, { ...slotAt(command.startAt), status });
  return { ok: true, change: { type: "rescheduled", before, booking } };
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
        .filter((booking) => booking.startAt > now)
        .map((booking) => changed(booking, now, { status: "CANCELLED" }));
  return { ok: true, change: { type: "status_changed", command, carId, from, to, cancelled, at: now } };
}

/** Why the slot at `startAt` cannot be booked. The booking `except`, which is to be moved, does not count. */
function checkSlot(
  state: CarState,
  startAt: number,
  { now, hours }: DecisionContext,
  except?: string,
): { ok: false; refusal: Refusal } | undefined {
  if (!state.status) return refuse("car_not_found");
  const fault = checkStart(startAt, now, hours);
  if (fault) return refuseField("start_at", fault, START_MESSAGES[fault]);
  if (!isBookable(state.status)) return refuse("car_not_bookable");
  const slot = slotAt(startAt);
  const taken = [...state.active.values()];
  if (taken.some((other) => other.id !== except && overlaps(slot, other)))
    return refuse("slot_taken", { alternatives: nearestFree(startAt, taken, now, hours) });
  return undefined;
}

const changed = (before: Booking, now: number, change: Partial<Booking>): Booking => ({
  ...before,
  ...change,
  sequence: before.sequence + 1,
  updatedAt: now,
});

/** The changed bookings of a change. */
export const bookingsOf = (change: Change): readonly Booking[] =>
  change.type === "status_changed" ? change.cancelled : [change.booking];

/** The state of the car after a change. */
export function apply(state: CarState, change: Change): CarState {
  const active = new Map(state.active);
  for (const booking of bookingsOf(change))
    if (isActive(booking.status)) active.set(booking.id, booking);
    else active.delete(booking.id);
  return { status: change.type === "status_changed" ? change.to : state.status, active };
}
