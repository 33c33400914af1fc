/** The calendar file of a test drive for the customer (RFC 5545, sent according to RFC 5546). Pure. */
import ical, { ICalCalendarMethod, ICalEventStatus } from "ical-generator";
import { isActive } from "../bookings/booking.ts";
import type { BookingFacts } from "../outbox/notices.ts";
import { oneLine } from "./text.ts";

/** The content of the file. Instants in milliseconds. */
type CalendarEntry = {
  bookingId: string;
  booking: BookingFacts;
  /** When the fact was committed. */
  writtenAt: number;
  /** Year, make and model. */
  car: string;
  carUrl: string;
  organizer: { name: string; email: string };
  /** Where the drive begins. The address may be empty. */
  place: { name: string; address: string; geo?: { lat: number; lon: number } };
  attendee: { name: string; email: string };
};

/**
 * Writes the file. UID is the booking's id and SEQUENCE its sequence, so that in the calendar a later file replaces an
 * earlier one, and an earlier one that arrives late is ignored. The file of a cancelled booking removes the entry.
 * Instants are in UTC, so that no calendar needs to know the showroom's zone.
 */
export function calendarFile(entry: CalendarEntry): string {
  const { booking, place } = entry;
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
    location: {
      title: oneLine([place.name, place.address].filter((text) => text !== "").join(", ")),
      ...(place.geo ? { geo: place.geo } : {}),
    },
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
