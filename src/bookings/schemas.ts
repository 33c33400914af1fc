/** What goes over the wire under /api/bookings. */
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../http/pagination.ts";
import { closed, formatInstant, id, instant, prose } from "../http/validation.ts";
import { BOOKING_STATUSES } from "../vocabulary.ts";
import type { Booking } from "./calendar.ts";
import { isDate } from "./slots.ts";

/** A booking. */
export const bookingSchema = z
  .object({
    id,
    car: id,
    customer: id,
    start_at: instant,
    end_at: instant,
    status: z.enum(BOOKING_STATUSES),
    notes: z.string(),
    created_at: instant,
  })
  .openapi("Booking");

/** A booking's row or record in its wire form. */
export const bookingBody = (booking: Booking): z.infer<typeof bookingSchema> => ({
  id: booking.id,
  car: booking.carId,
  customer: booking.customerId,
  start_at: formatInstant(booking.startAt),
  end_at: formatInstant(booking.endAt),
  status: booking.status,
  notes: booking.notes,
  created_at: formatInstant(booking.createdAt),
});

/** Where a booking is found. */
export const bookingPath = (bookingId: string): string => `/api/bookings/${bookingId}/`;

/** Body of `POST /`. `start_at` is read by `parseInstant`, which knows the showroom's zone. */
export const newBooking = closed({
  car: id,
  start_at: z.string().max(40).openapi({
    description: "A slot's start. Without an offset it is the showroom's local time.",
    example: "2026-12-01T09:00:00+01:00",
  }),
  notes: prose(2000).optional(),
}).openapi("NewBooking");

/** Query of `GET me/`. */
export const myBookingsQuery = closed({ ...pageQuery, status: z.enum(BOOKING_STATUSES).optional() });

const day = z.string().refine(isDate, "Must be an existing day, written YYYY-MM-DD");

/** Query of `GET /api/cars/{id}/available-slots/`. */
export const slotsQuery = closed({ date: day.openapi({ format: "date", example: "2026-12-01" }) });

/** A free slot, with the showroom's offset. */
export const slotSchema = z
  .object({
    start_at: z.string().openapi({ format: "date-time", example: "2026-12-01T09:00:00+01:00" }),
    end_at: z.string().openapi({ format: "date-time", example: "2026-12-01T10:00:00+01:00" }),
  })
  .openapi("Slot");
