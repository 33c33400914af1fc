/** Showrooms in the database, and their wire form. */
import type { z } from "@hono/zod-openapi";
import { and, asc, eq, gte, sql } from "drizzle-orm";
import { counted, listing } from "../db/listing.ts";
import { cars, showrooms, specialHours } from "../db/schema.ts";
import {
  build,
  columnsOf,
  compile,
  insertInto,
  type Query,
  type Statement,
  statementOf,
} from "../db/statement.ts";
import type { Weekday, WeeklyHours } from "../shared/opening-hours.ts";
import { DAY_MS, utcDate } from "../shared/showroom-time.ts";
import type { Policy, Schedule, SpecialHours } from "./schedule.ts";
import { policyBody, type showroomSchema, type specialHoursSchema } from "./schemas.ts";

/**
 * The special hours of a showroom that end on the day `from` or later, as JSON, those that count last at the end. The name
 * of the table is text, because Drizzle leaves it out in a select of one table, where `id` would be that of special_hours.
 */
const specialHoursJson = sql<string>`(
  SELECT json_group_array(json_object('from', from_date, 'to', to_date, 'windows', json(windows)) ORDER BY created_at, id)
  FROM special_hours WHERE showroom_id = "showrooms".id AND to_date >= ${sql.placeholder("from")})`;

/** The shifts in a showroom of its active salespeople, as JSON: by person, so that each is looked up once. */
const shiftsJson = sql<string>`(
  SELECT json_group_array(json_array(d.user_id, (
    SELECT json_group_array(json_array(s.weekday, s.from_time, s.to_time))
    FROM shifts s WHERE s.showroom_id = d.showroom_id AND s.user_id = d.user_id)))
  FROM drive_shares d JOIN users u ON u.id = d.user_id AND u.is_active AND u.role IN ('ADMIN', 'SALES')
  WHERE d.showroom_id = "showrooms".id)`;

/** The columns of a showroom from which `scheduleOf` makes its schedule; `from` is the earliest day that counts. */
export const withSchedule = {
  ...columnsOf(showrooms),
  specialHours: specialHoursJson.as("specialHours"),
  shifts: shiftsJson.as("shifts"),
};

/** The day before `now`: special hours that end earlier concern no coming drive, in any time zone. */
export const sinceYesterday = (now: number): string => utcDate(now - DAY_MS);

/** The showroom of a car, with its shifts and the special hours that end on the day `from` or later. */
export const showroomOfCar = compile(
  build
    .select(withSchedule)
    .from(cars)
    .innerJoin(showrooms, eq(showrooms.id, cars.showroomId))
    .where(eq(cars.id, sql.placeholder("carId"))),
);

/** A showroom, with its shifts and the special hours that end on the day `from` or later. */
export const showroomById = compile(
  build
    .select(withSchedule)
    .from(showrooms)
    .where(eq(showrooms.id, sql.placeholder("id"))),
);

/** All showrooms, with their shifts and the special hours that end on the day `from` or later. */
export const allShowrooms = compile(build.select(withSchedule).from(showrooms));

/** A showroom without its special hours. */
export const showroomRow = compile(
  build
    .select(columnsOf(showrooms))
    .from(showrooms)
    .where(eq(showrooms.id, sql.placeholder("id"))),
);

/** Lists showrooms by their code. `active`: those that are not closed for good. */
export const showroomList = listing({
  rows: () => build.select(columnsOf(showrooms)).from(showrooms).$dynamic(),
  count: () => build.select(counted).from(showrooms).$dynamic(),
  conditions: { active: eq(showrooms.isActive, true) },
  orderBy: [sql`lower(${showrooms.code})`],
});

/** The special hours of a showroom that end on the day `from` or later, in the order of their days. */
export const specialHoursOf = compile(
  build
    .select(columnsOf(specialHours))
    .from(specialHours)
    .where(
      and(
        eq(specialHours.showroomId, sql.placeholder("id")),
        gte(specialHours.toDate, sql.placeholder("from")),
      ),
    )
    .orderBy(asc(specialHours.fromDate), asc(specialHours.id)),
);

/** The id of the active showroom that there is longest: where cars stand that are created without one. */
export const oldestActiveShowroom = compile(
  build
    .select({ id: sql<string>`${showrooms.id}`.as("id") })
    .from(showrooms)
    .where(eq(showrooms.isActive, true))
    .orderBy(asc(showrooms.createdAt), asc(showrooms.id))
    .limit(1),
);

/** A stored showroom with its special hours and shifts. */
export type ShowroomRow = RowOf<typeof showroomById>;
/** A stored showroom. */
export type StoredShowroom = RowOf<typeof showroomRow>;
/** Stored special hours. */
export type StoredSpecialHours = RowOf<typeof specialHoursOf>;

type RowOf<Find extends (values: Record<string, unknown>) => Query> =
  ReturnType<Find> extends Query<infer Row> ? Row : never;

/** What a showroom has that does not say it: the configuration's name, time zone and horizon. */
export type ShowroomDefaults = { name: string; timeZone: string; horizonDays: number };

type PolicyColumns = Omit<Policy, "horizonDays"> & { horizonDays: number | null };

/** The policy of a showroom. */
export const policyOf = (row: PolicyColumns, defaults: ShowroomDefaults): Policy => ({
  slotMinutes: row.slotMinutes,
  stepMinutes: row.stepMinutes,
  bufferBeforeMinutes: row.bufferBeforeMinutes,
  bufferAfterMinutes: row.bufferAfterMinutes,
  leadMinutes: row.leadMinutes,
  horizonDays: row.horizonDays ?? defaults.horizonDays,
  assignment: row.assignment,
});

const CLOSED: WeeklyHours = { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] };

/** The schedule of a stored showroom. */
export const scheduleOf = (row: ShowroomRow, defaults: ShowroomDefaults): Schedule => ({
  showroomId: row.id,
  version: row.version,
  timeZone: row.timeZone ?? defaults.timeZone,
  // Nobody drives where a showroom is closed for good.
  hours: row.isActive ? (JSON.parse(row.hours) as WeeklyHours) : CLOSED,
  specialHours: row.isActive ? (JSON.parse(row.specialHours) as SpecialHours[]) : [],
  policy: policyOf(row, defaults),
  shifts: (JSON.parse(row.shifts) as [string, [Weekday, string, string][]][]).flatMap(([userId, windows]) =>
    windows.map(([weekday, ...window]) => ({
      userId,
      weekday,
      window,
    })),
  ),
});

/** The statement that fails its batch with `schedule_changed` unless the showroom has this version. */
export const checkSchedule = ({
  showroomId,
  version,
}: Pick<Schedule, "showroomId" | "version">): Statement => ({
  sql: "INSERT INTO schedule_versions (showroom_id, version) VALUES (?, ?)",
  params: [showroomId, version],
});

/** The statement that stores a new showroom. */
export const insertShowroom = (row: StoredShowroom): Statement =>
  insertInto(showrooms, { ...row, hours: JSON.parse(row.hours), isActive: row.isActive === 1 });

/** The columns that a change of a showroom sets. Undefined members do not change. */
export type ShowroomColumns = Partial<
  Omit<typeof showrooms.$inferSelect, "id" | "version" | "createdAt" | "updatedAt">
>;

/** The statement that changes a showroom. */
export const updateShowroom = (id: string, columns: ShowroomColumns, now: number): Statement =>
  statementOf(
    build
      .update(showrooms)
      .set({ ...columns, updatedAt: now })
      .where(eq(showrooms.id, id)),
  );

/** The statement that stores new special hours. */
export const insertSpecialHours = (row: StoredSpecialHours): Statement =>
  insertInto(specialHours, { ...row, windows: JSON.parse(row.windows) });

/** The statement that deletes special hours, and returns their id. */
export const deleteSpecialHours = (showroomId: string, id: string) =>
  statementOf(
    build
      .delete(specialHours)
      .where(and(eq(specialHours.id, id), eq(specialHours.showroomId, showroomId)))
      .returning({ id: specialHours.id }),
  );

/** The wire form of a showroom. */
export const showroomBody = (
  row: StoredShowroom,
  defaults: ShowroomDefaults,
): z.infer<typeof showroomSchema> => ({
  id: row.id,
  name: row.name ?? defaults.name,
  code: row.code,
  address: row.address,
  postal_code: row.postalCode,
  city: row.city,
  country: row.country,
  latitude: row.latitude,
  longitude: row.longitude,
  phone: row.phone,
  email: row.email,
  time_zone: row.timeZone ?? defaults.timeZone,
  is_active: row.isActive === 1,
  hours: JSON.parse(row.hours),
  policy: policyBody(policyOf(row, defaults)),
});

/** The wire form of special hours. */
export const specialHoursBody = (row: StoredSpecialHours): z.infer<typeof specialHoursSchema> => ({
  id: row.id,
  from: row.fromDate,
  to: row.toDate,
  windows: JSON.parse(row.windows) as [string, string][],
  reason: row.reason,
});
