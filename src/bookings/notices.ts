/** Who is told what when a calendar changes. Pure. */
import type { Notice } from "../notifications/outbox.ts";
import type { BookingStatus, NotificationKind } from "../vocabulary.ts";
import type { Booking, Change } from "./calendar.ts";

const KIND_OF_STATUS: Partial<Record<BookingStatus, NotificationKind>> = {
  APPROVED: "booking_approved",
  DECLINED: "booking_declined",
  CANCELLED: "booking_cancelled",
};

/** The notices a change calls for. `staffAddress` is the sales team's mailbox. */
export function noticesOf(change: Change, staffAddress: string): Notice[] {
  const { booking } = change;
  const about = (kind: NotificationKind, to: Notice["to"]): Notice => ({
    kind,
    to,
    bookingId: booking.id,
    facts: factsOf(booking),
  });
  const customer = { userId: booking.customerId };
  switch (change.type) {
    case "booked":
      return [about("booking_received", customer), about("staff_booking", { address: staffAddress })];
    case "transitioned": {
      const kind = KIND_OF_STATUS[booking.status];
      return kind ? [about(kind, customer)] : [];
    }
  }
}

/** What a message about a booking says of it, as it was at that moment. Instants in milliseconds. */
export type BookingFacts = { startAt: number; endAt: number; sequence: number; status: BookingStatus };

const factsOf = ({ startAt, endAt, sequence, status }: Booking): BookingFacts => ({
  startAt,
  endAt,
  sequence,
  status,
});
