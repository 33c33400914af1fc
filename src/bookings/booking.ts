/** A booking and its transitions. Pure. */
import {
  ACTIVE_BOOKING_STATUSES,
  type AssignedBy,
  type BookingSource,
  type BookingStatus,
  type CarStatus,
  type ShownBookingStatus,
} from "../shared/enums.ts";
import type { TimeSpan } from "../shared/showroom-time.ts";

/** A test drive. Instants in milliseconds since 1970 UTC. */
export type Booking = TimeSpan & {
  id: string;
  carId: string;
  customerId: string;
  status: BookingStatus;
  notes: string;
  /** Why it was declined or cancelled, in the words of who did it. May be empty. */
  reason: string;
  /** The staff member who made the last decision. */
  handledBy: string | null;
  /** The number of changes since creation. */
  sequence: number;
  createdAt: number;
  updatedAt: number;
  /** The showroom where it begins. */
  showroomId: string;
  /** The local day on which it begins, in that showroom. NULL for bookings from before there were several. */
  localDate: string | null;
  /** The drive with its buffers, for which the car is occupied. NULL: without buffers. */
  footprintStartAt: number | null;
  footprintEndAt: number | null;
  /** Until when a hold occupies its slot. NULL: a booking that is no hold, or is confirmed. */
  heldUntil: number | null;
  /** The user id of the salesperson who drives along. */
  salespersonId: string | null;
  /** How it came about. */
  source: BookingSource;
  /** Who chose the salesperson; null when there is none. */
  assignedBy: AssignedBy | null;
};

/** Who drives along, and who chose them. */
export type Assigned = Pick<Booking, "salespersonId" | "assignedBy">;

/** The time for which a booking occupies its car and its salesperson. */
export const footprintOf = (
  booking: Pick<Booking, "startAt" | "endAt" | "footprintStartAt" | "footprintEndAt">,
): TimeSpan => ({
  startAt: booking.footprintStartAt ?? booking.startAt,
  endAt: booking.footprintEndAt ?? booking.endAt,
});

/** Whether a booking is a hold that has ended, so that it occupies nothing. */
export const isExpired = ({ heldUntil }: Pick<Booking, "heldUntil">, now: number): boolean =>
  heldUntil !== null && heldUntil <= now;

/** The status that clients see at `now`: of a hold, which is PENDING, HELD or EXPIRED. */
export const shownStatus = (
  booking: Pick<Booking, "status" | "heldUntil">,
  now: number,
): ShownBookingStatus =>
  booking.status !== "PENDING" || !booking.heldUntil
    ? booking.status
    : isExpired(booking, now)
      ? "EXPIRED"
      : "HELD";

/** The statuses that may follow each status. */
const TRANSITIONS: Readonly<Record<BookingStatus, readonly BookingStatus[]>> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
  DECLINED: [],
  CANCELLED: [],
  COMPLETED: [],
  NO_SHOW: [],
};

/** Whether the transition is allowed. A hold can only be cancelled, until it expires; its confirmation is none. */
export const canTransition = (
  booking: Pick<Booking, "status" | "heldUntil">,
  to: BookingStatus,
  now: number,
) =>
  TRANSITIONS[booking.status].includes(to) &&
  (booking.heldUntil === null || (to === "CANCELLED" && !isExpired(booking, now)));

/** Why a transition is too early or too late. A drive can be completed, or missed, only once it has begun. */
export function checkTime(
  { startAt, endAt }: TimeSpan,
  to: BookingStatus,
  now: number,
): "too_early" | "too_late" | undefined {
  if ((to === "COMPLETED" || to === "NO_SHOW") && now < startAt) return "too_early";
  if (to === "CANCELLED" && isOver({ endAt }, now)) return "too_late";
  return undefined;
}

/** Whether the time of a booking has passed, so that nobody can move or cancel it. */
export const isOver = ({ endAt }: Pick<TimeSpan, "endAt">, now: number): boolean => endAt <= now;

/** Whether a booking with this status occupies its slot. */
export const isActive = (status: BookingStatus): boolean =>
  (ACTIVE_BOOKING_STATUSES as readonly BookingStatus[]).includes(status);

/** Whether a car with this status can be booked and sold. RESERVED counts, because a reservation may be dropped. */
export const isBookable = (status: CarStatus): boolean => status === "AVAILABLE" || status === "RESERVED";
