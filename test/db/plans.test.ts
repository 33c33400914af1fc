/** How SQLite finds what the queries that are asked most look for: each along an index, and none through a whole table. */
import { describe, expect, test } from "vitest";
import { releaseAddress, takenAddress } from "../../src/auth/email-verification.ts";
import { loginQueries } from "../../src/auth/guesses.ts";
import { userByName } from "../../src/auth/users.ts";
import { readAs } from "../../src/auth/verification.ts";
import { activeBookings, bookingById, bookingList, calendarOfCar, onDay } from "../../src/bookings/store.ts";
import { carById } from "../../src/cars/store.ts";
import type { Config } from "../../src/config.ts";
import type { Database } from "../../src/db/client.ts";
import { storedAnswer } from "../../src/db/idempotency.ts";
import type { Statement } from "../../src/db/statement.ts";
import { claim } from "../../src/notifications/delivery-store.ts";
import { notificationList } from "../../src/notifications/use-cases.ts";
import { CHECKS } from "../../src/ops/self-checks.ts";
import { failedMails, lateNotifications, outboxState, resetNotice } from "../../src/outbox/outbox.ts";
import { saleById, saleList } from "../../src/sales/store.ts";
import { planOf, queriesOf, stepsOf } from "../support/plans.ts";

const PAGE = { limit: 20, offset: 0 };
const caller = { id: "u", role: "SALES", sessionId: "s", allowedRoles: ["SALES"] } as const;

const RESET_ACCOUNT = [
  "SEARCH users USING INDEX sqlite_autoindex_users_1 (id=?)",
  "SEARCH users USING INDEX users_verified_email_key (email_key=?)",
  "SEARCH users USING INDEX users_email (email_key=?)",
];

/** What is looked for, its queries, and how each table is read. */
const PLANS: [string, Parameters<typeof planOf>[0][], string[]][] = [
  [
    "whether a caller is signed in",
    await queriesOf((db) => readAs({ db, found: {} } as never, caller)),
    [
      "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)",
      "SEARCH users USING INDEX sqlite_autoindex_users_1 (id=?)",
    ],
  ],
  [
    "the user who signs in",
    [userByName({ key: "k", unverified: 1 })],
    [
      "SEARCH users USING INDEX sqlite_autoindex_users_1 (id=?)",
      "SEARCH users USING INDEX users_username_key (username_key=?)",
      "SEARCH users USING INDEX users_verified_email_key (email_key=?)",
      "SEARCH users USING INDEX users_email (email_key=?)",
      "SEARCH users USING COVERING INDEX users_email (email_key=?)",
    ],
  ],
  [
    "the account that a password reset is mailed to",
    [resetNotice("n", "k", 0)],
    // Once for the user, and once for the spelling of the address.
    [...RESET_ACCOUNT, ...RESET_ACCOUNT],
  ],
  [
    "whether an address is taken",
    [takenAddress({ key: "k", userId: "u" })],
    [
      "SCAN CONSTANT ROW",
      "SEARCH other USING INDEX users_verified_email_key (email_key=?)",
      "SEARCH other USING INDEX users_username_key (username_key=?)",
    ],
  ],
  [
    "the accounts that lose an address",
    [...releaseAddress("k", "u", 0)],
    [
      "SEARCH users USING INDEX users_email (email_key=?)",
      "SEARCH users USING INDEX users_pending_email (<expr>=?)",
    ],
  ],
  [
    "a car",
    await queriesOf((db) => carById(db, "c")),
    [
      "SEARCH cars USING INDEX sqlite_autoindex_cars_1 (id=?)",
      "SEARCH p USING INDEX car_photos_order (car_id=?)",
    ],
  ],
  [
    "my bookings",
    bookingList({ customer: "u" }, PAGE),
    [
      "SEARCH bookings USING INDEX bookings_customer (customer_id=?)",
      "SEARCH bookings USING COVERING INDEX bookings_customer (customer_id=?)",
    ],
  ],
  [
    "my bookings of a status",
    bookingList({ customer: "u", status: "PENDING", now: 1 }, PAGE),
    [
      "SEARCH bookings USING INDEX bookings_customer (customer_id=?)",
      "SEARCH bookings USING INDEX bookings_customer (customer_id=?)",
    ],
  ],
  [
    "the bookings of a car",
    bookingList({ car: "c" }, PAGE),
    [
      "SEARCH bookings USING INDEX bookings_car (car_id=?)",
      "SEARCH bookings USING COVERING INDEX bookings_car (car_id=?)",
    ],
  ],
  [
    "the bookings of a day",
    bookingList(onDay("2026-12-01", "Europe/Berlin"), PAGE),
    [
      "SEARCH bookings USING INDEX bookings_start (start_at>? AND start_at<?)",
      "SEARCH bookings USING INDEX bookings_start (start_at>? AND start_at<?)",
    ],
  ],
  [
    "the active bookings of a car",
    [activeBookings({ carId: "c" })],
    [
      "SEARCH allocations USING PRIMARY KEY (kind=? AND resource_id=?)",
      "SEARCH bookings USING INDEX sqlite_autoindex_bookings_1 (id=?)",
    ],
  ],
  [
    "what decides about the free slots of a car",
    [calendarOfCar({ carId: "c", customerId: "u", from: "2026-12-01", now: 1, startAt: 1, endAt: 2 })],
    [
      "SEARCH cars USING INDEX sqlite_autoindex_cars_1 (id=?)",
      "SEARCH showrooms USING INDEX sqlite_autoindex_showrooms_1 (id=?)",
      "SEARCH special_hours USING INDEX special_hours_showroom (showroom_id=? AND to_date>?)",
      "SEARCH d USING PRIMARY KEY (showroom_id=?)",
      "SEARCH u USING INDEX sqlite_autoindex_users_1 (id=?)",
      "SEARCH s USING INDEX shifts_user (user_id=? AND showroom_id=?)",
      "SEARCH a USING PRIMARY KEY (kind=? AND resource_id=? AND start_at>? AND start_at<?)",
      "SEARCH a USING PRIMARY KEY (kind=? AND resource_id=? AND start_at>? AND start_at<?)",
      // The people with shifts there, once for their drives and once for their absences.
      "SEARCH drive_shares USING PRIMARY KEY (showroom_id=?)",
      "SEARCH a USING PRIMARY KEY (kind=? AND resource_id=? AND start_at>? AND start_at<?)",
      "SEARCH drive_shares USING PRIMARY KEY (showroom_id=?)",
      "SEARCH b USING INDEX absences_user (user_id=? AND end_at>?)",
    ],
  ],
  [
    "a booking",
    [bookingById({ id: "b" })],
    ["SEARCH bookings USING INDEX sqlite_autoindex_bookings_1 (id=?)"],
  ],
  [
    "the sales of a salesperson",
    saleList({ only: "u" }, PAGE),
    [
      "SEARCH sales USING INDEX sales_salesperson (salesperson_id=?)",
      "SEARCH c USING INDEX commissions_sale (sale_id=?)",
      "SEARCH sales USING COVERING INDEX sales_salesperson (salesperson_id=?)",
    ],
  ],
  [
    "a sale",
    [saleById({ id: "s" })],
    [
      "SEARCH sales USING INDEX sqlite_autoindex_sales_1 (id=?)",
      "SEARCH c USING INDEX commissions_sale (sale_id=?)",
    ],
  ],
  [
    "the answer of a keyed request",
    [storedAnswer({ id: "k" })],
    ["SEARCH idempotency_keys USING INDEX sqlite_autoindex_idempotency_keys_1 (id=?)"],
  ],
  [
    "the notifications of a booking",
    notificationList({ booking: "b" }, PAGE),
    ["INDEX", "COVERING INDEX"].flatMap((index) => [
      "SEARCH bookings USING INDEX sqlite_autoindex_bookings_1 (id=?)",
      `SEARCH notifications USING ${index} notifications_reader (user_id=? AND booking_id=?)`,
      `SEARCH notifications USING ${index} notifications_reader (user_id=? AND booking_id=?)`,
    ]),
  ],
  [
    "late notifications",
    await queriesOf((db) => lateNotifications(db, 0)),
    [
      "SEARCH notifications USING INDEX notifications_status (status=?)",
      "SEARCH earlier USING INDEX notifications_reader (user_id=? AND booking_id=? AND rowid<?)",
    ],
  ],
  [
    "the state of the outbox, and the failed mails",
    [outboxState(0), failedMails(0)],
    [
      "SCAN CONSTANT ROW",
      "SEARCH notifications USING COVERING INDEX notifications_status (status=?)",
      "SEARCH notifications USING INDEX notifications_status (status=?)",
      "SEARCH notifications USING INDEX notifications_status (status=?)",
      "SEARCH earlier USING INDEX notifications_reader (user_id=? AND booking_id=? AND rowid<?)",
      "SEARCH notifications USING INDEX notifications_status (status=?)",
    ],
  ],
];

test("the self-checks read bookings and mails by index, and the stock along one that covers what they read", async () => {
  const config = { activeBookings: { most: 5, mostUnverified: 5 } } as Config;
  const planAt = async (name: keyof typeof CHECKS) => planOf(CHECKS[name](config, 0));
  expect(await planAt("bookings_overlap")).toEqual(
    expect.arrayContaining([
      "SEARCH bookings USING INDEX bookings_start (start_at>?)",
      expect.stringMatching(/^SEARCH other .*bookings_car \(car_id=\? AND start_at>\? AND start_at<\?\)/),
    ]),
  );
  expect(await planAt("customer_caps")).toContain("SEARCH bookings USING INDEX bookings_start (start_at>?)");
  expect(await planAt("open_sales")).toEqual(
    expect.arrayContaining([
      "SCAN cars USING COVERING INDEX cars_by_created",
      "SEARCH sales USING INDEX sales_one_open_per_car (car_id=?)",
    ]),
  );
  expect(await planAt("car_counts")).toEqual(
    expect.arrayContaining([expect.stringMatching(/^SEARCH car_counts USING .*INDEX/)]),
  );
  expect(await planAt("overdue_mails")).toContain(
    "SEARCH notifications USING INDEX notifications_status (status=?)",
  );
});

test("a claim finds its notification, the earlier and later ones of its booking and the counts along an index", async () => {
  const claimed: Statement[] = [];
  const commit = async (...[, , , statements]: Parameters<Database["commit"]>) => {
    claimed.push(...statements);
    return statements.map(() => []);
  };
  await claim({ commit } as unknown as Database, "n", 0, 10);
  const steps = (await Promise.all(claimed.map(planOf))).flat();
  expect(steps).toEqual(
    expect.arrayContaining([
      "SEARCH notifications USING INDEX sqlite_autoindex_notifications_1 (id=?)",
      "SEARCH earlier USING INDEX notifications_reader (user_id=? AND booking_id=? AND rowid<?)",
      "SEARCH later USING INDEX notifications_reader (user_id=? AND booking_id=? AND rowid>?)",
      "SEARCH mail_counts USING INDEX sqlite_autoindex_mail_counts_1 (day=? AND reader=?)",
      "SEARCH owner USING INDEX sqlite_autoindex_users_1 (id=?)",
    ]),
  );
  expect(steps.filter((step) => step.startsWith("SCAN"))).toEqual([]);
});

describe("an index finds", () => {
  test.each(PLANS)("%s", async (_, queries, expected) => {
    const plans = await Promise.all(queries.map(planOf));
    expect(plans.flat()).toEqual(expected);
  });
});

test("a login finds the user's sessions and wrong passwords by index, whatever finds the user", async () => {
  const [, places, counts] = loginQueries("k", "h", 1, 0);
  expect((await planOf(places))[0]).toBe("SEARCH sessions USING INDEX sessions_user (user_id=?)");
  expect((await planOf(counts))[0]).toBe(
    "SEARCH failed_logins USING INDEX sqlite_autoindex_failed_logins_1 (day=? AND account=?)",
  );
  for (const query of [places, counts])
    expect((await planOf(query)).filter((step) => step.startsWith("SCAN"))).toEqual([]);
  expect((await stepsOf(places)).filter((step) => step.startsWith("USE TEMP"))).toEqual([]);
});

test("pages of bookings and sales are read in the order of an index, and not sorted", async () => {
  for (const [rows] of [
    bookingList({ customer: "u" }, PAGE),
    bookingList({ car: "c" }, PAGE),
    bookingList({}, PAGE),
    saleList({ only: "u" }, PAGE),
    saleList({}, PAGE),
  ]) {
    expect((await stepsOf(rows)).filter((step) => /^USE TEMP B-TREE FOR (?!json)/.test(step))).toEqual([]);
  }
});
