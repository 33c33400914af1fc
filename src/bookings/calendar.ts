/**
 * The calendar of one car: what a command does to it. Pure, with the time and new ids passed in. `decide` says what
 * would change or why not; once that change is committed, `apply` makes it so in memory.
 */
import type { BookingStatus, CarStatus } from "../vocabulary.ts";
import { isActive, mayBecome } from "./lifecycle.ts";
import {
  type Hours,
  nearestFree,
  overlaps,
  refuseStart,
  type Slot,
  type StartRefusal,
  slotAt,
} from "./slots.ts";

/** A test drive. Instants in milliseconds since 1970 UTC. */
export type Booking = Slot & {
  id: string;
  carId: string;
  customerId: string;
  status: BookingStatus;
  notes: string;
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
  | { type: "transition"; bookingId: string; to: BookingStatus };

/** What a command changes. `before` is the booking as it was. */
export type Change =
  | { type: "booked"; booking: Booking }
  | { type: "transitioned"; booking: Booking; before: Booking };

/** Why a command is refused. */
export type Refusal =
  | { code: "car_not_found" | "car_not_bookable" | "illegal_transition" }
  | { code: "invalid_start"; reason: StartRefusal }
  | { code: "slot_taken"; alternatives: Slot[] };

/** What a decision depends on besides the calendar. */
export type Circumstances = { now: number; newId: string; hours: Hours };

/** What `decide` comes to. */
export type Decision = { ok: true; change: Change } | { ok: false; refusal: Refusal };

const refuse = (refusal: Refusal): Decision => ({ ok: false, refusal });

/** Decides about a command: the change it makes, or why it makes none. */
export function decide(calendar: Calendar, command: Command, circumstances: Circumstances): Decision {
  switch (command.type) {
    case "book":
      return decideBook(calendar, command, circumstances);
    case "transition":
      return decideTransition(calendar, command, circumstances);
  }
}

function decideBook(
  calendar: Calendar,
  command: Command & { type: "book" },
  { now, newId, hours }: Circumstances,
): Decision {
  if (!calendar.status) return refuse({ code: "car_not_found" });
  const reason = refuseStart(command.startAt, now, hours);
  if (reason) return refuse({ code: "invalid_start", reason });
  if (!isBookable(calendar.status)) return refuse({ code: "car_not_bookable" });
  const slot = slotAt(command.startAt);
  const taken = [...calendar.active.values()];
  if (taken.some((other) => overlaps(slot, other)))
    return refuse({ code: "slot_taken", alternatives: nearestFree(slot.startAt, taken, now, hours) });
  const { carId, customerId, notes } = command;
  const booking: Booking = {
    id: newId,
    carId,
    customerId,
    ...slot,
    status: "PENDING",
    notes,
    sequence: 0,
    createdAt: now,
    updatedAt: now,
  };
  return { ok: true, change: { type: "booked", booking } };
}

function decideTransition(
  calendar: Calendar,
  command: Command & { type: "transition" },
  { now }: Circumstances,
): Decision {
  // A booking that is not among the active ones is over, and what is over does not change.
  const before = calendar.active.get(command.bookingId);
  if (!before || !mayBecome(before.status, command.to)) return refuse({ code: "illegal_transition" });
  const booking = { ...before, status: command.to, sequence: before.sequence + 1, updatedAt: now };
  return { ok: true, change: { type: "transitioned", booking, before } };
}

/** Whether a car of this status can be booked. A reserved one can: reservations fall through. */
export const isBookable = (status: CarStatus): boolean => status === "AVAILABLE" || status === "RESERVED";

/** The calendar after a change. */
export function apply(calendar: Calendar, { booking }: Change): Calendar {
  const active = new Map(calendar.active);
  if (isActive(booking.status)) active.set(booking.id, booking);
  else active.delete(booking.id);
  return { ...calendar, active };
}
