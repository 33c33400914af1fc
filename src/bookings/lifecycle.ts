/** The states of a booking and the ways between them. */
import { ACTIVE_BOOKING_STATUSES, type BookingStatus } from "../shared/enums.ts";

/** Where a booking may go from where it is. What is not listed is over. */
const NEXT: Readonly<Record<BookingStatus, readonly BookingStatus[]>> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
  DECLINED: [],
  CANCELLED: [],
  COMPLETED: [],
  NO_SHOW: [],
};

/** Whether a booking may go from one status to another. */
export const mayBecome = (from: BookingStatus, to: BookingStatus): boolean => NEXT[from].includes(to);

/** Whether a booking in this status occupies its slot. */
export const isActive = (status: BookingStatus): boolean =>
  (ACTIVE_BOOKING_STATUSES as readonly BookingStatus[]).includes(status);
