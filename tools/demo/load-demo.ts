/** Loads the demo data into an empty database. */
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { openDatabase } from "../../src/db/client.ts";
import {
  bookings,
  carPhotos,
  cars,
  commissions,
  driveShares,
  FIRST_SHOWROOM,
  sales,
  shifts,
  showrooms,
  staffProfiles,
  users,
} from "../../src/db/schema.ts";
import type { Schedule } from "../../src/showrooms/schedule.ts";
import {
  type ShowroomDefaults,
  scheduleOf,
  showroomById,
  sinceYesterday,
} from "../../src/showrooms/store.ts";
import { insertsOf } from "../database/bulk.ts";
import { demoCars, demoPeople, demoPhotos } from "./demo-data.ts";
import {
  demoBookings,
  demoSales,
  demoShifts,
  demoShowrooms,
  demoSoldCars,
  standing,
  withShifts,
} from "./demo-history.ts";

/** How many cars the demo showrooms have in stock, and how many they have sold. */
const [IN_STOCK, SOLD] = [360, 30];

/** The schedules of all showrooms, as the Worker reads them. */
export async function schedulesIn(
  d1: D1Database,
  defaults: ShowroomDefaults,
  now: number,
): Promise<Schedule[]> {
  const ids = await drizzle(d1).select({ id: showrooms.id }).from(showrooms).orderBy(showrooms.id);
  const queries = ids.map(({ id }) => showroomById({ id, from: sinceYesterday(now) }));
  const found = await openDatabase(d1, "first-primary").ask(...queries);
  return found.flat().map((row) => scheduleOf(row, defaults));
}

/** Stores the files of the photos, before their rows. */
type StorePhotos = (photos: ReturnType<typeof demoPhotos>) => Promise<void>;

/**
 * Loads the demo data as of `now` unless the database has users.
 * @returns what was loaded, in words; `undefined` when there are users
 */
export async function loadDemo(
  d1: D1Database,
  defaults: ShowroomDefaults,
  now: number,
  storePhotos: StorePhotos,
): Promise<string | undefined> {
  const db = drizzle(d1);
  const occupied = await db.select({ id: users.id }).from(users).limit(1);
  if (occupied.length > 0) return undefined;
  const { first, second } = demoShowrooms(now);
  const all = standing(demoCars(IN_STOCK + SOLD, now), second.id);
  const [stock, sold] = [all.slice(0, IN_STOCK), demoSoldCars(all.slice(IN_STOCK), now)];
  const { people, profiles } = await demoPeople(now);
  const photos = demoPhotos(stock);
  await storePhotos(photos);
  // The showrooms first, so that their schedules are read as the Worker reads them.
  await db.update(showrooms).set(first).where(eq(showrooms.id, FIRST_SHOWROOM));
  await db.insert(showrooms).values(second).onConflictDoNothing();
  const work = demoShifts(people, second.id ?? "");
  const stored = await schedulesIn(d1, defaults, now);
  const schedules = stored.map((schedule) => withShifts(schedule, work.shifts));
  const world = { stock, sold, people, profiles, schedules, now };
  const drives = demoBookings(world);
  const sale = demoSales(world);
  const photoRows = photos.map(({ row }) => row);
  // One transaction, so that an interrupted load can be repeated.
  await d1.batch([
    ...insertsOf(d1, users, people),
    ...insertsOf(d1, staffProfiles, profiles),
    ...insertsOf(d1, shifts, work.shifts),
    ...insertsOf(d1, driveShares, work.shares),
    ...insertsOf(d1, cars, [...stock, ...sold]),
    ...insertsOf(d1, carPhotos, photoRows),
    ...insertsOf(d1, bookings, sale.drives),
    ...insertsOf(d1, bookings, drives),
    ...insertsOf(d1, sales, sale.sales),
    ...insertsOf(d1, commissions, sale.commissions),
    d1.prepare("UPDATE cars SET status = 'SOLD' WHERE id IN (SELECT car_id FROM sales)"),
  ]);
  const parts = [
    `${schedules.length} showrooms`,
    `${stock.length} cars with ${photos.length} photos`,
    `${people.length} users`,
    `${drives.length} bookings`,
    `${sale.sales.length} sales`,
  ];
  return parts.join(", ");
}
