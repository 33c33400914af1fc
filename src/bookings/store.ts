/** Bookings in the database: queries, and the statements that the coordinator commits. */
import { and, desc, eq, gt, gte, inArray, lt, sql } from "drizzle-orm";
import { counted, listing } from "../db/listing.ts";
import { bookings, calendars } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { ACTIVE_BOOKING_STATUSES } from "../shared/enums.ts";
import { DAY_MS } from "../shared/showroom-time.ts";
import type { Booking } from "./booking.ts";

/** Lists bookings, newest start first. `from` (included) and `to` (excluded) limit the start. */
export const bookingList = listing({
  rows: () => build.select(columnsOf(bookings)).from(bookings).$dynamic(),
  count: () => build.select(counted).from(bookings).$dynamic(),
  conditions: {
    customer: eq(bookings.customerId, sql.placeholder("customer")),
    car: eq(bookings.carId, sql.placeholder("car")),
    status: eq(bookings.status, sql.placeholder("status")),
    from: gte(bookings.startAt, sql.placeholder("from")),
    to: lt(bookings.startAt, sql.placeholder("to")),
  },
  orderBy: [desc(bookings.startAt), desc(bookings.id)],
});

/** The booking with this id. */
export const bookingById = compile(
  build
    .select(columnsOf(bookings))
    .from(bookings)
    .where(eq(bookings.id, sql.placeholder("id"))),
);

/** The statuses are in the SQL text, so that the index of active bookings serves it. */
const isActiveOfCar = and(
  eq(bookings.carId, sql.placeholder("carId")),
  inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]).inlineParams(),
);

/** The active bookings of a car. */
export const activeBookings = compile(build.select(columnsOf(bookings)).from(bookings).where(isActiveOfCar));

/** The times of a car's active bookings that overlap the time from `startAt` to `endAt`. */
export const takenTimes = compile(
  build
    .select({
      startAt: sql<number>`${bookings.startAt}`.as("startAt"),
      endAt: sql<number>`${bookings.endAt}`.as("endAt"),
    })
    .from(bookings)
    .where(
      and(
        isActiveOfCar,
        // A booking lasts at most a day, so the index need not be read from the car's first booking on.
        gt(bookings.startAt, sql`${sql.placeholder("startAt")} - ${sql.raw(String(DAY_MS))}`),
        lt(bookings.startAt, sql.placeholder("endAt")),
        gt(bookings.endAt, sql.placeholder("startAt")),
      ),
    ),
);

/** The statement that stores a new booking. */
export const insertBooking = (booking: Booking): Statement => insertInto(bookings, booking);

/** How many active bookings a customer may have, with and without a verified address. 0: they cannot book. */
export type BookingCaps = { most: number; mostUnverified: number };

/**
 * The statement that fails its batch with `too_many_bookings` above the cap, or with `email_not_verified` when the
 * customer needs a verified address.
 */
export const checkBookingCap = (
  { customerId, createdAt }: Booking,
  { most, mostUnverified }: BookingCaps,
): Statement => ({
  sql: "INSERT INTO booking_caps (customer_id, most, most_unverified, now) VALUES (?, ?, ?, ?)",
  params: [customerId, most, mostUnverified, createdAt],
});

/** How often a customer may book, move and cancel in one hour (UTC), all together. The database holds the number, too. */
export const MAX_CHANGES_PER_HOUR = 20;

const HOUR_MS = 60 * 60 * 1000;

/** The statement that counts a change by a customer, and fails its batch with `too_many_changes` above the limit. */
export const countBookingChange = (customerId: string, at: number): Statement => ({
  sql: `INSERT INTO booking_changes (customer_id, hour, n) VALUES (?, ?, 1)
    ON CONFLICT (customer_id, hour) DO UPDATE SET n = n + 1`,
  params: [customerId, Math.floor(at / HOUR_MS)],
});

/** Seconds until a customer may change bookings again. */
export const changesAllowedIn = (at: number): number => Math.ceil((HOUR_MS - (at % HOUR_MS)) / 1000);

/**
 * The statement that stores a changed booking. The time is written only when it was moved, because three indexes hold it,
 * and each would be written again.
 */
export const updateBooking = (
  { id, status, startAt, endAt, reason, handledBy, sequence, updatedAt }: Booking,
  isMoved: boolean,
): Statement =>
  statementOf(
    build
      .update(bookings)
      .set({ status, reason, handledBy, sequence, updatedAt, ...(isMoved && { startAt, endAt }) })
      .where(eq(bookings.id, id)),
  );

/** The statement that cancels bookings. No statement for an empty list. */
export const cancelBookings = (cancelled: readonly Booking[], at: number): Statement[] =>
  cancelled.length === 0
    ? []
    : [
        statementOf(
          build
            .update(bookings)
            .set({ status: "CANCELLED", sequence: sql`${bookings.sequence} + 1`, updatedAt: at })
            .where(
              sql`${bookings.id} IN (SELECT value FROM json_each(${JSON.stringify(cancelled.map(({ id }) => id))}))`,
            ),
        ),
      ];

/**
 * The statements that cancel a customer's coming active bookings without the coordinators of their cars. They begin a
 * new epoch of each of these cars first, so that a coordinator whose memory is older commits nothing and loads again.
 * Cars with an active booking that has begun get one as well, because coordinators hold it in memory.
 */
export const cancelComing = (customerId: string, reason: string, at: number): Statement[] => [
  statementOf(
    build
      .update(calendars)
      .set({ epoch: sql`${calendars.epoch} + 1` })
      .where(
        inArray(
          calendars.carId,
          build.select({ id: bookings.carId }).from(bookings).where(activeOf(customerId)),
        ),
      ),
  ),
  statementOf(
    build
      .update(bookings)
      .set({ status: "CANCELLED", reason, sequence: sql`${bookings.sequence} + 1`, updatedAt: at })
      .where(and(activeOf(customerId), gt(bookings.startAt, at))),
  ),
];

const activeOf = (customerId: string) =>
  and(eq(bookings.customerId, customerId), inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]));

/** The statement that erases the free texts of a customer's bookings. */
export const eraseBookingTexts = (customerId: string): Statement =>
  statementOf(
    build.update(bookings).set({ notes: "", reason: "" }).where(eq(bookings.customerId, customerId)),
  );
