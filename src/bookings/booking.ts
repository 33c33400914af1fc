/** A booking and its transitions. Pure. */
import { ACTIVE_BOOKING_STATUSES, type BookingStatus, type CarStatus } from "../shared/enums.ts";
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
};

/** The statuses that may follow each status. */
const TRANSITIONS: Readonly<Record<BookingStatus, readonly BookingStatus[]>> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
  DECLINED: [],
  CANCELLED: [],
  COMPLETED: [],
  NO_SHOW: [],
};

/** Whether the transition is allowed. */
export const canTransition = (from: BookingStatus, to: BookingStatus): boolean =>
  TRANSITIONS[from].includes(to);

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
