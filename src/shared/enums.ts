/** The enumerations that clients, rules and the database share. */

/** The roles of users. `auth/access.ts` says which operations each role may call. */
export const ROLES = ["ADMIN", "SALES", "CUSTOMER"] as const;
export type Role = (typeof ROLES)[number];

/** The roles that work for the dealership. */
export const STAFF_ROLES = ["ADMIN", "SALES"] as const satisfies readonly Role[];

export const CAR_STATUSES = ["AVAILABLE", "RESERVED", "SOLD", "REMOVED"] as const;
export type CarStatus = (typeof CAR_STATUSES)[number];

export const CAR_LOCATIONS = ["SHOWROOM", "WAREHOUSE"] as const;
export const FUEL_TYPES = ["PETROL", "DIESEL", "HYBRID", "ELECTRIC", "CNG", "LPG"] as const;
export const TRANSMISSIONS = ["MANUAL", "AUTOMATIC", "CVT", "DUAL_CLUTCH"] as const;
export const DRIVE_TYPES = ["FWD", "RWD", "AWD", "4WD"] as const;
export const BODY_TYPES = [
  "SEDAN",
  "HATCHBACK",
  "SUV",
  "COUPE",
  "CONVERTIBLE",
  "WAGON",
  "VAN",
  "PICKUP",
  "OTHER",
] as const;

export const BOOKING_STATUSES = [
  "PENDING",
  "APPROVED",
  "DECLINED",
  "CANCELLED",
  "COMPLETED",
  "NO_SHOW",
] as const;
export type BookingStatus = (typeof BOOKING_STATUSES)[number];

/** The statuses that clients see: a booking that is not confirmed is HELD until its hold ends, and EXPIRED after that. */
export const SHOWN_BOOKING_STATUSES = [...BOOKING_STATUSES, "HELD", "EXPIRED"] as const;
export type ShownBookingStatus = (typeof SHOWN_BOOKING_STATUSES)[number];

/** The booking statuses that occupy a slot. */
export const ACTIVE_BOOKING_STATUSES = ["PENDING", "APPROVED"] as const satisfies readonly BookingStatus[];

/** How bookings of a showroom get their salesperson: by hand, or by its fair order. */
export const ASSIGNMENTS = ["NONE", "AUTOMATIC"] as const;
/** How a booking came about: requested by its customer, or made by staff for somebody who rang up or walked in. */
export const BOOKING_SOURCES = ["ONLINE", "STAFF"] as const;
/** Who chose the salesperson of a booking: the showroom's fair order, or a member of staff. */
export const ASSIGNED_BY = ["AUTO", "STAFF"] as const;
/** What can be in one place only at one time. */
export const RESOURCE_KINDS = ["CAR", "CUSTOMER", "SALESPERSON"] as const;
/** A kind of what can be in one place only at one time. */
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

export const PAYMENT_METHODS = ["CASH", "CARD", "FINANCING", "BANK_TRANSFER", "OTHER"] as const;

export const NOTIFICATION_STATUSES = ["PENDING", "SENT", "FAILED"] as const;
export const NOTIFICATION_KINDS = [
  "booking_received",
  "booking_approved",
  "booking_declined",
  "booking_cancelled",
  "booking_rescheduled",
  "booking_reminder",
  "sale_confirmed",
  "password_reset",
  "email_verification",
  "email_changed",
  "staff_booking",
  "staff_user_deactivated",
] as const;
export type NotificationKind = (typeof NOTIFICATION_KINDS)[number];
/** How a booking came about. */
export type BookingSource = (typeof BOOKING_SOURCES)[number];
/** Who chose the salesperson of a booking. */
export type AssignedBy = (typeof ASSIGNED_BY)[number];
/** How bookings of a showroom get their salesperson. */
export type Assignment = (typeof ASSIGNMENTS)[number];
