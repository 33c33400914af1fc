/**
 * The tables. Instants are whole milliseconds since 1970 UTC, money is whole cents, rates are hundredths of a percent,
 * ids are UUIDv7 text. Every rule about a column is also a CHECK here or a trigger in `migrations/`, so that the
 * database refuses a wrong fact from any writer. ON DELETE CASCADE is not used: a table rebuild would silently delete
 * the children.
 */
import { type SQL, sql } from "drizzle-orm";
import {
  type AnySQLiteColumn,
  check,
  customType,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  sqliteView,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import {
  ASSIGNED_BY,
  ASSIGNMENTS,
  BODY_TYPES,
  BOOKING_SOURCES,
  BOOKING_STATUSES,
  CAR_LOCATIONS,
  CAR_STATUSES,
  DRIVE_TYPES,
  FUEL_TYPES,
  NOTIFICATION_KINDS,
  NOTIFICATION_STATUSES,
  PAYMENT_METHODS,
  RESOURCE_KINDS,
  ROLES,
  TRANSMISSIONS,
} from "../shared/enums.ts";
import { MAX_CENTS, MAX_RATE } from "../shared/money.ts";
import { type OpeningWindow, WEEKDAYS, type WeeklyHours } from "../shared/opening-hours.ts";

const oneOf = (column: AnySQLiteColumn, words: readonly string[]): SQL =>
  sql`${column} IN (${sql.raw(words.map((word) => `'${word}'`).join(", "))})`;

const between = (column: AnySQLiteColumn, low: number, high: number): SQL =>
  sql`${column} BETWEEN ${sql.raw(String(low))} AND ${sql.raw(String(high))}`;

const atMost = (column: AnySQLiteColumn, characters: number): SQL =>
  sql`length(${column}) <= ${sql.raw(String(characters))}`;

/**
 * Users. `usernameKey` and `emailKey` are case-folded. A username is unique. An address is unique once it is verified:
 * before that it may be another person's, so it reserves nothing.
 */
export const users = sqliteTable(
  "users",
  {
    id: text().primaryKey(),
    username: text().notNull(),
    usernameKey: text("username_key").notNull(),
    email: text(),
    emailKey: text("email_key"),
    /** When the user proved that they read the mails to `email`. */
    emailVerifiedAt: integer("email_verified_at"),
    /** The new address of a change that waits for verification. `email` stays in use until then. */
    pendingEmail: text("pending_email"),
    passwordHash: text("password_hash").notNull(),
    firstName: text("first_name").notNull().default(""),
    lastName: text("last_name").notNull().default(""),
    phone: text().notNull().default(""),
    role: text({ enum: ROLES }).notNull().default("CUSTOMER"),
    isActive: integer("is_active", { mode: "boolean" }).notNull().default(true),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** When the personal data was erased. The row stays for bookings and sales. */
    erasedAt: integer("erased_at"),
  },
  (t) => [
    uniqueIndex("users_username_key").on(t.usernameKey),
    uniqueIndex("users_verified_email_key").on(t.emailKey).where(sql`${t.emailVerifiedAt} IS NOT NULL`),
    index("users_email").on(t.emailKey),
    // Addresses are ASCII, for which lower() folds the case as foldCase() does.
    index("users_pending_email").on(sql`lower(${t.pendingEmail})`).where(sql`${t.pendingEmail} IS NOT NULL`),
    index("users_unverified")
      .on(t.createdAt)
      .where(sql`${t.emailVerifiedAt} IS NULL AND ${t.erasedAt} IS NULL`),
    index("users_role").on(t.role, t.isActive),
    check("users_role_known", oneOf(t.role, ROLES)),
    check("users_is_active_boolean", between(t.isActive, 0, 1)),
    check("users_username_length", sql`length(${t.username}) BETWEEN 1 AND 150`),
    check("users_email_key_goes_with_email", sql`(${t.email} IS NULL) = (${t.emailKey} IS NULL)`),
  ],
);

/** The employment of a staff member: one profile each, never deleted. */
export const staffProfiles = sqliteTable(
  "staff_profiles",
  {
    id: text().primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    salaryCents: integer("salary_cents").notNull(),
    commissionRate: integer("commission_rate").notNull(),
    hireDate: text("hire_date").notNull(),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** The part of the drives that they get, beside the weights of others; for equal times in shift. */
    weight: integer().notNull().default(100),
  },
  (t) => [
    uniqueIndex("staff_profiles_user").on(t.userId),
    check("staff_profiles_salary_range", between(t.salaryCents, 0, MAX_CENTS)),
    check("staff_profiles_rate_range", between(t.commissionRate, 0, MAX_RATE)),
    check(
      "staff_profiles_hire_date_form",
      sql`${t.hireDate} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'`,
    ),
  ],
);

/** Sessions: started by a login, ended by a logout. Every access and refresh token belongs to one. */
export const sessions = sqliteTable(
  "sessions",
  {
    id: text().primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    createdAt: integer("created_at").notNull(),
    /** When the newest refresh token of the session expires, and with it the session. */
    expiresAt: integer("expires_at").notNull(),
    endedAt: integer("ended_at"),
    /** Hash of the user and the client address of the login: a later login from there comes from a known place. */
    addressHash: text("address_hash"),
  },
  (t) => [index("sessions_user").on(t.userId), index("sessions_expiry").on(t.expiresAt)],
);

/** Signed-in users: active users with a session that has not ended. Created by `migrations/0001_rules.sql`. */
export const signedIn = sqliteView("signed_in", {
  userId: text("user_id").notNull(),
  sessionId: text("session_id").notNull(),
  role: text({ enum: ROLES }).notNull(),
}).existing();

/** Refresh tokens, stored as hashes. Each is used once, and gets one successor in the same session. */
export const refreshTokens = sqliteTable(
  "refresh_tokens",
  {
    tokenHash: text("token_hash").primaryKey(),
    sessionId: text("session_id")
      .notNull()
      .references(() => sessions.id),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    spentAt: integer("spent_at"),
  },
  (t) => [index("refresh_tokens_session").on(t.sessionId), index("refresh_tokens_expiry").on(t.expiresAt)],
);

/** Secret calendar feeds of staff: the address holds a token, of which only the hash is stored. One each. */
export const calendarFeeds = sqliteTable(
  "calendar_feeds",
  {
    userId: text("user_id")
      .primaryKey()
      .references(() => users.id),
    tokenHash: text("token_hash").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [uniqueIndex("calendar_feeds_token").on(t.tokenHash)],
);

/** Single-use password reset tokens, stored as hashes. */
export const passwordResets = sqliteTable(
  "password_resets",
  {
    tokenHash: text("token_hash").primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    usedAt: integer("used_at"),
  },
  (t) => [index("password_resets_user").on(t.userId), index("password_resets_expiry").on(t.expiresAt)],
);

/** Single-use tokens that prove the ownership of an e-mail address, stored as hashes. */
export const emailVerifications = sqliteTable(
  "email_verifications",
  {
    tokenHash: text("token_hash").primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    /** The address that the token was sent to. */
    email: text().notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    usedAt: integer("used_at"),
  },
  (t) => [
    index("email_verifications_user").on(t.userId),
    index("email_verifications_expiry").on(t.expiresAt),
  ],
);

/**
 * The number of wrong passwords on one day, by account and source. `account`: the user's id, or a hash of a name that
 * nobody has. `source`: the hash of a known address, `session` and the id of a session, or empty for all unknown addresses
 * together. `day`: days since 1970 UTC.
 */
export const failedLogins = sqliteTable(
  "failed_logins",
  {
    account: text().notNull(),
    source: text().notNull(),
    day: integer().notNull(),
    n: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.account, t.source] })],
);

/**
 * The number of mails on one day, by reader: a hash of the address, or `*` for all; and of the notifications that wait
 * for the next day (`waiting`, `waiting_account`). `day`: days since 1970 UTC.
 */
export const mailCounts = sqliteTable(
  "mail_counts",
  {
    day: integer().notNull(),
    reader: text().notNull(),
    n: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.reader] })],
);

type FilterColumn =
  | "createdAt"
  | "status"
  | "makeKey"
  | "modelKey"
  | "year"
  | "mileage"
  | "priceCents"
  | "fuelType"
  | "bodyType"
  | "transmission"
  | "driveType"
  | "location";

/** The columns of an index: `first`, the columns of the usual order, and every column that a filter reads. */
const covering = (
  t: Record<FilterColumn, AnySQLiteColumn>,
  ...first: [AnySQLiteColumn, ...AnySQLiteColumn[]]
): [AnySQLiteColumn, ...AnySQLiteColumn[]] => {
  const looked = [t.createdAt, t.status, t.makeKey, t.modelKey, t.year, t.mileage, t.priceCents];
  const kinds = [t.fuelType, t.bodyType, t.transmission, t.driveType, t.location];
  return [...first, ...[...looked, ...kinds].filter((column) => !first.includes(column))];
};

/**
 * The showroom that a new database has. Whatever names no showroom belongs to it. Its name, time zone and horizon are
 * those of the configuration until an administrator sets them.
 */
export const FIRST_SHOWROOM = "00000000-0000-7000-8000-000000000001";

/**
 * The places where cars stand and drives begin. `hours` are the windows of each weekday, as JSON. A trigger raises
 * `version` on every change, also of the special hours.
 */
export const showrooms = sqliteTable(
  "showrooms",
  {
    id: text().primaryKey(),
    code: text().notNull(),
    /** NULL: SHOWROOM_NAME of the configuration. */
    name: text(),
    address: text().notNull().default(""),
    postalCode: text("postal_code").notNull().default(""),
    city: text().notNull().default(""),
    country: text().notNull().default(""),
    latitude: real(),
    longitude: real(),
    phone: text().notNull().default(""),
    email: text(),
    /** NULL: SHOWROOM_TIME_ZONE of the configuration. */
    timeZone: text("time_zone"),
    isActive: integer("is_active", { mode: "boolean" }).notNull().default(true),
    hours: text({ mode: "json" }).notNull().$type<WeeklyHours>(),
    slotMinutes: integer("slot_minutes").notNull().default(60),
    stepMinutes: integer("step_minutes").notNull().default(60),
    bufferBeforeMinutes: integer("buffer_before_minutes").notNull().default(0),
    bufferAfterMinutes: integer("buffer_after_minutes").notNull().default(0),
    leadMinutes: integer("lead_minutes").notNull().default(0),
    /** NULL: BOOKING_HORIZON_DAYS of the configuration. */
    horizonDays: integer("horizon_days"),
    version: integer().notNull().default(1),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** Whether each booking is given a salesperson who is in shift. */
    assignment: text({ enum: ASSIGNMENTS }).notNull().default("NONE"),
  },
  (t) => [
    uniqueIndex("showrooms_code").on(sql`lower(${t.code})`),
    check("showrooms_code_form", sql`${t.code} <> '' AND length(${t.code}) <= 40`),
    check("showrooms_name_length", atMost(t.name, 200)),
    check("showrooms_place", sql`(${t.latitude} IS NULL) = (${t.longitude} IS NULL)`),
    check("showrooms_latitude_range", between(t.latitude, -90, 90)),
    check("showrooms_longitude_range", between(t.longitude, -180, 180)),
    check("showrooms_hours_json", sql`json_valid(${t.hours})`),
    check("showrooms_slot_minutes_range", between(t.slotMinutes, 15, 480)),
    check("showrooms_step_minutes_range", between(t.stepMinutes, 5, 480)),
    check("showrooms_buffer_before_range", between(t.bufferBeforeMinutes, 0, 240)),
    check("showrooms_buffer_after_range", between(t.bufferAfterMinutes, 0, 240)),
    check("showrooms_lead_range", between(t.leadMinutes, 0, 43_200)),
    check("showrooms_horizon_range", between(t.horizonDays, 1, 3650)),
  ],
);

/** Windows that replace those of whole local days. Of two for one day, the later one counts. */
export const specialHours = sqliteTable(
  "special_hours",
  {
    id: text().primaryKey(),
    showroomId: text("showroom_id")
      .notNull()
      .references(() => showrooms.id),
    fromDate: text("from_date").notNull(),
    toDate: text("to_date").notNull(),
    windows: text({ mode: "json" }).notNull().$type<readonly OpeningWindow[]>(),
    reason: text().notNull().default(""),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    index("special_hours_showroom").on(t.showroomId, t.toDate),
    check("special_hours_from_before_to", sql`${t.fromDate} <= ${t.toDate}`),
    check("special_hours_windows_json", sql`json_valid(${t.windows})`),
    check("special_hours_reason_length", atMost(t.reason, 500)),
  ],
);

/**
 * When a salesperson works in a showroom: windows of local time on a weekday. A change of them raises the version of the
 * showroom.
 */
export const shifts = sqliteTable(
  "shifts",
  {
    showroomId: text("showroom_id")
      .notNull()
      .references(() => showrooms.id),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    weekday: text({ enum: WEEKDAYS }).notNull(),
    fromTime: text("from_time").notNull(),
    toTime: text("to_time").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.showroomId, t.userId, t.weekday, t.fromTime] }),
    index("shifts_user").on(t.userId),
    check("shifts_weekday_known", oneOf(t.weekday, WEEKDAYS)),
    check("shifts_from_before_to", sql`${t.fromTime} < ${t.toTime} AND ${t.toTime} <= '24:00'`),
  ],
);

/** When a salesperson is away although they would be in shift. No drive of theirs is within. */
export const absences = sqliteTable(
  "absences",
  {
    id: text().primaryKey(),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    startAt: integer("start_at").notNull(),
    endAt: integer("end_at").notNull(),
    reason: text().notNull().default(""),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    index("absences_user").on(t.userId, t.endAt),
    check("absences_end_after_start", sql`${t.endAt} > ${t.startAt}`),
    check("absences_reason_length", atMost(t.reason, 500)),
  ],
);

/**
 * What a salesperson's fair part of the drives of a showroom rests on. `share`: their weight times the minutes of their
 * weekly shifts there. `drives`: how many they have got; it need not be whole, because a newcomer begins at the average.
 * Triggers on bookings count.
 */
export const driveShares = sqliteTable(
  "drive_shares",
  {
    showroomId: text("showroom_id")
      .notNull()
      .references(() => showrooms.id),
    userId: text("user_id")
      .notNull()
      .references(() => users.id),
    share: integer().notNull(),
    drives: real().notNull().default(0),
    lastAssignedAt: integer("last_assigned_at"),
  },
  (t) => [
    primaryKey({ columns: [t.showroomId, t.userId] }),
    check("drive_shares_share_positive", sql`${t.share} > 0`),
  ],
);

/**
 * What can be in one place only (a car with its buffers, a customer), and when it is in use. Triggers on bookings write
 * it, and refuse two that overlap. A hold's allocation counts until `expiresAt`. WITHOUT ROWID, which Drizzle cannot say.
 */
export const allocations = sqliteTable(
  "allocations",
  {
    kind: text({ enum: RESOURCE_KINDS }).notNull(),
    resourceId: text("resource_id").notNull(),
    startAt: integer("start_at").notNull(),
    endAt: integer("end_at").notNull(),
    bookingId: text("booking_id").notNull(),
    expiresAt: integer("expires_at"),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.resourceId, t.startAt, t.bookingId] }),
    check("allocations_kind_known", oneOf(t.kind, RESOURCE_KINDS)),
    check("allocations_end_after_start", sql`${t.endAt} > ${t.startAt}`),
    // Limits how far back the overlap trigger must search.
    check("allocations_at_most_a_day", sql`${t.endAt} - ${t.startAt} <= 86400000`),
  ],
);

/** The stock. `makeKey` and `modelKey` are case-folded for comparison. */
export const cars = sqliteTable(
  "cars",
  {
    id: text().primaryKey(),
    vin: text().notNull(),
    make: text().notNull(),
    makeKey: text("make_key").notNull(),
    model: text().notNull(),
    modelKey: text("model_key").notNull(),
    year: integer().notNull(),
    mileage: integer().notNull(),
    fuelType: text("fuel_type", { enum: FUEL_TYPES }).notNull(),
    transmission: text({ enum: TRANSMISSIONS }).notNull(),
    color: text().notNull(),
    bodyType: text("body_type", { enum: BODY_TYPES }).notNull(),
    engineCc: integer("engine_cc"),
    doors: integer(),
    seats: integer(),
    driveType: text("drive_type", { enum: DRIVE_TYPES }),
    basePriceCents: integer("base_price_cents").notNull(),
    discountPriceCents: integer("discount_price_cents"),
    priceCents: integer("price_cents")
      .notNull()
      .generatedAlwaysAs(sql`coalesce(discount_price_cents, base_price_cents)`, { mode: "stored" }),
    /** The discount price for an ordering: a car without a discount ranks below all others. */
    discountRank: integer("discount_rank")
      .notNull()
      .generatedAlwaysAs(sql`coalesce(discount_price_cents, -1)`, { mode: "stored" }),
    currency: text().notNull(),
    status: text({ enum: CAR_STATUSES }).notNull().default("AVAILABLE"),
    /** Where it stands. A foreign key by triggers. */
    showroomId: text("showroom_id").notNull().default(FIRST_SHOWROOM),
    location: text({ enum: CAR_LOCATIONS }).notNull().default("SHOWROOM"),
    description: text().notNull().default(""),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** Raised on every change of the car or its photos. The entity tag is made of it. */
    version: integer().notNull().default(1),
  },
  (t) => [
    uniqueIndex("cars_vin").on(t.vin),
    // One index per ordering, and one per selective filter in the default order. Each holds every column that filters
    // read, so the ids of a page are found without reading the table.
    index("cars_by_created").on(...covering(t, t.createdAt, t.id)),
    index("cars_by_year").on(...covering(t, t.year, t.id)),
    index("cars_by_mileage").on(...covering(t, t.mileage, t.id)),
    index("cars_by_price").on(...covering(t, t.priceCents, t.id)),
    index("cars_by_base_price").on(...covering(t, t.basePriceCents, t.id)),
    index("cars_by_discount_price").on(...covering(t, t.discountRank, t.id)),
    index("cars_by_make").on(...covering(t, t.makeKey, t.createdAt, t.id)),
    index("cars_by_model").on(...covering(t, t.modelKey, t.createdAt, t.id)),
    index("cars_by_fuel_type").on(...covering(t, t.fuelType, t.createdAt, t.id)),
    index("cars_by_body_type").on(...covering(t, t.bodyType, t.createdAt, t.id)),
    index("cars_by_transmission").on(...covering(t, t.transmission, t.createdAt, t.id)),
    index("cars_by_drive_type").on(...covering(t, t.driveType, t.createdAt, t.id)),
    // Narrow, because together with other filters theirs exclude more cars: a change of price does not write it.
    index("cars_by_showroom").on(t.showroomId, t.createdAt, t.id, t.status),
    check("cars_vin_form", sql`${t.vin} = upper(${t.vin}) AND length(${t.vin}) BETWEEN 1 AND 32`),
    check("cars_make_length", sql`length(${t.make}) BETWEEN 1 AND 50`),
    check("cars_model_length", sql`length(${t.model}) BETWEEN 1 AND 50`),
    check("cars_color_length", atMost(t.color, 30)),
    check("cars_year_range", between(t.year, 1886, 2200)),
    check("cars_mileage_range", between(t.mileage, 0, 10_000_000)),
    check("cars_fuel_type_known", oneOf(t.fuelType, FUEL_TYPES)),
    check("cars_transmission_known", oneOf(t.transmission, TRANSMISSIONS)),
    check("cars_body_type_known", oneOf(t.bodyType, BODY_TYPES)),
    check("cars_drive_type_known", oneOf(t.driveType, DRIVE_TYPES)),
    check("cars_status_known", oneOf(t.status, CAR_STATUSES)),
    check("cars_location_known", oneOf(t.location, CAR_LOCATIONS)),
    check("cars_engine_cc_range", between(t.engineCc, 0, 100_000)),
    check("cars_doors_range", between(t.doors, 0, 20)),
    check("cars_seats_range", between(t.seats, 0, 200)),
    check("cars_base_price_range", between(t.basePriceCents, 0, MAX_CENTS)),
    check("cars_discount_price_range", sql`${t.discountPriceCents} BETWEEN 0 AND ${t.basePriceCents}`),
    // Also makes a batch fail when the expected version is stale: see raiseVersion in cars/optimistic-locking.ts.
    check("cars_version_positive", sql`${t.version} > 0`),
    check("cars_currency_form", sql`${t.currency} GLOB '[A-Z][A-Z][A-Z]'`),
  ],
);

/** A column without a type: text stays text, and a number stays a number. */
const textOrNumber = customType<{ data: string | number }>({ dataType: () => "blob" });

/**
 * Kept counts: the number of cars by value and status. Triggers maintain them, so that the total of the stock, or of a
 * list with one filter, needs no scan. `facet` names a column, or a step along an ordering (such as `price_step`),
 * which finds the beginning of a page far down the list. `label` is the value as written.
 */
export const carCounts = sqliteTable(
  "car_counts",
  {
    facet: text().notNull(),
    value: textOrNumber().notNull(),
    status: text({ enum: CAR_STATUSES }).notNull(),
    label: text().notNull(),
    n: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.facet, t.value, t.status] }),
    check("car_counts_n_not_negative", sql`${t.n} >= 0`),
  ],
);

/**
 * Orphaned objects: keys in R2 that no photo row names, because an upload is still running or the photo was deleted
 * (`pendingDelete`). Written before the bytes; deleted in the batch that writes the photo's row. The cron deletes the
 * rest.
 */
export const orphanedObjects = sqliteTable(
  "loose_objects",
  {
    key: text().primaryKey(),
    pendingDelete: integer("doomed", { mode: "boolean" }).notNull().default(false),
    since: integer().notNull(),
  },
  (t) => [
    index("loose_objects_age").on(t.since),
    check("loose_objects_doomed_boolean", between(t.pendingDelete, 0, 1)),
  ],
);

/** Photos of a car. The bytes are in R2 under `key` (display size) and `thumbnailKey`. */
export const carPhotos = sqliteTable(
  "car_photos",
  {
    id: text().primaryKey(),
    carId: text("car_id")
      .notNull()
      .references(() => cars.id),
    key: text().notNull(),
    thumbnailKey: text("thumbnail_key").notNull(),
    contentType: text("content_type").notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    altText: text("alt_text").notNull().default(""),
    sortOrder: integer("sort_order").notNull(),
    isPrimary: integer("is_primary", { mode: "boolean" }).notNull().default(false),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    uniqueIndex("car_photos_one_primary").on(t.carId).where(sql`${t.isPrimary} = 1`),
    index("car_photos_order").on(t.carId, t.sortOrder, t.id),
    uniqueIndex("car_photos_key").on(t.key),
    check("car_photos_is_primary_boolean", between(t.isPrimary, 0, 1)),
    check("car_photos_size", sql`${t.width} > 0 AND ${t.height} > 0`),
    check("car_photos_alt_text_length", atMost(t.altText, 255)),
  ],
);

/**
 * Test drives. Triggers in `migrations/` refuse overlapping active bookings of a car, illegal status changes, and
 * active bookings of cars that are out of stock. Rows are never deleted.
 */
export const bookings = sqliteTable(
  "bookings",
  {
    id: text().primaryKey(),
    carId: text("car_id")
      .notNull()
      .references(() => cars.id),
    customerId: text("customer_id")
      .notNull()
      .references(() => users.id),
    startAt: integer("start_at").notNull(),
    endAt: integer("end_at").notNull(),
    status: text({ enum: BOOKING_STATUSES }).notNull().default("PENDING"),
    notes: text().notNull().default(""),
    /** The staff member who made the last decision: approved, declined, completed, … */
    handledBy: text("handled_by").references(() => users.id),
    /** Why it was declined or cancelled, as the customer is informed. */
    reason: text().notNull().default(""),
    /** Raised on every change. It is SEQUENCE in the calendar file. */
    sequence: integer().notNull().default(0),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** Where the drive begins: the showroom of the car when it was booked. A foreign key by triggers. */
    showroomId: text("showroom_id").notNull().default(FIRST_SHOWROOM),
    /** The showroom's local day on which the drive begins. NULL: the day in the time zone of the configuration. */
    localDate: text("local_date"),
    /** The drive with its buffers, for which its car is occupied. NULL: without buffers. */
    footprintStartAt: integer("footprint_start_at"),
    footprintEndAt: integer("footprint_end_at"),
    /** Until when a hold, which is a PENDING booking that is not confirmed, occupies its slot. NULL: it is no hold. */
    heldUntil: integer("held_until"),
    /** Who drives along. */
    salespersonId: text("salesperson_id").references(() => users.id),
    /** Who chose the salesperson: the showroom's fair order, or a member of staff. NULL: there is none. */
    assignedBy: text("assigned_by", { enum: ASSIGNED_BY }),
    source: text({ enum: BOOKING_SOURCES }).notNull().default("ONLINE"),
  },
  (t) => [
    index("bookings_customer").on(t.customerId, t.startAt, t.id),
    // One index for the active bookings of a car and for all of them. A second one, of the active ones only, would cost
    // each booking a row written, as much as a thousand rows read, and each change of a status another.
    index("bookings_car").on(t.carId, t.startAt, t.id),
    index("bookings_start").on(t.startAt, t.id),
    index("bookings_held")
      .on(t.customerId)
      .where(sql`${t.heldUntil} IS NOT NULL AND ${t.status} = 'PENDING'`),
    index("bookings_salesperson").on(t.salespersonId, t.startAt).where(sql`${t.salespersonId} IS NOT NULL`),
    index("bookings_handled").on(t.handledBy, t.startAt).where(sql`${t.status} = 'COMPLETED'`),
    check("bookings_status_known", oneOf(t.status, BOOKING_STATUSES)),
    check("bookings_end_after_start", sql`${t.endAt} > ${t.startAt}`),
    // Limits how far back the overlap triggers must search.
    check("bookings_at_most_a_day", sql`${t.endAt} - ${t.startAt} <= 86400000`),
    check("bookings_notes_length", atMost(t.notes, 2000)),
  ],
);

/**
 * How often a customer booked, moved or cancelled in one hour (`hour`: hours since 1970 UTC). A trigger in `migrations/`
 * refuses more than 20. Staff are not counted.
 */
export const bookingChanges = sqliteTable(
  "booking_changes",
  {
    customerId: text("customer_id")
      .notNull()
      .references(() => users.id),
    hour: integer().notNull(),
    n: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.hour, t.customerId] })],
);

/** Sales. A void sale stays on record. A car has at most one open sale. */
export const sales = sqliteTable(
  "sales",
  {
    id: text().primaryKey(),
    carId: text("car_id")
      .notNull()
      .references(() => cars.id),
    customerId: text("customer_id")
      .notNull()
      .references(() => users.id),
    salespersonId: text("salesperson_id")
      .notNull()
      .references(() => staffProfiles.userId),
    salePriceCents: integer("sale_price_cents").notNull(),
    currency: text().notNull(),
    paymentMethod: text("payment_method", { enum: PAYMENT_METHODS }).notNull(),
    saleAt: integer("sale_at").notNull(),
    contractNumber: text("contract_number").notNull().default(""),
    remarks: text().notNull().default(""),
    createdAt: integer("created_at").notNull(),
    voidedAt: integer("voided_at"),
    voidReason: text("void_reason"),
    voidedBy: text("voided_by").references(() => users.id),
  },
  (t) => [
    uniqueIndex("sales_one_open_per_car").on(t.carId).where(sql`${t.voidedAt} IS NULL`),
    index("sales_when").on(t.saleAt, t.id),
    index("sales_salesperson").on(t.salespersonId, t.saleAt, t.id),
    index("sales_customer").on(t.customerId),
    check("sales_price_range", between(t.salePriceCents, 1, MAX_CENTS)),
    check("sales_currency_form", sql`${t.currency} GLOB '[A-Z][A-Z][A-Z]'`),
    check("sales_payment_method_known", oneOf(t.paymentMethod, PAYMENT_METHODS)),
    check(
      "sales_void_is_whole",
      sql`(${t.voidedAt} IS NULL) = (${t.voidReason} IS NULL) AND (${t.voidedAt} IS NULL) = (${t.voidedBy} IS NULL)`,
    ),
  ],
);

/** The commission ledger. Entries are only appended. A void adds a negative entry that names the one it reverses. */
export const commissions = sqliteTable(
  "commissions",
  {
    id: text().primaryKey(),
    saleId: text("sale_id")
      .notNull()
      .references(() => sales.id),
    salespersonId: text("salesperson_id")
      .notNull()
      .references(() => staffProfiles.userId),
    rate: integer().notNull(),
    amountCents: integer("amount_cents").notNull(),
    reverses: text().references((): AnySQLiteColumn => commissions.id),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    uniqueIndex("commissions_one_per_sale").on(t.saleId).where(sql`${t.reverses} IS NULL`),
    uniqueIndex("commissions_one_reversal").on(t.reverses),
    index("commissions_sale").on(t.saleId),
    index("commissions_salesperson").on(t.salespersonId, t.createdAt),
    check("commissions_rate_range", between(t.rate, 0, MAX_RATE)),
    check(
      "commissions_amount_sign",
      sql`(${t.reverses} IS NULL AND ${t.amountCents} >= 0) OR (${t.reverses} IS NOT NULL AND ${t.amountCents} <= 0)`,
    ),
  ],
);

/**
 * The outbox: notifications, written in the batch of their fact. `facts` (JSON) holds the facts at that moment, so that
 * a late mail reports them and not the present state. The rows of one booking are delivered in `rowid` order, which is
 * commit order.
 */
export const notifications = sqliteTable(
  "notifications",
  {
    id: text().primaryKey(),
    /** A trigger refuses unknown kinds, because a CHECK could not be changed without a rebuild of the table. */
    kind: text({ enum: NOTIFICATION_KINDS }).notNull(),
    /** The address. Deleted some time after the mail was sent. */
    recipient: text(),
    userId: text("user_id").references(() => users.id),
    bookingId: text("booking_id").references(() => bookings.id),
    saleId: text("sale_id").references(() => sales.id),
    facts: text({ mode: "json" }).$type<Record<string, unknown>>().notNull(),
    status: text({ enum: NOTIFICATION_STATUSES }).notNull().default("PENDING"),
    attempts: integer().notNull().default(0),
    lastError: text("last_error"),
    createdAt: integer("created_at").notNull(),
    /** The earliest time of the next attempt: the end of a back-off or of a lease. */
    nextAttemptAt: integer("next_attempt_at").notNull(),
    sentAt: integer("sent_at"),
    /** The request that caused it, for the log and the mail's header. Reminders have none. */
    requestId: text("request_id"),
  },
  (t) => [
    // One index for the notifications of a booking to one reader, which are sent in order, and for the export and the
    // erasure of personal data. It holds rows without a user, too: those to the showroom, and otherwise the cost of a row
    // would show whether a password reset found an account.
    index("notifications_reader").on(t.userId, t.bookingId),
    index("notifications_sale").on(t.saleId).where(sql`${t.saleId} IS NOT NULL`),
    // Also serves the cron: at any time few rows are waiting.
    index("notifications_status").on(t.status, t.id),
    // One reminder per start, even when two runs of the cron overlap.
    uniqueIndex("notifications_one_reminder")
      .on(t.bookingId, sql`${t.facts} ->> '$.startAt'`)
      .where(sql`${t.kind} = 'booking_reminder'`),
    check("notifications_pending_has_recipient", sql`${t.recipient} IS NOT NULL OR ${t.status} <> 'PENDING'`),
    check("notifications_status_known", oneOf(t.status, NOTIFICATION_STATUSES)),
    check("notifications_attempts_range", sql`${t.attempts} >= 0`),
    check("notifications_sent_at_goes_with_sent", sql`(${t.status} = 'SENT') = (${t.sentAt} IS NOT NULL)`),
  ],
);

/**
 * The epoch of each car's writer. Each load raises `epoch`, and a commit of an earlier epoch is refused, so that a
 * replaced writer, or a batch that arrives late, changes nothing.
 */
export const calendars = sqliteTable("calendars", {
  carId: text("car_id")
    .primaryKey()
    .references(() => cars.id),
  epoch: integer().notNull(),
});

/** Stored answers of requests with an Idempotency-Key, by caller and key. Kept for 24 hours. */
export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    /** Hash of caller and key. One column, so that neither can be guessed from the other. */
    id: text().primaryKey(),
    /** Hash of operation and body. A request with the same key and another fingerprint is refused. */
    fingerprint: text().notNull(),
    status: integer().notNull(),
    body: text().notNull(),
    location: text(),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [
    index("idempotency_keys_age").on(t.createdAt),
    check("idempotency_keys_status_range", between(t.status, 200, 299)),
  ],
);

/** The last run of each job that the cron does: one row each, replaced by the next run. `result` is JSON. */
export const jobRuns = sqliteTable("job_runs", {
  job: text().primaryKey(),
  finishedAt: integer("finished_at").notNull(),
  ms: integer().notNull(),
  result: text().notNull(),
});
