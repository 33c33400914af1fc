/** Test drives as calendar data (RFC 5545): the file in a customer's mail (RFC 5546), and the feed of a salesperson. Pure. */
import ical, { ICalCalendarMethod, type ICalEventData, ICalEventStatus } from "ical-generator";
import { isActive } from "../bookings/booking.ts";
import type { BookingFacts } from "../outbox/notices.ts";
import { linesOf, oneLine } from "./text.ts";

/** A test drive in a calendar. Instants in milliseconds. */
export type CalendarEntry = {
  bookingId: string;
  booking: Pick<BookingFacts, "startAt" | "endAt" | "sequence" | "status">;
  /** When the fact was committed. */
  writtenAt: number;
  /** Year, make and model. */
  car: string;
  carUrl: string;
  /** Where the drive begins. The address may be empty. */
  place: { name: string; address: string; geo?: { lat: number; lon: number } };
};

/** An entry in the file for its customer. */
type Invitation = CalendarEntry & {
  organizer: { name: string; email: string };
  attendee: { name: string; email: string };
};

const prodId = { company: "Dealership Edge", product: "Test drives" };

/**
 * Writes the file. UID is the booking's id and SEQUENCE its sequence, so that in the calendar a later file replaces an
 * earlier one, and an earlier one that arrives late is ignored. The file of a cancelled booking removes the entry.
 * Instants are in UTC, so that no calendar needs to know the showroom's zone.
 */
export function calendarFile(entry: Invitation): string {
  const on = isActive(entry.booking.status);
  const calendar = ical({ prodId, method: on ? ICalCalendarMethod.REQUEST : ICalCalendarMethod.CANCEL });
  calendar.createEvent({
    ...eventOf(entry),
    organizer: { name: oneLine(entry.organizer.name), email: entry.organizer.email },
    attendees: [{ name: oneLine(entry.attendee.name), email: entry.attendee.email }],
  });
  return calendar.toString();
}

/** An entry in the feed of who drives along. `description`: lines about the customer. */
type FeedEntry = CalendarEntry & { customer: string; description: string };

/** How often calendar programs ask for a feed again, if they follow it. */
const FEED_TTL_SECONDS = 15 * 60;

/**
 * Writes a feed, which is always the whole calendar: programs drop what is no longer in it. So drives that were cancelled,
 * or given to somebody else, are left out; some programs would show them in spite of STATUS:CANCELLED.
 */
export function calendarFeed(name: string, entries: readonly FeedEntry[]): string {
  const calendar = ical({
    prodId,
    method: ICalCalendarMethod.PUBLISH,
    name: oneLine(name),
    ttl: FEED_TTL_SECONDS,
  });
  for (const entry of entries)
    calendar.createEvent({
      ...eventOf(entry),
      summary: oneLine(`Test drive: ${entry.car}, ${entry.customer}`),
      description: linesOf(entry.description).join("\n"),
    });
  return calendar.toString();
}

function eventOf({ bookingId, booking, writtenAt, car, carUrl, place }: CalendarEntry): ICalEventData {
  return {
    id: bookingId,
    sequence: booking.sequence,
    stamp: new Date(writtenAt),
    start: new Date(booking.startAt),
    end: new Date(booking.endAt),
    summary: oneLine(`Test drive: ${car}`),
    location: {
      title: oneLine([place.name, place.address].filter((text) => text !== "").join(", ")),
      ...(place.geo ? { geo: place.geo } : {}),
    },
    url: carUrl,
    status: STATUS[booking.status],
  };
}

/** A drive that took place, or was missed, stays in a salesperson's calendar as it was agreed. */
const STATUS = {
  PENDING: ICalEventStatus.TENTATIVE,
  APPROVED: ICalEventStatus.CONFIRMED,
  COMPLETED: ICalEventStatus.CONFIRMED,
  NO_SHOW: ICalEventStatus.CONFIRMED,
  DECLINED: ICalEventStatus.CANCELLED,
  CANCELLED: ICalEventStatus.CANCELLED,
} as const satisfies Record<BookingFacts["status"], ICalEventStatus>;
