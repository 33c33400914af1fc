/** Who is told what when a calendar changes. Pure. */
import type { Notice } from "../outbox/outbox.ts";
import type { BookingStatus, NotificationKind } from "../shared/enums.ts";
import type { Booking, Change } from "./commands.ts";

/**
 * What a message about a booking says of it, as it was at that moment. Instants in milliseconds. `reason`: why it
 * was called off, when that was not a person's wish. `previousStartAt`: where it was before it was moved.
 */
export type BookingFacts = {
  startAt: number;
  endAt: number;
  sequence: number;
  status: BookingStatus;
  reason?: "car_sold" | "car_removed";
  previousStartAt?: number;
};

const KIND_OF_STATUS: Partial<Record<BookingStatus, NotificationKind>> = {
  APPROVED: "booking_approved",
  DECLINED: "booking_declined",
  CANCELLED: "booking_cancelled",
};

/** The notices a change calls for. `staffAddress` is the sales team's mailbox. */
export function noticesOf(change: Change, staffAddress: string): Notice[] {
  const staff = { address: staffAddress };
  switch (change.type) {
    case "booked": {
      const { booking } = change;
      return [
        notice("booking_received", customerOf(booking), booking),
        notice("staff_booking", staff, booking),
      ];
    }
    case "transitioned": {
      const { booking } = change;
      const kind = KIND_OF_STATUS[booking.status];
      return kind ? [notice(kind, customerOf(booking), booking)] : [];
    }
    case "rescheduled": {
      const { booking, before } = change;
      const facts = { previousStartAt: before.startAt };
      return [
        notice("booking_rescheduled", customerOf(booking), booking, facts),
        notice("staff_booking", staff, booking, facts),
      ];
    }
    case "status_set": {
      const reason = change.to === "SOLD" ? "car_sold" : "car_removed";
      return change.cancelled.map((booking) =>
        notice("booking_cancelled", customerOf(booking), booking, { reason }),
      );
    }
  }
}

const customerOf = (booking: Booking): Notice["to"] => ({ userId: booking.customerId });

function notice(
  kind: NotificationKind,
  to: Notice["to"],
  { id, startAt, endAt, sequence, status }: Booking,
  more: Partial<BookingFacts> = {},
): Notice {
  const facts: BookingFacts = { startAt, endAt, sequence, status, ...more };
  return { kind, to, bookingId: id, facts };
}
