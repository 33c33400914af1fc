import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../../src/db/client.ts";
import { FIRST_SHOWROOM, specialHours } from "../../src/db/schema.ts";
import { cancelOutside, comingBookings } from "../../src/showrooms/outside.ts";
import {
  showroomById,
  showroomList,
  showroomOfCar,
  showroomRow,
  specialHoursOf,
} from "../../src/showrooms/store.ts";
import { planOf, stepsOf } from "../support/plans.ts";
import { car, db } from "../support/world.ts";

const PAGE = { limit: 20, offset: 0 };

test("a showroom has its special hours that are not over, those that were added later at the end, however it is found", async () => {
  const added = (createdAt: number, date: string) => ({
    id: `special-${createdAt}`,
    showroomId: FIRST_SHOWROOM,
    fromDate: date,
    toDate: date,
    windows: [],
    createdAt,
  });
  await db
    .insert(specialHours)
    .values([added(3, "2030-05-01"), added(1, "2030-05-03"), added(2, "2030-04-30")]);
  const carId = await car();
  const [[found], [ofCar]] = await openDatabase(env.DB, "first-primary").ask(
    showroomById({ id: FIRST_SHOWROOM, from: "2030-05-01" }),
    showroomOfCar({ carId, from: "2030-05-01" }),
  );
  expect(JSON.parse(found?.specialHours ?? "")).toEqual([
    { from: "2030-05-03", to: "2030-05-03", windows: [] },
    { from: "2030-05-01", to: "2030-05-01", windows: [] },
  ]);
  expect(ofCar).toEqual(found);
});

describe("an index finds", () => {
  const byId = "SEARCH showrooms USING INDEX sqlite_autoindex_showrooms_1 (id=?)";

  test.each([
    ["a showroom", [showroomRow({ id: "s" })], [byId]],
    [
      "a showroom with its special hours and shifts",
      [showroomById({ id: "s", from: "" })],
      [
        byId,
        "SEARCH special_hours USING INDEX special_hours_showroom (showroom_id=? AND to_date>?)",
        "SEARCH d USING PRIMARY KEY (showroom_id=?)",
        "SEARCH u USING INDEX sqlite_autoindex_users_1 (id=?)",
        "SEARCH s USING INDEX shifts_user (user_id=? AND showroom_id=?)",
      ],
    ],
    [
      "the special hours of a showroom",
      [specialHoursOf({ id: "s", from: "" })],
      ["SEARCH special_hours USING INDEX special_hours_showroom (showroom_id=? AND to_date>?)"],
    ],
    [
      "coming bookings",
      [comingBookings({ showroom: "s", now: 0 })],
      ["SEARCH bookings USING INDEX bookings_start (start_at>?)"],
    ],
  ] as const)("%s", async (_, queries, expected) => {
    expect((await Promise.all(queries.map(planOf))).flat()).toEqual(expected);
  });

  test("showrooms in the order of their codes, and nothing is sorted", async () => {
    const [rows] = showroomList({ active: true }, PAGE);
    expect(await stepsOf(rows)).toEqual(["SCAN showrooms USING INDEX showrooms_code"]);
  });

  test("each of the bookings that are cancelled, and their cars", async () => {
    const steps = (await Promise.all(cancelOutside([], "", "u", 0).map(planOf))).flat();
    expect(steps).toEqual(
      expect.arrayContaining(["SEARCH b USING INDEX sqlite_autoindex_bookings_1 (id=?)"]),
    );
    expect(steps.filter((step) => /^SCAN (b|u|bookings|calendars)\b/.test(step))).toEqual([]);
  });
});
