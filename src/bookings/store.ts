/** Bookings in the database: queries, and the statements that the coordinator commits. */
import { and, desc, eq, gt, gte, inArray, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { salespersonIds } from "../auth/salespeople.ts";
import { counted, listing } from "../db/listing.ts";
import { query, raw } from "../db/query.ts";
import { allocations, bookings, calendars, cars, showrooms } from "../db/schema.ts";
import {
  build,
  columnsOf,
  compile,
  insertInto,
  type Query,
  type Statement,
  statementOf,
} from "../db/statement.ts";
import { ACTIVE_BOOKING_STATUSES, type CarStatus, type ResourceKind } from "../shared/enums.ts";
import { DAY_MS, daySpan } from "../shared/showroom-time.ts";
import { withSchedule } from "../showrooms/store.ts";
import { type Assigned, type Booking, footprintOf } from "./booking.ts";
import type { Occupied } from "./slots.ts";

/** Lists bookings, newest start first. `date` goes with the other members of `onDay`. */
export const bookingList = listing({
  rows: () => build.select(columnsOf(bookings)).from(bookings).$dynamic(),
  count: () => build.select(counted).from(bookings).$dynamic(),
  conditions: {
    customer: eq(bookings.customerId, sql.placeholder("customer")),
    car: eq(bookings.carId, sql.placeholder("car")),
    showroom: eq(bookings.showroomId, sql.placeholder("showroom")),
    salesperson: sql`${bookings.salespersonId} IN ${salespersonIds}`,
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

/** What is allocated of a resource from `startAt` to `endAt`; a hold that has expired at `now` allocates nothing. */
const allocated = (kind: ResourceKind, resourceId: SQL): SQL => sql`allocations a
  WHERE a.kind = ${sql.raw(`'${kind}'`)} AND a.resource_id = ${resourceId}
    -- An allocation lasts at most a day, so the index need not be read from the first one on.
    AND a.start_at > ${sql.placeholder("startAt")} - ${sql.raw(String(DAY_MS))}
    AND a.start_at < ${sql.placeholder("endAt")} AND a.end_at > ${sql.placeholder("startAt")}
    AND (a.expires_at IS NULL OR a.expires_at > ${sql.placeholder("now")})`;

const times = (from: SQL): SQL<string> =>
  sql`(SELECT json_group_array(json_object('startAt', a.start_at, 'endAt', a.end_at)) FROM ${from})`;

/**
 * A car, the schedule of its showroom, and when the car, a customer (`customerId`, may be null) and the salespeople who
 * have shifts there are occupied from `startAt` to `endAt`. One row, because a question for free slots is one statement.
 */
export const calendarOfCar = compile(
  build
    .select({
      ...withSchedule,
      carStatus: sql<CarStatus>`${cars.status}`.as("carStatus"),
      carTimes: times(allocated("CAR", sql`${cars.id}`)).as("carTimes"),
      customerTimes: times(allocated("CUSTOMER", sql`${sql.placeholder("customerId")}`)).as("customerTimes"),
      salespeopleTimes: sql<string>`(
        SELECT json_group_array(json_object('userId', userId, 'startAt', startAt, 'endAt', endAt)) FROM (
          WITH people AS (SELECT user_id FROM drive_shares
            WHERE showroom_id = ${showrooms.id} AND ${showrooms.assignment} = 'AUTOMATIC')
          SELECT a.resource_id AS userId, a.start_at AS startAt, a.end_at AS endAt
          FROM people CROSS JOIN ${allocated("SALESPERSON", sql`people.user_id`)}
          UNION ALL
          SELECT b.user_id, b.start_at, b.end_at FROM people CROSS JOIN absences b
          WHERE b.user_id = people.user_id AND b.end_at > ${sql.placeholder("startAt")}
            AND b.start_at < ${sql.placeholder("endAt")}))`.as("salespeopleTimes"),
    })
    .from(cars)
    .innerJoin(showrooms, eq(showrooms.id, cars.showroomId))
    .where(eq(cars.id, sql.placeholder("carId"))),
);

type CalendarRow = ReturnType<typeof calendarOfCar> extends Query<infer Row> ? Row : never;

/** What of a row of `calendarOfCar` decides which slots are offered. */
export const occupiedOf = (row: CalendarRow): Occupied => ({
  status: row.carStatus,
  car: JSON.parse(row.carTimes),
  customer: JSON.parse(row.customerTimes),
  salespeople: JSON.parse(row.salespeopleTimes),
});

/**
 * The statement that stores a new booking. With `candidates`, one of them who is free becomes its salesperson, and is
 * returned as `Assigned`.
 */
export function insertBooking(booking: Booking, candidates?: readonly string[]): Statement {
  if (!candidates) return insertInto(bookings, booking);
  const { salespersonId, ...row } = booking;
  const { sql: insert, params } = insertInto(
    bookings,
    { ...row, assignedBy: "AUTO" },
    { salespersonId: fairChoice(booking, candidates) },
  );
  return { sql: `${insert} ${RETURNING_ASSIGNED}`, params };
}

const RETURNING_ASSIGNED = `RETURNING salesperson_id AS "salespersonId", assigned_by AS "assignedBy"`;

/**
 * The id of the candidate who gets a drive, or NULL when all are away or drive along elsewhere. `keep`: the one who had
 * it keeps it. Else, first those come who have not yet got their part of the drives so far; among them, as in the quota
 * method of apportionment, the one whose next drive is due first; then who has waited longest.
 *
 * It is chosen in the batch that gives them the drive, so nobody is refused because two bookings chose the same person.
 */
export function fairChoice(
  booking: Pick<
    Booking,
    "id" | "startAt" | "endAt" | "footprintStartAt" | "footprintEndAt" | "showroomId" | "updatedAt"
  >,
  candidates: readonly string[],
  keep: string | null = null,
): Query {
  const { startAt, endAt } = footprintOf(booking);
  return query`SELECT c.value FROM json_each(${JSON.stringify(candidates)}) c
    LEFT JOIN (
      SELECT user_id, last_assigned_at, share, all_drives, all_shares,
        max(drives, coalesce(share * (all_drives - drives) / (all_shares - share) - 2, drives)) AS drives
      FROM drive_shares, (
        SELECT sum(drives) AS all_drives, sum(share) AS all_shares
        FROM drive_shares WHERE showroom_id = ${booking.showroomId})
      WHERE showroom_id = ${booking.showroomId}
    ) s ON s.user_id = c.value
    WHERE NOT EXISTS (
      SELECT 1 FROM absences a WHERE a.user_id = c.value AND a.end_at > ${startAt} AND a.start_at < ${endAt}
    ) AND NOT EXISTS (
      SELECT 1 FROM allocations o
      WHERE o.kind = 'SALESPERSON' AND o.resource_id = c.value AND o.booking_id <> ${booking.id}
        AND o.start_at > ${startAt - DAY_MS} AND o.start_at < ${endAt} AND o.end_at > ${startAt}
        AND (o.expires_at IS NULL OR o.expires_at > ${booking.updatedAt})
    )
    ORDER BY c.value = ${keep} DESC, s.drives * all_shares >= (all_drives + 1) * s.share,
      (s.drives + 1) / s.share, s.last_assigned_at, c.value
    LIMIT 1`;
}

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
 * The statement that stores a changed booking that was not moved. Its place stays unwritten: three indexes and the
 * allocations hold it, and each would be written again.
 */
export const updateBooking = ({
  id,
  status,
  reason,
  handledBy,
  sequence,
  updatedAt,
  heldUntil,
}: Booking): Statement =>
  statementOf(
    build
      .update(bookings)
      .set({ status, reason, handledBy, sequence, updatedAt, heldUntil })
      .where(eq(bookings.id, id)),
  );

/**
 * The statement that stores a moved booking. With `candidates`, its salesperson stays if they are one of them and free;
 * else a candidate who is free gets it, or nobody. Returns it as `Assigned`.
 */
export function moveBooking(booking: Booking, candidates: readonly string[] = []): Statement<Assigned> {
  const { salespersonId } = booking;
  return query<Assigned>`UPDATE bookings SET status = ${booking.status}, sequence = ${booking.sequence},
      reason = ${booking.reason}, handled_by = ${booking.handledBy}, held_until = ${booking.heldUntil},
      updated_at = ${booking.updatedAt}, start_at = ${booking.startAt}, end_at = ${booking.endAt},
      showroom_id = ${booking.showroomId}, local_date = ${booking.localDate},
      footprint_start_at = ${booking.footprintStartAt}, footprint_end_at = ${booking.footprintEndAt},
      salesperson_id = chosen.id,
      assigned_by = iif(chosen.id IS NULL, NULL, iif(chosen.id = salesperson_id, assigned_by, 'AUTO'))
    FROM (SELECT (${fairChoice(booking, candidates, salespersonId)}) AS id) chosen
    WHERE bookings.id = ${booking.id} ${raw(RETURNING_ASSIGNED)}`;
}

/** The statement that stores who drives along. */
export const assignBooking = ({ id, salespersonId, assignedBy, sequence, updatedAt }: Booking): Statement =>
  statementOf(
    build.update(bookings).set({ salespersonId, assignedBy, sequence, updatedAt }).where(eq(bookings.id, id)),
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
