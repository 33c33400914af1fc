/** The use cases of calendar feeds: a secret address at which a member of staff finds the drives that they make. */
import type { z } from "@hono/zod-openapi";
import { and, asc, eq, gt, inArray, isNull, notInArray, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import { removeCalendarFeed as removeStatement } from "../auth/credentials.ts";
import { randomToken } from "../auth/tokens.ts";
import { commitAs, readAs } from "../auth/verification.ts";
import { bookings, calendarFeeds, cars, showrooms, users } from "../db/schema.ts";
import { build, compile, type Query, statementOf } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import { calendarFeed } from "../notifications/calendar-file.ts";
import { mentionOf } from "../notifications/messages.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { sha256 } from "../shared/digest.ts";
import { type BookingStatus, STAFF_ROLES } from "../shared/enums.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import { DAY_MS, formatInstant } from "../shared/showroom-time.ts";
import { addressOfShowroom, geoOf } from "../showrooms/address.ts";
import type { calendarFeedSchema } from "./schemas.ts";
import { isVisible, type Member, staffById } from "./store.ts";

/** How long a drive stays in the feed after it began, and the most drives that it has. */
const [PAST_MS, MOST_DRIVES] = [7 * DAY_MS, 1000];

/**
 * Makes the calendar feed of a staff member, or gives it another address: the one before ends at once. The address is
 * shown this once, because only a hash of it is stored. Two round trips.
 */
export async function createCalendarFeed(
  deps: Deps,
  claimed: ClaimedCaller,
  staffId: string,
): Promise<Result<z.infer<typeof calendarFeedSchema>>> {
  const { now, config } = deps;
  const found = await findMember(deps, claimed, staffId);
  if (!found.ok) return found;
  const { userId } = found.value;
  const token = randomToken();
  const feed = { tokenHash: await sha256(token), createdAt: now };
  const statement = statementOf(
    build
      .insert(calendarFeeds)
      .values({ userId, ...feed })
      .onConflictDoUpdate({ target: calendarFeeds.userId, set: feed }),
  );
  const written = await commitAs(deps, claimed, "staff.calendar_create", `user:${userId}`, [statement]);
  if (!written.ok) return written;
  logSecurity("calendar_feed_created", { request: deps.requestId, user: userId, by: claimed.id });
  return ok({ url: `${config.publicUrl}/calendars/${token}.ics`, created_at: formatInstant(now) });
}

/** Switches off the calendar feed of a staff member, if there is one. Two round trips. */
export async function removeCalendarFeed(
  deps: Deps,
  claimed: ClaimedCaller,
  staffId: string,
): Promise<Result<undefined>> {
  const found = await findMember(deps, claimed, staffId);
  if (!found.ok) return found;
  const { userId } = found.value;
  const statements = [removeStatement(userId)];
  const written = await commitAs(deps, claimed, "staff.calendar_remove", `user:${userId}`, statements);
  if (!written.ok) return written;
  logSecurity("calendar_feed_removed", { request: deps.requestId, user: userId, by: claimed.id });
  return ok(undefined);
}

async function findMember(deps: Deps, claimed: ClaimedCaller, staffId: string): Promise<Result<Member>> {
  const read = await readAs(deps, claimed, staffById({ id: staffId }));
  if (!read.ok) return read;
  const [[member]] = read.value.rows;
  return isVisible(member, read.value.caller) ? ok(member) : refuse("not_found");
}

const ownerOfFeed = compile(
  build
    .select({
      username: sql<string>`${users.username}`.as("username"),
      name: sql<string>`trim(${users.firstName} || ' ' || ${users.lastName})`.as("name"),
    })
    .from(calendarFeeds)
    .innerJoin(users, eq(users.id, calendarFeeds.userId))
    .where(
      and(
        eq(calendarFeeds.tokenHash, sql.placeholder("hash")),
        eq(users.isActive, sql`1`),
        inArray(users.role, [...STAFF_ROLES]).inlineParams(),
      ),
    ),
);

const customers = alias(users, "customers");

/** The drives of a feed, holds and those that do not take place left out. Exported for the test of its plan. */
export const drivesOfFeed = compile(
  build
    .select({
      bookingId: sql<string>`${bookings.id}`.as("bookingId"),
      startAt: sql<number>`${bookings.startAt}`.as("startAt"),
      endAt: sql<number>`${bookings.endAt}`.as("endAt"),
      sequence: sql<number>`${bookings.sequence}`.as("sequence"),
      status: sql<BookingStatus>`${bookings.status}`.as("status"),
      updatedAt: sql<number>`${bookings.updatedAt}`.as("updatedAt"),
      carId: sql<string>`${cars.id}`.as("carId"),
      make: sql<string>`${cars.make}`.as("make"),
      model: sql<string>`${cars.model}`.as("model"),
      year: sql<number>`${cars.year}`.as("year"),
      customer: sql<string>`coalesce(
        nullif(trim(${customers.firstName} || ' ' || ${customers.lastName}), ''), ${customers.username})`.as(
        "customer",
      ),
      phone: sql<string>`${customers.phone}`.as("phone"),
      showroomName: sql<string | null>`${showrooms.name}`.as("showroomName"),
      address: addressOfShowroom.as("address"),
      latitude: sql<number | null>`${showrooms.latitude}`.as("latitude"),
      longitude: sql<number | null>`${showrooms.longitude}`.as("longitude"),
    })
    .from(calendarFeeds)
    .innerJoin(bookings, eq(bookings.salespersonId, calendarFeeds.userId))
    .innerJoin(cars, eq(cars.id, bookings.carId))
    .innerJoin(customers, eq(customers.id, bookings.customerId))
    .innerJoin(showrooms, eq(showrooms.id, bookings.showroomId))
    .where(
      and(
        eq(calendarFeeds.tokenHash, sql.placeholder("hash")),
        gt(bookings.startAt, sql.placeholder("after")),
        notInArray(bookings.status, ["DECLINED", "CANCELLED"]).inlineParams(),
        isNull(bookings.heldUntil),
      ),
    )
    .orderBy(asc(bookings.startAt), asc(bookings.id))
    .limit(MOST_DRIVES),
);

type Drive = ReturnType<typeof drivesOfFeed> extends Query<infer Row> ? Row : never;

/**
 * The calendar of the member of staff whose feed has this token: their drives from a week ago on. Unknown tokens, those
 * that were replaced, and those of people who have left are not found alike. One round trip, to the primary: an address
 * that was switched off shows nothing more.
 */
export async function readCalendarFeed(deps: Deps, token: string): Promise<Result<string>> {
  const hash = await sha256(token);
  const [[owner], drives] = await deps
    .primary()
    .ask(ownerOfFeed({ hash }), drivesOfFeed({ hash, after: deps.now - PAST_MS }));
  if (!owner) return refuse("not_found");
  const entries = drives.map((drive) => entryOf(drive, deps));
  return ok(calendarFeed(`Test drives: ${owner.name || owner.username}`, entries));
}

function entryOf(drive: Drive, { config }: Deps) {
  const { bookingId, customer, phone } = drive;
  const car = mentionOf(drive, config.publicUrl);
  const name = drive.showroomName ?? config.showroom.name;
  return {
    bookingId,
    booking: drive,
    writtenAt: drive.updatedAt,
    car: car.name,
    carUrl: car.url,
    place: { name, address: drive.address, ...geoOf(drive) },
    customer,
    description: [customer, phone].filter((line) => line !== "").join("\n"),
  };
}
