/**
 * The photos of a car, as rows. Each change is one transaction whose statements look at the rows themselves, so whatever
 * happens at the same time, a car with photos has exactly one primary photo.
 *
 * An object in R2 cannot be part of a transaction. So its key is written into `orphanedObjects` before it is stored, and
 * deleted in the transaction that writes the photo's row; a photo that is deleted puts its keys in again. What stays
 * orphaned for an hour is deleted by the cron. A row is written only while its objects are not about to be deleted.
 */
import { and, asc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { type IdempotencyKey, storedAnswerRow } from "../db/idempotency.ts";
import { carPhotos, cars, idempotencyKeys, orphanedObjects } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { raiseVersion } from "./optimistic-locking.ts";
import { MAX_PHOTOS, type PhotoChange } from "./schemas.ts";
import { photoBody } from "./store.ts";

type Photo = typeof carPhotos.$inferSelect;

/** How long an upload may take before its objects are deleted as orphans. */
const ORPHAN_KEPT_MS = 60 * 60 * 1000;
/** How many orphaned objects one run of the cron deletes: what R2 takes in one call. */
const DELETED_AT_ONCE = 1000;

/** What a change of photos is about: the car, the version it must have (if that matters), and the time. */
export type PhotoContext = { carId: string; expected: number | undefined; now: number };

/** A photo whose objects are stored, or about to be. */
export type NewPhoto = Pick<
  Photo,
  "id" | "key" | "thumbnailKey" | "contentType" | "width" | "height" | "altText"
> & { wantsPrimary: boolean };

/** The photos of a car in their order. */
export const photosOf = compile(
  build
    .select(columnsOf(carPhotos))
    .from(carPhotos)
    .where(eq(carPhotos.carId, sql.placeholder("carId")))
    .orderBy(asc(carPhotos.sortOrder), asc(carPhotos.id)),
);

const photoById = compile(
  build
    .select(columnsOf(carPhotos))
    .from(carPhotos)
    .where(and(eq(carPhotos.id, sql.placeholder("id")), eq(carPhotos.carId, sql.placeholder("carId")))),
);

/** The statements that announce objects which are about to be stored. */
export const announceObjects = (keys: readonly string[], now: number): Statement[] =>
  keys.map((key) => insertInto(orphanedObjects, { key, since: now }));

/**
 * The statements that write the row of a new photo, after the others, and the answer to remember under `key`. The last
 * answers with the row; with none when the car has as many photos as it may, or the objects are about to be deleted.
 */
export function insertPhoto(
  photo: NewPhoto,
  { carId, expected, now }: PhotoContext,
  key: IdempotencyKey | undefined,
  origin: string,
) {
  const fits = sql`
    (SELECT count(*) FROM ${orphanedObjects} WHERE key IN (${photo.key}, ${photo.thumbnailKey}) AND NOT doomed) = 2
    AND (SELECT count(*) FROM ${carPhotos} WHERE car_id = ${carId}) < ${MAX_PHOTOS}`;
  const insert = build.insert(carPhotos).select(sql`
    SELECT ${photo.id}, ${carId}, ${photo.key}, ${photo.thumbnailKey}, ${photo.contentType}, ${photo.width},
      ${photo.height}, ${photo.altText},
      (SELECT coalesce(max(sort_order) + 1, 0) FROM ${carPhotos} WHERE car_id = ${carId}),
      ${photo.wantsPrimary}, ${now}
    WHERE ${fits}`);
  const unannounce = build
    .delete(orphanedObjects)
    .where(
      and(
        inArray(orphanedObjects.key, [photo.key, photo.thumbnailKey]),
        sql`EXISTS (SELECT 1 FROM ${carPhotos} WHERE id = ${photo.id})`,
      ),
    );
  return [
    raiseCarVersion({ carId, expected, now }, fits),
    clearPrimary(carId, sql`${photo.wantsPrimary} AND ${fits}`),
    statementOf(insert),
    keepOnePrimary(carId),
    storePhotoAnswer(photo, key, now, origin),
    statementOf(unannounce),
    photoById({ id: photo.id, carId }),
  ] as const;
}

/** Only the database knows the photo's place and whether it is primary, so the answer is finished there. */
function storePhotoAnswer(
  photo: NewPhoto,
  key: IdempotencyKey | undefined,
  now: number,
  origin: string,
): Statement {
  const body = photoBody({ ...photo, sortOrder: 0, isPrimary: 0 }, origin);
  const row = storedAnswerRow(key ?? { id: "", fingerprint: "" }, { status: 201, body }, now);
  return statementOf(
    build.insert(idempotencyKeys).select(sql`
      SELECT ${row.id}, ${row.fingerprint}, ${row.status}, json_set(${row.body}, '$.sort_order', sort_order,
        '$.is_primary', json(CASE is_primary WHEN 1 THEN 'true' ELSE 'false' END)), NULL, ${now}
      FROM ${carPhotos} WHERE id = ${photo.id} AND ${key !== undefined}`),
  );
}

/** The statements that change a photo; the last answers with its row, with none when the car has no such photo. */
export function updatePhoto(photoId: string, change: PhotoChange, context: PhotoContext) {
  const { carId } = context;
  const exists = photoExists(photoId, carId);
  const update = build
    .update(carPhotos)
    .set({
      altText: sql`coalesce(${change.alt_text ?? null}, ${carPhotos.altText})`,
      sortOrder: sql`coalesce(${change.sort_order ?? null}, ${carPhotos.sortOrder})`,
      isPrimary: sql`max(${carPhotos.isPrimary}, ${change.is_primary === true})`,
    })
    .where(and(eq(carPhotos.id, photoId), eq(carPhotos.carId, carId)));
  return [
    raiseCarVersion(context, exists),
    clearPrimary(carId, sql`${change.is_primary === true} AND ${exists}`),
    statementOf(update),
    keepOnePrimary(carId),
    photoById({ id: photoId, carId }),
  ] as const;
}

/** The statements that put the photos of a car in the order of `ids`. One that is added at the same time stays last. */
export function orderPhotos(ids: readonly string[], context: PhotoContext): Statement[] {
  const places = JSON.stringify(Object.fromEntries(ids.map((id, place) => [id, place])));
  const order = build
    .update(carPhotos)
    .set({ sortOrder: sql`(SELECT value FROM json_each(${places}) WHERE key = ${carPhotos.id})` })
    .where(
      and(eq(carPhotos.carId, context.carId), sql`${carPhotos.id} IN (SELECT key FROM json_each(${places}))`),
    );
  return [raiseCarVersion(context), statementOf(order)];
}

/**
 * The statements that delete a photo; the next one becomes primary if it was. The last answers with the keys of its
 * objects, which are orphaned now; with none when the car has no such photo.
 */
export function deletePhoto(photoId: string, context: PhotoContext) {
  const { carId, now } = context;
  const orphan = build.insert(orphanedObjects).select(sql`
    SELECT key, 1, ${now} FROM ${carPhotos} WHERE id = ${photoId} AND car_id = ${carId}
    UNION ALL SELECT thumbnail_key, 1, ${now} FROM ${carPhotos} WHERE id = ${photoId} AND car_id = ${carId}`);
  return [
    photoById({ id: photoId, carId }),
    raiseCarVersion(context, photoExists(photoId, carId)),
    statementOf(orphan),
    statementOf(build.delete(carPhotos).where(and(eq(carPhotos.id, photoId), eq(carPhotos.carId, carId)))),
    keepOnePrimary(carId),
  ] as const;
}

/** Deletes objects that no row names. What fails here, the cron does. */
export async function discardObjects(db: Database, bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  const which = inArray(orphanedObjects.key, [...keys]);
  await db.commit("system", "object.discard", "-", [
    statementOf(build.update(orphanedObjects).set({ pendingDelete: true }).where(which)),
  ]);
  await bucket.delete([...keys]);
  await db.commit("system", "object.discarded", "-", [
    statementOf(build.delete(orphanedObjects).where(which)),
  ]);
}

/** Deletes the objects of uploads that failed and of photos that were deleted. Returns how many. */
export async function deleteOrphanedObjects(db: Database, bucket: R2Bucket, now: number): Promise<number> {
  const orphaned = build
    .select({ key: orphanedObjects.key })
    .from(orphanedObjects)
    .where(lt(orphanedObjects.since, now - ORPHAN_KEPT_MS))
    .limit(DELETED_AT_ONCE);
  const mark = build
    .update(orphanedObjects)
    .set({ pendingDelete: true })
    .where(inArray(orphanedObjects.key, orphaned))
    .returning({ key: orphanedObjects.key });
  const [marked] = await db.commit("system", "cron.mark_orphans", "-", [statementOf(mark)]);
  if (marked.length === 0) return 0;
  const keys = marked.map(({ key }) => key);
  await bucket.delete(keys);
  const forget = build
    .delete(orphanedObjects)
    .where(sql`${orphanedObjects.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`);
  await db.commit("system", "cron.delete_orphans", "-", [statementOf(forget)]);
  return keys.length;
}

const photoExists = (photoId: string, carId: string): SQL =>
  sql`EXISTS (SELECT 1 FROM ${carPhotos} WHERE id = ${photoId} AND car_id = ${carId})`;

const raiseCarVersion = ({ carId, expected, now }: PhotoContext, when: SQL = sql`TRUE`): Statement =>
  statementOf(
    build
      .update(cars)
      .set({ version: raiseVersion(expected), updatedAt: now })
      .where(and(eq(cars.id, carId), when)),
  );

/** Takes the primary photo's rank away, when another photo is to have it. */
const clearPrimary = (carId: string, when: SQL): Statement =>
  statementOf(
    build
      .update(carPhotos)
      .set({ isPrimary: false })
      .where(and(eq(carPhotos.carId, carId), eq(carPhotos.isPrimary, true), when)),
  );

/** Part of every transaction here: makes the first photo the primary one if none is. */
const keepOnePrimary = (carId: string): Statement =>
  statementOf(
    build
      .update(carPhotos)
      .set({ isPrimary: true })
      .where(sql`id = (SELECT id FROM ${carPhotos} WHERE car_id = ${carId} ORDER BY sort_order, id LIMIT 1)
        AND NOT EXISTS (SELECT 1 FROM ${carPhotos} WHERE car_id = ${carId} AND is_primary = 1)`),
  );
