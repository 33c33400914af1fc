/** Bookings in the database: queries, and the statements that the coordinator commits. */
import { and, desc, eq, gt, gte, inArray, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { counted, listing } from "../db/listing.ts";
import { allocations, bookings, calendars, cars, showrooms } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { ACTIVE_BOOKING_STATUSES } from "../shared/enums.ts";
import { DAY_MS, daySpan } from "../shared/showroom-time.ts";
import type { Booking } from "./booking.ts";

/** Lists bookings, newest start first. `date` goes with the other members of `onDay`. */
export const bookingList = listing({
  rows: () => build.select(columnsOf(bookings)).from(bookings).$dynamic(),
  count: () => build.select(counted).from(bookings).$dynamic(),
  conditions: {
    customer: eq(bookings.customerId, sql.placeholder("customer")),
    car: eq(bookings.carId, sql.placeholder("car")),
    showroom: eq(bookings.showroomId, sql.placeholder("showroom")),
    // With `now`. As `shownStatus` says.
    status: sql`iif(${bookings.status} <> 'PENDING' OR ${bookings.heldUntil} IS NULL, ${bookings.status},
      iif(${bookings.heldUntil} > ${sql.placeholder("now")}, 'HELD', 'EXPIRED')) = ${sql.placeholder("status")}`,
    // One condition of several values: `from` and `to` bound the index, for a day in any time zone.
    date: and(
      gte(bookings.startAt, sql.placeholder("from")),
      lt(bookings.startAt, sql.placeholder("to")),
      sql`coalesce(${bookings.localDate} = ${sql.placeholder("date")},
        ${bookings.startAt} >= ${sql.placeholder("dayStart")} AND ${bookings.startAt} < ${sql.placeholder("dayEnd")})`,
    ) as SQL,
  },
  orderBy: [desc(bookings.startAt), desc(bookings.id)],
});

/**
 * The filters for the bookings that begin on a local day of their showroom.
 * @param timeZone of bookings from before there were several showrooms
 */
export const onDay = (date: string, timeZone: string) => {
  const { from: dayStart, to: dayEnd } = daySpan(date, date, timeZone);
  const day = Date.parse(date);
  return { date, dayStart, dayEnd, from: day - DAY_MS, to: day + 2 * DAY_MS };
};

/** The time zone of the showroom in which the car of a booking stands. NULL: that of the configuration. */
export const zoneOfBooking = compile(
  build
    .select({ timeZone: sql<string | null>`${showrooms.timeZone}`.as("timeZone") })
    .from(bookings)
    .innerJoin(cars, eq(cars.id, bookings.carId))
    .innerJoin(showrooms, eq(showrooms.id, cars.showroomId))
    .where(eq(bookings.id, sql.placeholder("id"))),
);

/** The booking with this id. */
export const bookingById = compile(
  build
    .select(columnsOf(bookings))
    .from(bookings)
    .where(eq(bookings.id, sql.placeholder("id"))),
);

/** The active bookings of a car, holds that have expired among them: those for which it is allocated. */
export const activeBookings = compile(
  build
    .select(columnsOf(bookings))
    .from(allocations)
    .innerJoin(bookings, eq(bookings.id, allocations.bookingId))
    .where(and(eq(allocations.kind, "CAR"), eq(allocations.resourceId, sql.placeholder("carId")))),
);

/**
 * The times from `startAt` to `endAt` for which a car (with its buffers) or a customer is occupied at `now`: a hold that
 * has expired occupies nothing.
 */
export const takenTimes = compile(
  build
    .select({
      startAt: sql<number>`${allocations.startAt}`.as("startAt"),
      endAt: sql<number>`${allocations.endAt}`.as("endAt"),
    })
    .from(allocations)
    .where(
      and(
        eq(allocations.kind, sql.placeholder("kind")),
        eq(allocations.resourceId, sql.placeholder("id")),
        // An allocation lasts at most a day, so the index need not be read from the first one on.
        gt(allocations.startAt, sql`${sql.placeholder("startAt")} - ${sql.raw(String(DAY_MS))}`),
        lt(allocations.startAt, sql.placeholder("endAt")),
        gt(allocations.endAt, sql.placeholder("startAt")),
        or(isNull(allocations.expiresAt), gt(allocations.expiresAt, sql.placeholder("now"))),
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
 * The statement that stores a changed booking. Where and when it takes place is written only when it was moved, because
 * three indexes and two allocations hold it, and each would be written again.
 */
export const updateBooking = (
  { id, status, reason, handledBy, sequence, updatedAt, heldUntil, ...booking }: Booking,
  isMoved: boolean,
): Statement => {
  const { startAt, endAt, showroomId, localDate, footprintStartAt, footprintEndAt } = booking;
  const place = { startAt, endAt, showroomId, localDate, footprintStartAt, footprintEndAt };
  return statementOf(
    build
      .update(bookings)
      .set({ status, reason, handledBy, sequence, updatedAt, heldUntil, ...(isMoved && place) })
      .where(eq(bookings.id, id)),
  );
};

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
 * The statements that cancel a customer's coming active bookings without the coordinators of their cars. A hold that has
 * ended stays as it is. They begin a new epoch of each of these cars first, so that a coordinator whose memory is older
 * commits nothing and loads again. Cars with an active booking that has begun get one as well, because coordinators hold
 * it in memory.
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
      .where(
        and(
          activeOf(customerId),
          gt(bookings.startAt, at),
          or(isNull(bookings.heldUntil), gt(bookings.heldUntil, at)),
        ),
      ),
  ),
];

const activeOf = (customerId: string) =>
  and(eq(bookings.customerId, customerId), inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]));

/** The statement that erases the free texts of a customer's bookings. */
export const eraseBookingTexts = (customerId: string): Statement =>
  statementOf(
    build.update(bookings).set({ notes: "", reason: "" }).where(eq(bookings.customerId, customerId)),
  );
