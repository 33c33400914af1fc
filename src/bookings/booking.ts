/** A booking, and the states that it goes through. Pure. */
import { ACTIVE_BOOKING_STATUSES, type BookingStatus } from "../shared/enums.ts";
import type { TimeSpan } from "../shared/showroom-time.ts";

/** A test drive. Instants in milliseconds since 1970 UTC. */
export type Booking = TimeSpan & {
  id: string;
  carId: string;
  customerId: string;
  status: BookingStatus;
  notes: string;
  /** The staff member who decided about it last. */
  handledBy: string | null;
  /** How often it was changed since it was created. */
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

/** Whether a booking may go from one status to another. */
export const canTransition = (from: BookingStatus, to: BookingStatus): boolean =>
  TRANSITIONS[from].includes(to);

/** Whether a booking in this status occupies its slot. */
export const isActive = (status: BookingStatus): boolean =>
  (ACTIVE_BOOKING_STATUSES as readonly BookingStatus[]).includes(status);
