/** A booking and its transitions. Pure. */
import { ACTIVE_BOOKING_STATUSES, type BookingStatus } from "../shared/enums.ts";
import type { TimeSpan } from "../shared/showroom-time.ts";

/** A test drive. Instants in milliseconds since 1970 UTC. */
export type Booking = TimeSpan & {
  id: string;
  carId: string;
  customerId: string;
  status: BookingStatus;
  notes: string;
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

/** Whether a booking with this status occupies its slot. */
export const isActive = (status: BookingStatus): boolean =>
  (ACTIVE_BOOKING_STATUSES as readonly BookingStatus[]).includes(status);
