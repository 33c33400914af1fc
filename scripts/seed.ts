/** `npm run seed`: loads the demo data into the local database when it is empty. */
import { putObject } from "../src/cars/photo-storage.ts";
import { readOptions } from "../tools/command-line/arguments.ts";
import { openLocalStorage } from "../tools/database/local-storage.ts";
import type { demoPhotos } from "../tools/demo/demo-data.ts";
import { drawPhoto } from "../tools/demo/demo-photos.ts";
import { loadDemo } from "../tools/demo/load-demo.ts";

/** How many objects are stored at the same time. */
const AT_ONCE = 40;

readOptions(
  `npm run seed

Loads the demo data into the local database when that has no users. It cannot reach a remote one.`,
  {},
);

const { d1, photos: bucket, vars, close } = await openLocalStorage();
try {
  const defaults = {
    name: vars["SHOWROOM_NAME"] ?? "",
    timeZone: vars["SHOWROOM_TIME_ZONE"] ?? "",
    horizonDays: Number(vars["BOOKING_HORIZON_DAYS"]),
  };
  const loaded = await loadDemo(d1, defaults, Date.now(), storeObjects);
  console.log(
    loaded ? `Demo data loaded: ${loaded}.` : "The database has data already; no demo data loaded.",
  );
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
