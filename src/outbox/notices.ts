/** The facts of notifications by kind. Plain data: stored as JSON, true at the moment of writing. */
import type { BookingStatus, NotificationKind } from "../shared/enums.ts";

/** The facts of a booking. Instants in milliseconds. */
export type BookingFacts = {
  startAt: number;
  endAt: number;
  sequence: number;
  status: BookingStatus;
  /** Who declined or cancelled it, when a person did. Their words are the booking's own `reason`. */
  by?: "customer" | "staff";
  /** The reason of a cancellation that no person requested, or `account_closed`: that of the customer. */
  reason?: "car_sold" | "car_removed" | "account_closed";
  /** The start before the booking was moved. */
  previousStartAt?: number;
  /** To staff: the drive was given to the reader, or was taken from them. The batch that writes it knows. */
  handover?: "given" | "taken";
};

/** The facts of a sale. */
export type SaleFacts = {
  /** In cents. */
  price: number;
  /** ISO 4217. */
  currency: string;
  /** May be empty. */
  contractNumber: string;
};

/** What happens to an address: it is removed at once, or replaced once the new one is verified. */
export type AddressFacts = { isRemoval: boolean };

/** The facts of an account that was closed. Of its user they hold the id only, so that an erasure leaves no name here. */
export type ClosingFacts = {
  userId: string;
  /** The username of the ADMIN who closed it, or null when the user did. */
  by: string | null;
  /** Whether the personal data was erased, too. */
  erased: 0 | 1;
  /** The test drives that were cancelled with it. */
  drives: Array<{ car: string; startAt: number; endAt: number; timeZone?: string | null }>;
};

/** The kinds of notification about a booking. */
export type BookingKind = Extract<NotificationKind, `booking_${string}` | "staff_booking">;

/** A kind of notification with its facts and its subject. */
export type Content =
  | { kind: BookingKind; bookingId: string; facts: BookingFacts }
  | { kind: "sale_confirmed"; saleId: string; facts: SaleFacts }
  | { kind: "password_reset" | "email_verification"; facts: Record<string, never> }
  | { kind: "email_changed"; facts: AddressFacts }
  | { kind: "staff_user_deactivated"; facts: ClosingFacts };

/**
 * A notification to one of:
 * - a user, at their e-mail address if they have one, or at the given one;
 * - an address without a user;
 * - the salesperson of a booking. When nobody drives along, or they have no address, it goes to the booking's showroom,
 *   and last to `otherwise`. `before`: who it was; somebody else reads that the drive was given to them;
 * - the user who was the salesperson of a booking (`formerOf`), unless they still are.
 *
 * Salespeople are those of the batch that writes the notification. Staff who have left get none.
 */
export type Notice = Content & {
  to:
    | { userId: string; address?: string }
    | { address: string }
    | { salespersonOf: string; otherwise: string; before?: string | null }
    | { userId: string; formerOf: string };
};
