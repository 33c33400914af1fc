/** Loads the demo data into the local database when it is empty. It cannot reach a remote one. */
import { drizzle } from "drizzle-orm/d1";
import { getPlatformProxy } from "wrangler";
import { putObject } from "../src/cars/photo-storage.ts";
import { bookings, carPhotos, cars, staffProfiles, users } from "../src/db/schema.ts";
import { insertsOf } from "../tools/database/bulk.ts";
import { DEMO_CARS, demoBookings, demoCars, demoPeople, demoPhotos } from "../tools/demo/demo-data.ts";
import { drawPhoto } from "../tools/demo/demo-photos.ts";

/** How many objects are stored at the same time. */
const AT_ONCE = 40;

const platform = await getPlatformProxy<{ DB: D1Database; PHOTOS: R2Bucket; SHOWROOM_TIME_ZONE: string }>({
  remoteBindings: false,
});
const { DB, PHOTOS, SHOWROOM_TIME_ZONE } = platform.env;
try {
  const db = drizzle(DB);
  const occupied = await db.select({ id: users.id }).from(users).limit(1);
  if (occupied.length > 0) {
    console.log("The database has data already; no demo data loaded.");
  } else {
    const now = Date.now();
    const stock = demoCars(DEMO_CARS, now);
    const { people, profiles } = await demoPeople(now);
    const drives = demoBookings(stock, people, SHOWROOM_TIME_ZONE, now);
    const photos = demoPhotos(stock);
    await storeObjects(photos);
    // All rows or none, so that a load that was broken off begins anew.
    await DB.batch([
      ...insertsOf(DB, users, people),
      ...insertsOf(DB, staffProfiles, profiles),
      ...insertsOf(DB, cars, stock),
      ...insertsOf(
        DB,
        carPhotos,
        photos.map(({ row }) => row),
      ),
      ...insertsOf(DB, bookings, drives),
    ]);
    console.log(
      `Demo data loaded: ${stock.length} cars with ${photos.length} photos, ${people.length} users, ${drives.length} bookings.`,
    );
  }
} finally {
  await platform.dispose();
}

/** Draws each kind, colour and view once, and stores it under the keys of all photos that show it. */
async function storeObjects(photos: ReturnType<typeof demoPhotos>): Promise<void> {
  const drawn = new Map<string, ReturnType<typeof drawPhoto>>();
  const puts = photos.flatMap(({ row, shows }) => {
    const name = shows.join();
    const image = drawn.get(name) ?? drawPhoto(...shows);
    drawn.set(name, image);
    return [
      () => putObject(PHOTOS, row.key, image.display, row.contentType),
      () => putObject(PHOTOS, row.thumbnailKey, image.thumbnail, row.contentType),
    ];
  });
  for (let at = 0; at < puts.length; at += AT_ONCE)
    await Promise.all(puts.slice(at, at + AT_ONCE).map((put) => put()));
}
