/** What goes over the wire under /api/bookings. */
import { z } from "@hono/zod-openapi";
import { FIRST_SHOWROOM } from "../db/schema.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, fromBeforeTo, id, instant, prose, rule } from "../http/validation.ts";
import { ASSIGNED_BY, BOOKING_SOURCES, SHOWN_BOOKING_STATUSES } from "../shared/enums.ts";
import { daysBetween, formatInstant, formatSpan } from "../shared/showroom-time.ts";
import { type Booking, shownStatus } from "./booking.ts";
import type { Slot } from "./slots.ts";

/** A booking. */
export const bookingSchema = z
  .object({
    id,
    car: id,
    customer: id,
    start_at: instant,
    end_at: instant,
    status: z.enum(SHOWN_BOOKING_STATUSES),
    showroom: id.openapi({ description: "Where the test drive begins" }),
    held_until: instant.nullable().openapi({
      description: "With HELD and EXPIRED: until when the slot is kept for a customer who has to confirm it",
    }),
    salesperson: id.nullable().openapi({ description: "The user id of the salesperson who drives along" }),
    assigned_by: z.enum(ASSIGNED_BY).nullable().openapi({
      description: "Who chose the salesperson: the showroom's fair order (AUTO), or a member of staff",
    }),
    source: z.enum(BOOKING_SOURCES).openapi({
      description: "Requested by the customer, or made by staff for somebody who rang up or walked in",
    }),
    notes: z.string(),
    reason: z.string().openapi({
      description: "Why it was declined or cancelled, in the words of the person who did it; may be empty",
    }),
    created_at: instant,
  })
  .openapi("Booking");

/** The wire form of a booking at `now`. */
export const bookingBody = (booking: Booking, now: number): z.infer<typeof bookingSchema> => ({
  id: booking.id,
  car: booking.carId,
  customer: booking.customerId,
  start_at: formatInstant(booking.startAt),
  end_at: formatInstant(booking.endAt),
  status: shownStatus(booking, now),
  showroom: booking.showroomId ?? FIRST_SHOWROOM,
  held_until: booking.heldUntil ? formatInstant(booking.heldUntil) : null,
  salesperson: booking.salespersonId ?? null,
  assigned_by: booking.assignedBy ?? null,
  source: booking.source ?? "ONLINE",
  notes: booking.notes,
  // During a deploy, a coordinator of an earlier version sends bookings without some members.
  reason: booking.reason ?? "",
  created_at: formatInstant(booking.createdAt),
});

/** The path of a booking. */
export const bookingPath = (bookingId: string): string => `/api/bookings/${bookingId}/`;

/** The start of a slot as the client sends it. `parseInstant` reads it, because it knows the showroom's zone. */
const start = z.string().max(40).openapi({
  description: "A slot's start. Without an offset it is the showroom's local time.",
  example: "2026-12-01T09:00:00+01:00",
});

/** Body of `POST /`. */
export const newBooking = closed({
  car: id,
  start_at: start,
  notes: prose(2000).optional(),
  customer: id.optional().openapi({
    description: "For staff, and needed by them: the customer who rang up or walked in",
  }),
  salesperson: id.optional().openapi({
    description:
      "For staff: the id of the user or profile of who drives along. Otherwise the showroom's policy decides.",
  }),
}).openapi("NewBooking");

/** Body of `PATCH {id}/reschedule/`. */
export const newStart = closed({ start_at: start }).openapi("NewStart");

/** Body of `PATCH {id}/assign/`. */
export const newSalesperson = closed({
  salesperson: id.nullable().openapi({
    description: "The id of their user or staff profile; null: nobody yet, where showrooms do not assign",
  }),
}).openapi("NewSalesperson");

/** Body of `PATCH {id}/decline/` and `PATCH {id}/cancel/`. It may be left out. */
export const refusal = closed({
  reason: prose(500).optional().openapi({
    description: "Sent to the customer, or to the sales team when the customer cancels",
    example: "The car is in the workshop that day.",
  }),
}).openapi("BookingRefusal");

/** Query of `GET me/`. */
export const myBookingsQuery = closed({ ...pageQuery, status: z.enum(SHOWN_BOOKING_STATUSES).optional() });

/** Query of `GET /`. `date` is the local day of the start, in the showroom of the booking. */
export const bookingsQuery = closed({
  ...pageQuery,
  showroom: id.optional(),
  status: z.enum(SHOWN_BOOKING_STATUSES).optional(),
  car: id.optional(),
  customer: id.optional(),
  salesperson: id.optional(),
  date: day.optional(),
});

/** The maximum number of days in one request for free slots. */
const MAX_DAYS = 31;

type Days = { date?: string | undefined; from?: string | undefined; to?: string | undefined };

const given = (value: unknown): boolean => value !== undefined;

/** Query of `GET /api/cars/{id}/available-slots/`: a `date`, or `from` and `to` (inclusive). */
export const slotsQuery = closed({ date: day.optional(), from: day.optional(), to: day.optional() })
  .check(
    rule<Days>("required", "Give a date, or from and to", (q) => given(q.date ?? q.from ?? q.to), "date"),
  )
  .check(
    rule<Days>(
      "conflict",
      "Give either a date or from and to",
      (q) => !given(q.date) || !given(q.from ?? q.to),
      "date",
    ),
  )
  .check(rule<Days>("required", "Goes with to", (q) => given(q.from) || !given(q.to), "from"))
  .check(rule<Days>("required", "Goes with from", (q) => given(q.to) || !given(q.from), "to"))
  .check(fromBeforeTo)
  .check(
    rule<Days>(
      "too_many_days",
      `At most ${MAX_DAYS} days can be requested at once`,
      ({ from, to }) => !from || !to || daysBetween(from, to) < MAX_DAYS,
      "to",
    ),
  );

/** A free slot, with the showroom's offset. */
export const slotSchema = z
  .object({
    start_at: z.string().openapi({ format: "date-time", example: "2026-12-01T09:00:00+01:00" }),
    end_at: z.string().openapi({ format: "date-time", example: "2026-12-01T10:00:00+01:00" }),
  })
  .openapi("Slot");

/** The wire form of a slot. `timeZone` is the showroom's. */
export const slotBody = (slot: Slot, timeZone: string): z.infer<typeof slotSchema> =>
  formatSpan(slot, timeZone);
