/** The test drive as a calendar file (RFC 5545, sent as RFC 5546 has it), for the customer's own calendar. Pure. */
import ical, { ICalCalendarMethod, ICalEventStatus } from "ical-generator";
import { isActive } from "../bookings/booking.ts";
import type { BookingFacts } from "../outbox/notices.ts";
import { oneLine } from "./text.ts";

/** What the file says besides the booking's facts. Instants in milliseconds. */
type CalendarEntry = {
  bookingId: string;
  booking: BookingFacts;
  /** When the fact came about. */
  writtenAt: number;
  /** Year, make and model. */
  car: string;
  carUrl: string;
  organizer: { name: string; email: string };
  attendee: { name: string; email: string };
};

/**
 * Writes the file. The booking's id is its UID and its sequence its SEQUENCE, so that each later file replaces the
 * earlier in the calendar, and one that comes late is ignored; a booking that is off takes its entry away. Instants
 * are in UTC: every calendar shows them in its owner's zone, whatever it knows of the showroom's.
 */
export function calendarFile(entry: CalendarEntry): string {
  const { booking } = entry;
  const on = isActive(booking.status);
  const calendar = ical({
    prodId: { company: "Dealership Edge", product: "Test drives" },
    method: on ? ICalCalendarMethod.REQUEST : ICalCalendarMethod.CANCEL,
  });
  calendar.createEvent({
    id: entry.bookingId,
    sequence: booking.sequence,
    stamp: new Date(entry.writtenAt),
    start: new Date(booking.startAt),
    end: new Date(booking.endAt),
    summary: oneLine(`Test drive: ${entry.car}`),
    location: oneLine(entry.organizer.name),
    url: entry.carUrl,
    status: !on
      ? ICalEventStatus.CANCELLED
      : booking.status === "APPROVED"
        ? ICalEventStatus.CONFIRMED
        : ICalEventStatus.TENTATIVE,
    organizer: { name: oneLine(entry.organizer.name), email: entry.organizer.email },
    attendees: [{ name: oneLine(entry.attendee.name), email: entry.attendee.email }],
  });
  return calendar.toString();
}
