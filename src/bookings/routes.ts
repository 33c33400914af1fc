/** /api/bookings, and the slots of a car. */
import type { Context } from "hono";
import type { z } from "zod";
import {
  askAs,
  callerOf,
  claimedBy,
  foundGood,
  isStaff,
  type OperationId,
  operation,
  signedIn,
} from "../auth/access.ts";
import { calendarOf } from "../car-coordinator/car-coordinator.ts";
import type { Outcome } from "../car-coordinator/car-writer.ts";
import type { Booking, Command } from "../car-coordinator/commands.ts";
import { all, columnsOf, type Query, query } from "../db/query.ts";
import { bookings } from "../db/schema.ts";
import type { AppEnv } from "../http/context.ts";
import { once } from "../http/idempotency.ts";
import { framePage, type Page, pageOf, window } from "../http/pagination.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody, jsonText } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import type { BookingStatus } from "../shared/enums.ts";
import { daySpan, parseInstant } from "../shared/showroom-time.ts";
import {
  bookingBody,
  bookingPath,
  bookingSchema,
  bookingsQuery,
  myBookingsQuery,
  newBooking,
  newStart,
  slotBody,
  slotSchema,
  slotsQuery,
} from "./schemas.ts";
import type { StartRefusal } from "./slots.ts";

const tags = ["Bookings"];

/** The routes under /api/bookings. */
export const bookingRoutes = createRouter()
  .openapi(
    operation(
      "createBooking",
      ["car_not_found", "car_not_bookable", "slot_taken", "idempotency_key_reused", "busy"],
      {
        method: "post",
        path: "/",
        tags,
        summary: "Ask for a test drive",
        request: { body: jsonBody(newBooking) },
        responses: { 201: jsonAnswer("The booking, waiting for approval", bookingSchema, "Location") },
      },
    ),
    async (c) => {
      const body = c.req.valid("json");
      const caller = claimedBy(c);
      const command = {
        type: "book",
        carId: body.car,
        customerId: caller.id,
        startAt: readStart(c, body.start_at),
        notes: body.notes ?? "",
      } as const;
      return once(c, caller.id, body, async (claim) => {
        const attached = { claim, alongside: [signedIn(caller)] };
        const outcome = await calendarOf(c.env, body.car).perform(command, attached, caller);
        if (outcome.ok || outcome.isSignedIn) foundGood(c, caller);
        const booking = settle(c, outcome);
        return c.json(bookingBody(booking), 201, { Location: bookingPath(booking.id) });
      });
    },
  )
  .openapi(
    operation("listMyBookings", ["not_found"], {
      method: "get",
      path: "/me/",
      tags,
      summary: "My test drives, newest start first",
      request: { query: myBookingsQuery },
      responses: { 200: jsonAnswer("One page of them", pageOf(bookingSchema)) },
    }),
    async (c) => {
      const asked = c.req.valid("query");
      const which = all(query`customer_id = ${claimedBy(c).id}`, hasStatus(asked.status));
      return c.json(await page(c, asked, which), 200);
    },
  )
  .openapi(
    operation("listBookings", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "Everybody's test drives, newest start first",
      request: { query: bookingsQuery },
      responses: { 200: jsonAnswer("One page of them", pageOf(bookingSchema)) },
    }),
    async (c) => {
      const asked = c.req.valid("query");
      const which = all(
        hasStatus(asked.status),
        asked.car ? query`car_id = ${asked.car}` : undefined,
        asked.customer ? query`customer_id = ${asked.customer}` : undefined,
        asked.date ? startsOn(asked.date, c.get("config").showroom.timeZone) : undefined,
      );
      return c.json(await page(c, asked, which), 200);
    },
  )
  .openapi(
    operation("getBooking", ["not_found"], {
      method: "get",
      path: "/{id}/",
      tags,
      summary: "One test drive",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The booking", bookingSchema) },
    }),
    async (c) => c.json(bookingBody(await visibleBooking(c, c.req.valid("param").id)), 200),
  )
  .openapi(transition("approveBooking", "approve", "Agree to a test drive"), async (c) =>
    c.json(await become(c, c.req.valid("param").id, "APPROVED"), 200),
  )
  .openapi(transition("declineBooking", "decline", "Turn a test drive down"), async (c) =>
    c.json(await become(c, c.req.valid("param").id, "DECLINED"), 200),
  )
  .openapi(transition("completeBooking", "complete", "Record that the drive took place"), async (c) =>
    c.json(await become(c, c.req.valid("param").id, "COMPLETED"), 200),
  )
  .openapi(transition("markBookingNoShow", "no-show", "Record that the customer did not come"), async (c) =>
    c.json(await become(c, c.req.valid("param").id, "NO_SHOW"), 200),
  )
  .openapi(transition("cancelBooking", "cancel", "Call a test drive off"), async (c) =>
    c.json(await become(c, c.req.valid("param").id, "CANCELLED"), 200),
  )
  .openapi(
    operation(
      "rescheduleBooking",
      ["not_found", "car_not_bookable", "slot_taken", "illegal_transition", "busy"],
      {
        method: "patch",
        path: "/{id}/reschedule/",
        tags,
        summary: "Move a test drive to another time",
        description:
          "The old time is held until the new one is won. Moved by its customer, the booking waits for approval again.",
        request: { params: idParam, body: jsonBody(newStart) },
        responses: { 200: jsonAnswer("The booking as it is now", bookingSchema) },
      },
    ),
    async (c) => {
      const startAt = readStart(c, c.req.valid("json").start_at);
      const booking = await visibleBooking(c, c.req.valid("param").id);
      const confirmed = isStaff(callerOf(c));
      const command: Command = { type: "reschedule", bookingId: booking.id, startAt, confirmed };
      const changed = settle(c, await calendarOf(c.env, booking.carId).perform(command));
      return c.json(bookingBody(changed), 200);
    },
  );

/** The routes under /api/cars that ask the calendar. */
export const slotRoutes = createRouter().openapi(
  operation("listAvailableSlots", ["car_not_found"], {
    method: "get",
    path: "/{id}/available-slots/",
    tags: ["Cars"],
    summary: "When a car can be driven on a day, or on the days from one to another",
    description: "Takes either `date`, or `from` and `to` (inclusive, at most 31 days).",
    request: { params: idParam, query: slotsQuery },
    responses: { 200: jsonAnswer("Free future slots, earliest first", slotSchema.array()) },
  }),
  async (c) => {
    const { date = "", from = date, to = date } = c.req.valid("query");
    const outcome = await calendarOf(c.env, c.req.valid("param").id).openSlots(from, to);
    if (typeof outcome !== "string") throw new Problem(outcome.code);
    return jsonText<z.infer<typeof slotSchema>[]>(c, outcome);
  },
);

/** The route by which a booking changes its status. */
function transition<Verb extends string>(id: OperationId, verb: Verb, summary: string) {
  return operation(id, ["not_found", "illegal_transition", "busy"], {
    method: "patch",
    path: `/{id}/${verb}/`,
    tags,
    summary,
    request: { params: idParam },
    responses: { 200: jsonAnswer("The booking as it is now", bookingSchema) },
  });
}

/** Changes the status of a booking that the caller sees; returns it in its wire form. */
async function become(c: Context<AppEnv>, id: string, to: BookingStatus) {
  const booking = await visibleBooking(c, id);
  const caller = callerOf(c);
  const by = isStaff(caller) ? caller.id : undefined;
  const command: Command = { type: "transition", bookingId: booking.id, to, by };
  return bookingBody(settle(c, await calendarOf(c.env, booking.carId).perform(command)));
}

const hasStatus = (status: BookingStatus | undefined): Query | undefined =>
  status && query`status = ${status}`;

/** That a booking starts on a local day. */
function startsOn(date: string, timeZone: string): Query {
  const { from = 0, to = 0 } = daySpan(date, date, timeZone);
  return query`start_at >= ${from} AND start_at < ${to}`;
}

const BOOKING = columnsOf(bookings, "bookings");

/** One page of the bookings that match, newest start first. */
async function page(c: Context<AppEnv>, asked: Page, which: Query) {
  const { limit, offset } = window(asked);
  const [rows, [total]] = await askAs(
    c,
    query<Booking>`SELECT ${BOOKING} FROM bookings WHERE ${which} ORDER BY start_at DESC, id DESC LIMIT ${limit} OFFSET ${offset}`,
    query<{ count: number }>`SELECT count(*) AS count FROM bookings WHERE ${which}`,
  );
  return framePage(c, asked, total?.count ?? 0, rows.map(bookingBody));
}

/** Reads the start a client sent; throws a problem that names it when it is no instant. */
function readStart(c: Context<AppEnv>, text: string): number {
  const startAt = parseInstant(text, c.get("config").showroom.timeZone);
  if (startAt === undefined) throw startProblem("invalid_instant");
  return startAt;
}

/** The booking, if it exists and the caller may see it: staff sees all, a customer their own. */
async function visibleBooking(c: Context<AppEnv>, id: string): Promise<Booking> {
  const [[booking]] = await askAs(c, query<Booking>`SELECT ${BOOKING} FROM bookings WHERE id = ${id}`);
  const caller = callerOf(c);
  if (!booking || !(isStaff(caller) || booking.customerId === caller.id)) throw new Problem("not_found");
  return booking;
}

/** The booking that a command came to. Refusals become problems. */
function settle(c: Context<AppEnv>, outcome: Outcome): Booking {
  if (outcome.ok) {
    if (outcome.bookmark) c.header("X-D1-Bookmark", outcome.bookmark);
    if (outcome.booking) return outcome.booking;
    throw new Error("the command was not about a booking");
  }
  const { refusal } = outcome;
  const { timeZone } = c.get("config").showroom;
  switch (refusal.code) {
    case "invalid_start":
      throw startProblem(refusal.reason);
    case "slot_taken":
      throw new Problem("slot_taken", undefined, {
        members: { alternatives: refusal.alternatives.map((slot) => slotBody(slot, timeZone)) },
      });
    case "rejected":
      // Of somebody who may not ask, the guard says why not. Anything else is a store that cannot make up its mind.
      throw new Problem(refusal.violation === "not_signed_in" ? "forbidden" : "unavailable");
    case "illegal_status":
      throw new Error("a booking command was answered about the car's status");
    default:
      throw new Problem(refusal.code);
  }
}

const START_MESSAGES: Record<StartRefusal | "invalid_instant", string> = {
  invalid_instant: "Must be an existing ISO 8601 date and time",
  in_the_past: "Must be in the future",
  too_far_ahead: "Is further ahead than bookings are taken",
  not_a_slot: "Must be on the hour from 09:00 to 16:00, showroom time",
};

const startProblem = (reason: StartRefusal | "invalid_instant"): Problem =>
  invalid([{ field: "start_at", code: reason, message: START_MESSAGES[reason] }]);
