/** The notices of each change of a car. Pure. */
import { type Booking, isOver } from "../bookings/booking.ts";
import type { BookingFacts, BookingKind, Notice } from "../outbox/notices.ts";
import type { BookingStatus } from "../shared/enums.ts";
import type { Change } from "./commands.ts";

const KIND_OF_STATUS: Partial<Record<BookingStatus, BookingKind>> = {
  APPROVED: "booking_approved",
  DECLINED: "booking_declined",
  CANCELLED: "booking_cancelled",
};

/** The notices of a change. `staffAddress` is the mailbox of the sales team. */
export function noticesOf(change: Change, staffAddress: string): Notice[] {
  const staffOf = ({ id }: Booking) => ({ salespersonOf: id, otherwise: staffAddress });
  const handedOver = (booking: Booking, { salespersonId: before }: Booking) => ({
    ...staffOf(booking),
    before,
  });
  switch (change.type) {
    case "booked":
    case "confirmed": {
      const { booking } = change;
      // A hold concerns nobody before it is confirmed.
      if (booking.heldUntil !== null) return [];
      return [
        notice(
          booking.status === "APPROVED" ? "booking_approved" : "booking_received",
          customerOf(booking),
          booking,
        ),
        notice("staff_booking", staffOf(booking), booking),
      ];
    }
    case "transitioned": {
      const { booking, by } = change;
      if (booking.heldUntil !== null) return [];
      const kind = KIND_OF_STATUS[booking.status];
      // An approval after the drive only allows staff to complete it. The customer has nothing to look forward to.
      if (!kind || (booking.status === "APPROVED" && isOver(booking, booking.updatedAt))) return [];
      if (booking.status === "APPROVED") return [notice(kind, customerOf(booking), booking)];
      const toStaff = by === "customer" ? [staffOf(booking)] : salespersonOf(booking, booking.handledBy);
      return [
        notice(kind, customerOf(booking), booking, { by }),
        ...toStaff.map((to) => notice("staff_booking", to, booking, { by })),
      ];
    }
    case "assigned": {
      const { booking, before } = change;
      if (booking.heldUntil !== null) return [];
      return [notice("staff_booking", handedOver(booking, before), booking), ...takenFrom(before, booking)];
    }
    case "rescheduled": {
      const { booking, before } = change;
      const facts = { previousStartAt: before.startAt };
      return [
        notice("booking_rescheduled", customerOf(booking), booking, facts),
        notice("staff_booking", handedOver(booking, before), booking, facts),
        ...takenFrom(before, booking),
      ];
    }
    case "status_changed": {
      const reason = change.to === "SOLD" ? "car_sold" : "car_removed";
      return [
        ...change.cancelled
          .filter(({ heldUntil }) => heldUntil === null)
          .flatMap((booking) => [
            notice("booking_cancelled", customerOf(booking), booking, { reason }),
            ...salespersonOf(booking).map((to) => notice("staff_booking", to, booking, { reason })),
          ]),
        ...saleNotices(change),
      ];
    }
  }
}

function saleNotices({ command }: Extract<Change, { type: "status_changed" }>): Notice[] {
  if (command.type !== "sell") return [];
  const { id, customerId, salePriceCents: price, currency, contractNumber } = command.sale;
  const facts = { price, currency, contractNumber };
  return [{ kind: "sale_confirmed", to: { userId: customerId }, saleId: id, facts }];
}

/** The salesperson of a booking, unless there is none, or they did it themselves. */
const salespersonOf = ({ salespersonId }: Booking, by: string | null = null): Notice["to"][] =>
  salespersonId === null || salespersonId === by ? [] : [{ userId: salespersonId }];

/** The notice to the one who drove along before a change, which is sent if somebody else does after it. */
const takenFrom = ({ salespersonId }: Booking, booking: Booking): Notice[] =>
  salespersonId === null
    ? []
    : [
        notice("staff_booking", { userId: salespersonId, formerOf: booking.id }, booking, {
          handover: "taken",
        }),
      ];

const customerOf = (booking: Booking): Notice["to"] => ({ userId: booking.customerId });

function notice(
  kind: BookingKind,
  to: Notice["to"],
  { id, startAt, endAt, sequence, status }: Booking,
  more: Partial<BookingFacts> = {},
): Notice {
  return { kind, to, bookingId: id, facts: { startAt, endAt, sequence, status, ...more } };
}
