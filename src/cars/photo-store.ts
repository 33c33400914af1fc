/**
 * The photos of a car, as rows. Each change is one batch of statements that look at the rows themselves, so whatever
 * happens at the same time, a car with photos has exactly one primary photo.
 *
 * An object in R2 cannot be part of a batch. So its key is written into `loose_objects` before it is stored, and
 * taken out in the batch that writes the photo's row; a photo that goes puts its keys in again. What is loose for an
 * hour is deleted by the sweep. A row is written only while its objects are not doomed.
 */
import { and, asc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { carPhotos, cars, idempotencyKeys, looseObjects } from "../db/schema.ts";
import { type Claim, claimRow } from "../http/idempotency.ts";
import { raiseVersion } from "./optimistic-locking.ts";
import { MAX_PHOTOS, type PhotoChange } from "./schemas.ts";
import { photoBody } from "./store.ts";

type Photo = typeof carPhotos.$inferSelect;

/** How long an upload may take before its objects are taken for lost. */
const LOOSE_KEPT_MS = 60 * 60 * 1000;
/** How many lost objects one sweep deletes: what R2 takes in one call. */
const SWEPT_AT_ONCE = 1000;

/** What a change of photos is about: the car, the version it must have (if that matters), and the time. */
export type PhotoContext = { carId: string; expected: number | undefined; now: number };

/** A photo whose objects are stored, or about to be. */
export type NewPhoto = Pick<
  Photo,
  "id" | "key" | "thumbnailKey" | "contentType" | "width" | "height" | "altText"
> & { wantsPrimary: boolean };

/** The photos of a car in their order. */
export const photosOf = (db: Database, carId: string): Promise<Photo[]> =>
  db
    .select()
    .from(carPhotos)
    .where(eq(carPhotos.carId, carId))
    .orderBy(asc(carPhotos.sortOrder), asc(carPhotos.id));

/** Announces objects that are about to be stored. */
export async function announceObjects(db: Database, keys: readonly string[], now: number): Promise<void> {
  await db.insert(looseObjects).values(keys.map((key) => ({ key, since: now })));
}

/**
 * Writes the row of a new photo, after the others, and with it the answer to remember for `claim`.
 * `undefined`: the car has as many photos as it may, or the objects were given up.
 */
export async function addPhoto(
  db: Database,
  photo: NewPhoto,
  { carId, expected, now }: PhotoContext,
  claim: Claim | undefined,
  origin: string,
): Promise<Photo | undefined> {
  const keys = [photo.key, photo.thumbnailKey];
  const fits = sql`
    (SELECT count(*) FROM loose_objects WHERE key IN (${photo.key}, ${photo.thumbnailKey}) AND NOT doomed) = 2
    AND (SELECT count(*) FROM car_photos WHERE car_id = ${carId}) < ${MAX_PHOTOS}`;
  const [, , , , , , stored] = await db.batch([
    raise(db, { carId, expected, now }, fits),
    db
      .update(carPhotos)
      .set({ isPrimary: false })
      .where(
        and(eq(carPhotos.carId, carId), eq(carPhotos.isPrimary, true), sql`${photo.wantsPrimary}`, fits),
      ),
    db.insert(carPhotos).select(sql`
      SELECT ${photo.id}, ${carId}, ${photo.key}, ${photo.thumbnailKey}, ${photo.contentType}, ${photo.width},
        ${photo.height}, ${photo.altText},
        (SELECT coalesce(max(sort_order) + 1, 0) FROM car_photos WHERE car_id = ${carId}),
        ${photo.wantsPrimary}, ${now}
      WHERE ${fits}`),
    keepOnePrimary(db, carId),
    rememberAnswer(db, photo, claim, now, origin),
    db
      .delete(looseObjects)
      .where(
        and(inArray(looseObjects.key, keys), sql`EXISTS (SELECT 1 FROM car_photos WHERE id = ${photo.id})`),
      ),
    db.select().from(carPhotos).where(eq(carPhotos.id, photo.id)),
  ]);
  return stored[0];
}

/** The place in the order and the primary are known to the database alone, so the answer is finished there. */
function rememberAnswer(
  db: Database,
  photo: NewPhoto,
  claim: Claim | undefined,
  now: number,
  origin: string,
) {
  const body = photoBody({ ...photo, sortOrder: 0, isPrimary: false }, origin);
  const row = claimRow(claim ?? { id: "", fingerprint: "" }, { status: 201, body }, now);
  return db.insert(idempotencyKeys).select(sql`
    SELECT ${row.id}, ${row.fingerprint}, ${row.status}, json_set(${row.body}, '$.sort_order', sort_order,
      '$.is_primary', json(CASE is_primary WHEN 1 THEN 'true' ELSE 'false' END)), NULL, ${now}
    FROM car_photos WHERE id = ${photo.id} AND ${claim !== undefined}`);
}

/** Changes a photo; the primary one gives way to a new one. `undefined`: the car has no such photo. */
export async function changePhoto(
  db: Database,
  photoId: string,
  change: PhotoChange,
  context: PhotoContext,
): Promise<Photo | undefined> {
  const { carId } = context;
  const which = and(eq(carPhotos.id, photoId), eq(carPhotos.carId, carId));
  const exists = sql`EXISTS (SELECT 1 FROM car_photos WHERE id = ${photoId} AND car_id = ${carId})`;
  const [, , , , stored] = await db.batch([
    raise(db, context, exists),
    db
      .update(carPhotos)
      .set({ isPrimary: false })
      .where(
        and(
          eq(carPhotos.carId, carId),
          eq(carPhotos.isPrimary, true),
          sql`${change.is_primary === true}`,
          exists,
        ),
      ),
    db
      .update(carPhotos)
      .set({
        altText: sql`coalesce(${change.alt_text ?? null}, ${carPhotos.altText})`,
        sortOrder: sql`coalesce(${change.sort_order ?? null}, ${carPhotos.sortOrder})`,
        isPrimary: sql`max(${carPhotos.isPrimary}, ${change.is_primary === true})`,
      })
      .where(which),
    keepOnePrimary(db, carId),
    db.select().from(carPhotos).where(which),
  ]);
  return stored[0];
}

/** Puts the photos of a car in the order of `ids`. One that is added at the same time stays last. */
export async function orderPhotos(
  db: Database,
  ids: readonly string[],
  context: PhotoContext,
): Promise<void> {
  const places = JSON.stringify(Object.fromEntries(ids.map((id, place) => [id, place])));
  await db.batch([
    raise(db, context),
    db
      .update(carPhotos)
      .set({ sortOrder: sql`(SELECT value FROM json_each(${places}) WHERE key = ${carPhotos.id})` })
      .where(
        and(
          eq(carPhotos.carId, context.carId),
          sql`${carPhotos.id} IN (SELECT key FROM json_each(${places}))`,
        ),
      ),
  ]);
}

/** Takes a photo away; the next one becomes primary if it was. Returns the keys of its objects, which are loose now. */
export async function removePhoto(
  db: Database,
  photoId: string,
  context: PhotoContext,
): Promise<string[] | undefined> {
  const { carId, now } = context;
  const which = and(eq(carPhotos.id, photoId), eq(carPhotos.carId, carId));
  const [, , gone] = await db.batch([
    raise(db, context, sql`EXISTS (SELECT 1 FROM car_photos WHERE id = ${photoId} AND car_id = ${carId})`),
    db.insert(looseObjects).select(sql`
      SELECT key, 1, ${now} FROM car_photos WHERE id = ${photoId} AND car_id = ${carId}
      UNION ALL SELECT thumbnail_key, 1, ${now} FROM car_photos WHERE id = ${photoId} AND car_id = ${carId}`),
    db.delete(carPhotos).where(which).returning({ key: carPhotos.key, thumbnailKey: carPhotos.thumbnailKey }),
    keepOnePrimary(db, carId),
  ]);
  return gone[0] && [gone[0].key, gone[0].thumbnailKey];
}

/** Gives up objects that no row speaks of, and deletes them. What fails here, the sweep does. */
export async function discardObjects(db: Database, bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  const which = inArray(looseObjects.key, [...keys]);
  await db.update(looseObjects).set({ doomed: true }).where(which);
  await bucket.delete([...keys]);
  await db.delete(looseObjects).where(which);
}

/** Deletes the objects of uploads that came to nothing and of photos that were taken away. Returns how many. */
export async function sweepObjects(db: Database, bucket: R2Bucket, now: number): Promise<number> {
  const lost = db
    .select({ key: looseObjects.key })
    .from(looseObjects)
    .where(lt(looseObjects.since, now - LOOSE_KEPT_MS))
    .limit(SWEPT_AT_ONCE);
  const doomed = await db
    .update(looseObjects)
    .set({ doomed: true })
    .where(inArray(looseObjects.key, lost))
    .returning({ key: looseObjects.key });
  if (doomed.length === 0) return 0;
  const keys = doomed.map(({ key }) => key);
  await bucket.delete(keys);
  await db
    .delete(looseObjects)
    .where(sql`${looseObjects.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`);
  return keys.length;
}

const raise = (db: Database, { carId, expected, now }: PhotoContext, when: SQL = sql`TRUE`) =>
  db
    .update(cars)
    .set({ version: raiseVersion(expected), updatedAt: now })
    .where(and(eq(cars.id, carId), when));

/** The last statement of every batch here: makes the first photo the primary one if none is. */
const keepOnePrimary = (db: Database, carId: string) =>
  db
    .update(carPhotos)
    .set({ isPrimary: true })
    .where(sql`id = (SELECT id FROM car_photos WHERE car_id = ${carId} ORDER BY sort_order, id LIMIT 1)
      AND NOT EXISTS (SELECT 1 FROM car_photos WHERE car_id = ${carId} AND is_primary = 1)`);
