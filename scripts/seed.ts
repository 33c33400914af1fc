/** `npm run seed`: loads the demo data into the local database when it is empty. */
import { drizzle } from "drizzle-orm/d1";
import { putObject } from "../src/cars/photo-storage.ts";
import { bookings, carPhotos, cars, staffProfiles, users } from "../src/db/schema.ts";
import { readOptions } from "../tools/command-line/arguments.ts";
import { insertsOf } from "../tools/database/bulk.ts";
import { openLocalStorage } from "../tools/database/local-storage.ts";
import { DEMO_CARS, demoBookings, demoCars, demoPeople, demoPhotos } from "../tools/demo/demo-data.ts";
import { drawPhoto } from "../tools/demo/demo-photos.ts";

/** How many objects are stored at the same time. */
const AT_ONCE = 40;

readOptions(
  `npm run seed

Loads the demo data into the local database when that has no users. It cannot reach a remote one.`,
  {},
);

const { d1, photos: bucket, vars, close } = await openLocalStorage();
try {
  const db = drizzle(d1);
  const occupied = await db.select({ id: users.id }).from(users).limit(1);
  if (occupied.length > 0) {
    console.log("The database has data already; no demo data loaded.");
  } else {
    const now = Date.now();
    const stock = demoCars(DEMO_CARS, now);
    const { people, profiles } = await demoPeople(now);
    const drives = demoBookings(stock, people, vars["SHOWROOM_TIME_ZONE"] ?? "", now);
    const photos = demoPhotos(stock);
    await storeObjects(photos);
    // One transaction, so that an interrupted load can be repeated.
    await d1.batch([
      ...insertsOf(d1, users, people),
      ...insertsOf(d1, staffProfiles, profiles),
      ...insertsOf(d1, cars, stock),
      ...insertsOf(
        d1,
        carPhotos,
        photos.map(({ row }) => row),
      ),
      ...insertsOf(d1, bookings, drives),
    ]);
    console.log(
      `Demo data loaded: ${stock.length} cars with ${photos.length} photos, ${people.length} users, ${drives.length} bookings.`,
    );
  }
} finally {
  await close();
}

/** Draws each kind, colour and view once, and stores it under the keys of all photos that show it. */
async function storeObjects(photos: ReturnType<typeof demoPhotos>): Promise<void> {
  const drawn = new Map<string, ReturnType<typeof drawPhoto>>();
  const puts = photos.flatMap(({ row, shows }) => {
    const name = shows.join();
    const image = drawn.get(name) ?? drawPhoto(...shows);
    drawn.set(name, image);
    return [
      () => putObject(bucket, row.key, image.display, row.contentType),
      () => putObject(bucket, row.thumbnailKey, image.thumbnail, row.contentType),
    ];
  });
  for (let at = 0; at < puts.length; at += AT_ONCE)
    await Promise.all(puts.slice(at, at + AT_ONCE).map((put) => put()));
}
