/** /api/bookings, and the slots of a car. */
import type { Context } from "hono";
import { claimedCaller, claimedOfItsKind, claimedStaff, operation } from "../auth/operation.ts";
import { notModifiedAnswer } from "../http/conditional.ts";
import type { AppEnv } from "../http/context.ts";
import { once } from "../http/idempotency.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { unwrap } from "../http/problems.ts";
import { answerRead } from "../http/public-cache.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody, optionalJsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { isStaff } from "../shared/callers.ts";
import type { BookingStatus } from "../shared/enums.ts";
import type { Booking } from "./booking.ts";
import {
  bookingBody,
  bookingPath,
  bookingSchema,
  bookingsQuery,
  myBookingsQuery,
  newBooking,
  newSalesperson,
  newStart,
  refusal,
  slotBody,
  slotSchema,
  slotsQuery,
} from "./schemas.ts";
import {
  assignBooking,
  bookForCustomer,
  createBooking,
  getBooking,
  listAvailableSlots,
  listBookings,
  listOwnBookings,
  rescheduleBooking,
  transitionBooking,
} from "./use-cases.ts";

const tags = ["Bookings"];

const TRANSITION_PROBLEMS = ["not_found", "illegal_transition", "busy"] as const;

/** What the operations of all transitions have in common. */
const transition = <Verb extends string>(verb: Verb) =>
  ({
    method: "patch",
    path: `/{id}/${verb}`,
    tags,
    responses: { 200: jsonAnswer("The booking as it is now", bookingSchema) },
  }) as const;

/** The routes under /api/bookings. */
export const bookingRoutes = createRouter()
  .openapi(
    operation(
      "createBooking",
      [
        "car_not_found",
        "car_not_bookable",
        "slot_taken",
        "customer_busy",
        "no_salesperson_free",
        "salesperson_absent",
        "salesperson_busy",
        "email_not_verified",
        "too_many_bookings",
        "too_many_changes",
        "idempotency_key_reused",
        "busy",
      ],
      {
        method: "post",
        path: "/",
        tags,
        summary: "Book a test drive",
        description:
          "A customer requests one for themselves, which waits for approval. Staff book for a `customer` who rang up or walked in: it is approved at once, and may be within the lead time.",
        request: { body: jsonBody(newBooking) },
        responses: { 201: jsonAnswer("The booking, which waits for approval", bookingSchema, "Location") },
      },
    ),
    async (c) => {
      const body = c.req.valid("json");
      const caller = claimedOfItsKind(c);
      return once(c, caller.id, body, async (key) => {
        const { car: carId, start_at: startAt, notes = "", customer, salesperson } = body;
        const input = { carId, startAt, notes };
        const deps = depsOf(c);
        const booking = unwrap(
          isStaff(caller)
            ? await bookForCustomer(deps, caller, { ...input, customer, salesperson }, key)
            : await createBooking(deps, caller, { ...input, customer, salesperson }, key),
        );
        return c.json(bodyOf(c, booking), 201, { Location: bookingPath(booking.id) });
      });
    },
  )
  .openapi(
    operation("listMyBookings", ["not_found"], {
      method: "get",
      path: "/me",
      tags,
      summary: "List my test drives, newest start first",
      request: { query: myBookingsQuery },
      responses: { 200: jsonAnswer("One page of bookings", pageOf(bookingSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = unwrap(await listOwnBookings(depsOf(c), claimedCaller(c), query, window(query)));
      return c.json(
        framePage(c, query, found, (row) => bodyOf(c, row)),
        200,
      );
    },
  )
  .openapi(
    operation("listBookings", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "List all test drives, newest start first",
      request: { query: bookingsQuery },
      responses: { 200: jsonAnswer("One page of bookings", pageOf(bookingSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = unwrap(await listBookings(depsOf(c), claimedCaller(c), query, window(query)));
      return c.json(
        framePage(c, query, found, (row) => bodyOf(c, row)),
        200,
      );
    },
  )
  .openapi(
    operation("getBooking", ["not_found"], {
      method: "get",
      path: "/{id}",
      tags,
      summary: "Get a test drive",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The booking", bookingSchema) },
    }),
    async (c) => {
      const booking = unwrap(await getBooking(depsOf(c), claimedCaller(c), c.req.valid("param").id));
      return c.json(bodyOf(c, booking), 200);
    },
  )
  .openapi(
    operation("approveBooking", TRANSITION_PROBLEMS, {
      ...transition("approve"),
      summary: "Approve a test drive",
      request: { params: idParam },
    }),
    async (c) => c.json(await transitionTo(c, c.req.valid("param").id, "APPROVED"), 200),
  )
  .openapi(
    operation("declineBooking", TRANSITION_PROBLEMS, {
      ...transition("decline"),
      summary: "Decline a test drive",
      request: { params: idParam, body: optionalJsonBody(refusal) },
    }),
    async (c) =>
      c.json(await transitionTo(c, c.req.valid("param").id, "DECLINED", c.req.valid("json").reason), 200),
  )
  .openapi(
    operation("completeBooking", [...TRANSITION_PROBLEMS, "too_early"], {
      ...transition("complete"),
      summary: "Mark a test drive as completed",
      request: { params: idParam },
    }),
    async (c) => c.json(await transitionTo(c, c.req.valid("param").id, "COMPLETED"), 200),
  )
  .openapi(
    operation("markBookingNoShow", [...TRANSITION_PROBLEMS, "too_early"], {
      ...transition("no-show"),
      summary: "Mark a test drive as no-show",
      request: { params: idParam },
    }),
    async (c) => c.json(await transitionTo(c, c.req.valid("param").id, "NO_SHOW"), 200),
  )
  .openapi(
    operation("cancelBooking", [...TRANSITION_PROBLEMS, "too_late", "too_many_changes"], {
      ...transition("cancel"),
      summary: "Cancel a test drive",
      description: "Until it is over.",
      request: { params: idParam, body: optionalJsonBody(refusal) },
    }),
    async (c) =>
      c.json(await transitionTo(c, c.req.valid("param").id, "CANCELLED", c.req.valid("json").reason), 200),
  )
  .openapi(
    operation(
      "rescheduleBooking",
      [
        "not_found",
        "car_not_bookable",
        "slot_taken",
        "customer_busy",
        "no_salesperson_free",
        "salesperson_absent",
        "salesperson_busy",
        "illegal_transition",
        "too_late",
        "too_many_changes",
        "busy",
      ],
      {
        method: "patch",
        path: "/{id}/reschedule",
        tags,
        summary: "Move a test drive to another slot",
        description:
          "The old slot is kept until the new slot is booked. When the customer moves the booking, it needs approval again.",
        request: { params: idParam, body: jsonBody(newStart) },
        responses: { 200: jsonAnswer("The booking as it is now", bookingSchema) },
      },
    ),
    async (c) => {
      const { id } = c.req.valid("param");
      const { start_at } = c.req.valid("json");
      return c.json(
        bodyOf(c, unwrap(await rescheduleBooking(depsOf(c), claimedCaller(c), id, start_at))),
        200,
      );
    },
  )
  .openapi(
    operation(
      "assignBooking",
      [
        "not_found",
        "salesperson_busy",
        "salesperson_absent",
        "no_salesperson_free",
        "illegal_transition",
        "too_late",
        "busy",
      ],
      {
        method: "patch",
        path: "/{id}/assign",
        tags,
        summary: "Say who drives along",
        description: "Any active staff member who is free then, also out of their shifts.",
        request: { params: idParam, body: jsonBody(newSalesperson) },
        responses: { 200: jsonAnswer("The booking as it is now", bookingSchema) },
      },
    ),
    async (c) => {
      const { salesperson } = c.req.valid("json");
      const { id } = c.req.valid("param");
      return c.json(
        bodyOf(c, unwrap(await assignBooking(depsOf(c), claimedCaller(c), id, salesperson))),
        200,
      );
    },
  );

/** The routes under /api/cars that are about slots. */
export const slotRoutes = createRouter().openapi(
  operation("listAvailableSlots", ["car_not_found"], {
    method: "get",
    path: "/{id}/available-slots",
    tags: ["Cars"],
    summary: "List the free slots of a car",
    description:
      "Takes either `date`, or `from` and `to` (inclusive, at most 31 days). The response has an `ETag`; a request with `If-None-Match` gets 304 when the slots have not changed.",
    request: { params: idParam, query: slotsQuery },
    responses: {
      200: jsonAnswer("Free future slots, earliest first", slotSchema.array(), "ETag"),
      304: notModifiedAnswer,
    },
  }),
  async (c) => {
    const { date = "", from = date, to = date } = c.req.valid("query");
    return answerRead(c, async () => {
      const deps = depsOf(c);
      const { id } = c.req.valid("param");
      const { slots, timeZone } = unwrap(await listAvailableSlots(deps, claimedStaff(c), id, from, to));
      return { body: slots.map((slot) => slotBody(slot, timeZone)) };
    });
  },
);

const transitionTo = async (c: Context<AppEnv>, id: string, to: BookingStatus, reason?: string) =>
  bodyOf(c, unwrap(await transitionBooking(depsOf(c), claimedCaller(c), id, to, reason)));

const bodyOf = (c: Context<AppEnv>, booking: Booking) => bookingBody(booking, depsOf(c).now);
