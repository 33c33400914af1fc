/**
 * The calendar of one car: what a command does to it. Pure, with the time and new ids passed in. `decide` says what
 * would change or why not; once that change is committed, `apply` makes it so in memory.
 */

import { isActive, mayBecome } from "../bookings/lifecycle.ts";
import {
  type Hours,
  nearestFree,
  refuseStart,
  type Slot,
  type StartRefusal,
  slotAt,
} from "../bookings/slots.ts";
import type { BookingStatus, CarStatus } from "../shared/enums.ts";
import { overlaps } from "../shared/showroom-time.ts";

/** A test drive. Instants in milliseconds since 1970 UTC. */
export type Booking = Slot & {
  id: string;
  carId: string;
  customerId: string;
  status: BookingStatus;
  notes: string;
  /** The staff member who decided about it last. */
  handledBy: string | null;
  /** How often it was changed since it was made. */
  sequence: number;
  createdAt: number;
  updatedAt: number;
};

/** What is known of one car: its status (`undefined`: there is no such car) and its active bookings by id. */
export type Calendar = {
  status: CarStatus | undefined;
  active: ReadonlyMap<string, Booking>;
};

/** What can be asked of a calendar. Sent over RPC: a released member is never renamed or made compulsory. */
export type Command =
  | { type: "book"; carId: string; customerId: string; startAt: number; notes: string }
  /** `by`: the staff member who decides so; left out when the customer does. */
  | { type: "transition"; bookingId: string; to: BookingStatus; by?: string | undefined }
  /** `confirmed`: staff moved it, so it need not be approved again. */
  | { type: "reschedule"; bookingId: string; startAt: number; confirmed: boolean }
  /** `from`: the statuses the car may have now, for whoever asks. */
  | { type: "set_status"; from: readonly CarStatus[]; to: CarStatus };

/** What a command changes. `before` is the booking as it was. */
export type Change =
  | { type: "booked"; booking: Booking }
  | { type: "transitioned"; booking: Booking; before: Booking }
  | { type: "rescheduled"; booking: Booking; before: Booking }
  | { type: "status_set"; carId: string; from: CarStatus; to: CarStatus; cancelled: Booking[]; at: number };

/** Why a command is refused. */
export type Refusal =
  | { code: "car_not_found" | "car_not_bookable" | "illegal_transition" }
  | { code: "invalid_start"; reason: StartRefusal }
  | { code: "slot_taken"; alternatives: Slot[] }
  | { code: "illegal_status"; status: CarStatus };

/** What a decision depends on besides the calendar. */
export type Circumstances = { carId: string; now: number; newId: string; hours: Hours };

/** What `decide` comes to. Without a change, things are as asked already. */
export type Decision =
  | { ok: true; change: Change }
  | { ok: true; change: undefined; booking: Booking }
  | { ok: false; refusal: Refusal };

const refuse = (refusal: Refusal): Decision => ({ ok: false, refusal });

/** Decides about a command: the change it makes, or why it makes none. */
export function decide(calendar: Calendar, command: Command, circumstances: Circumstances): Decision {
  switch (command.type) {
    case "book":
      return decideBook(calendar, command, circumstances);
    case "transition":
      return decideTransition(calendar, command, circumstances);
    case "reschedule":
      return decideReschedule(calendar, command, circumstances);
    case "set_status":
      return decideSetStatus(calendar, command, circumstances);
  }
}

type Of<Type extends Command["type"]> = Extract<Command, { type: Type }>;

function decideBook(calendar: Calendar, command: Of<"book">, circumstances: Circumstances): Decision {
  const { now, newId } = circumstances;
  const refusal = refuseSlot(calendar, command.startAt, circumstances);
  if (refusal) return refuse(refusal);
  const { carId, customerId, notes, startAt } = command;
  const booking: Booking = {
    id: newId,
    carId,
    customerId,
    ...slotAt(startAt),
    status: "PENDING",
    notes,
    handledBy: null,
    sequence: 0,
    createdAt: now,
    updatedAt: now,
  };
  return { ok: true, change: { type: "booked", booking } };
}

function decideTransition(calendar: Calendar, command: Of<"transition">, { now }: Circumstances): Decision {
  // A booking that is not among the active ones is over, and what is over does not change.
  const before = calendar.active.get(command.bookingId);
  if (!before || !mayBecome(before.status, command.to)) return refuse({ code: "illegal_transition" });
  return {
    ok: true,
    change: {
      type: "transitioned",
      before,
      booking: changed(before, now, { status: command.to, handledBy: command.by ?? before.handledBy }),
    },
  };
}

function decideReschedule(
  calendar: Calendar,
  command: Of<"reschedule">,
  circumstances: Circumstances,
): Decision {
  const before = calendar.active.get(command.bookingId);
  if (!before) return refuse({ code: "illegal_transition" });
  // Asked again after a lost answer, the booking is there already.
  if (before.startAt === command.startAt) return { ok: true, change: undefined, booking: before };
  const refusal = refuseSlot(calendar, command.startAt, circumstances, before.id);
  if (refusal) return refuse(refusal);
  const status = command.confirmed ? before.status : "PENDING";
  const booking = changed(before, circumstances.now, { ...slotAt(command.startAt), status });
  return { ok: true, change: { type: "rescheduled", before, booking } };
}

function decideSetStatus(
  calendar: Calendar,
  command: Of<"set_status">,
  { carId, now }: Circumstances,
): Decision {
  const { status: from } = calendar;
  if (!from) return refuse({ code: "car_not_found" });
  if (!command.from.includes(from)) return refuse({ code: "illegal_status", status: from });
  const cancelled = isBookable(command.to)
    ? []
    : [...calendar.active.values()]
        .filter((booking) => booking.startAt > now)
        .map((booking) => changed(booking, now, { status: "CANCELLED" }));
  return { ok: true, change: { type: "status_set", carId, from, to: command.to, cancelled, at: now } };
}

/** Why no test drive can take the slot at `startAt`; the booking `except` does not count, it is the one that moves. */
function refuseSlot(
  calendar: Calendar,
  startAt: number,
  { now, hours }: Circumstances,
  except?: string,
): Refusal | undefined {
  if (!calendar.status) return { code: "car_not_found" };
  const reason = refuseStart(startAt, now, hours);
  if (reason) return { code: "invalid_start", reason };
  if (!isBookable(calendar.status)) return { code: "car_not_bookable" };
  const slot = slotAt(startAt);
  const taken = [...calendar.active.values()];
  if (taken.some((other) => other.id !== except && overlaps(slot, other)))
    return { code: "slot_taken", alternatives: nearestFree(startAt, taken, now, hours) };
  return undefined;
}

const changed = (before: Booking, now: number, change: Partial<Booking>): Booking => ({
  ...before,
  ...change,
  sequence: before.sequence + 1,
  updatedAt: now,
});

/** Whether a car of this status can be booked. A reserved one can: reservations fall through. */
export const isBookable = (status: CarStatus): boolean => status === "AVAILABLE" || status === "RESERVED";

/** The bookings a change writes, as they are afterwards. */
export const bookingsOf = (change: Change): readonly Booking[] =>
  change.type === "status_set" ? change.cancelled : [change.booking];

/** The calendar after a change. */
export function apply(calendar: Calendar, change: Change): Calendar {
  const active = new Map(calendar.active);
  for (const booking of bookingsOf(change))
    if (isActive(booking.status)) active.set(booking.id, booking);
    else active.delete(booking.id);
  return { status: change.type === "status_set" ? change.to : calendar.status, active };
}
