/** Loads the demo data into the local database when it is empty. It cannot reach a remote one. */
import type { BatchItem } from "drizzle-orm/batch";
import { drizzle } from "drizzle-orm/d1";
import { getPlatformProxy } from "wrangler";
import { bookings, cars, staffProfiles, users } from "../src/db/schema.ts";
import { DEMO_CARS, demoBookings, demoCars, demoPeople } from "./demo-data.ts";

/** Statements per batch: enough to be quick, few enough to stay under D1's limits. */
const BATCH = 60;

const platform = await getPlatformProxy<{ DB: D1Database; SHOWROOM_TIME_ZONE: string }>({
  remoteBindings: false,
});
try {
  const db = drizzle(platform.env.DB);
  const occupied = await db.select({ id: users.id }).from(users).limit(1);
  if (occupied.length > 0) {
    console.log("The database has data already; no demo data loaded.");
  } else {
    const now = Date.now();
    const stock = demoCars(DEMO_CARS, now);
    const { people, profiles } = await demoPeople(now);
    const drives = demoBookings(stock, people, platform.env.SHOWROOM_TIME_ZONE, now);
    const statements: BatchItem<"sqlite">[] = [
      ...people.map((row) => db.insert(users).values(row)),
      ...profiles.map((row) => db.insert(staffProfiles).values(row)),
      ...stock.map((row) => db.insert(cars).values(row)),
      ...drives.map((row) => db.insert(bookings).values(row)),
    ];
    for (let at = 0; at < statements.length; at += BATCH) {
      const [first, ...rest] = statements.slice(at, at + BATCH);
      if (first) await db.batch([first, ...rest]);
    }
    console.log(`Demo data loaded: ${stock.length} cars, ${people.length} users, ${drives.length} bookings.`);
  }
} finally {
  await platform.dispose();
}
