/** What a notification says, by its kind. Plain data: it is stored as JSON, and says what was true at that moment. */
import type { BookingStatus, NotificationKind } from "../shared/enums.ts";

/** What a message about a booking says of it. Instants in milliseconds. */
export type BookingFacts = {
  startAt: number;
  endAt: number;
  sequence: number;
  status: BookingStatus;
  /** Why it was cancelled, when no person wished so. */
  reason?: "car_sold" | "car_removed";
  /** When it was to begin before it was moved. */
  previousStartAt?: number;
};

/** What a confirmation of a sale says of it. */
export type SaleFacts = {
  /** In cents. */
  price: number;
  /** ISO 4217. */
  currency: string;
  /** Empty when there is none. */
  contractNumber: string;
};

/** The kinds of message that are about a booking. */
export type BookingKind = Extract<NotificationKind, `booking_${string}` | "staff_booking">;

/** A kind of message with the facts that it says, and what they are about. */
export type Content =
  | { kind: BookingKind; bookingId: string; facts: BookingFacts }
  | { kind: "sale_confirmed"; saleId: string; facts: SaleFacts }
  | { kind: "password_reset"; facts: Record<string, never> };

/** A message to be sent to a user, at their e-mail address if they have one, or to a fixed address. */
export type Notice = Content & { to: { userId: string } | { address: string } };
