/**
 * The rows of photos. Each change is one transaction whose statements read the rows themselves, so a car with photos
 * has exactly one primary photo, also when several changes are concurrent.
 *
 * An object in R2 cannot be part of a transaction. So its key is written to `orphanedObjects` before the object is
 * stored, and deleted in the transaction that writes the photo's row. The deletion of a photo writes its keys to
 * `orphanedObjects` again. The cron deletes objects that stay orphaned for an hour. A photo's row is written only while
 * its objects are not marked for deletion.
 */
import { and, asc, eq, inArray, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { type IdempotencyKey, storedAnswerRow } from "../db/idempotency.ts";
import { carPhotos, cars, idempotencyKeys, orphanedObjects } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { DAY_MS } from "../shared/showroom-time.ts";
import { raiseVersion, type Versions } from "./optimistic-locking.ts";
import { MAX_PHOTOS, type PhotoChange } from "./schemas.ts";
import { photoBody } from "./store.ts";

type Photo = typeof carPhotos.$inferSelect;

/** Far longer than an upload may take. After this time the objects are deleted as orphans. */
const ORPHAN_KEPT_MS = 60 * 60 * 1000;
/** How many orphaned objects one run of the cron deletes: the limit of one call of R2. */
const DELETED_AT_ONCE = 1000;

/** The context of a change: the car, the versions of which it must have one, and the time. */
export type PhotoContext = { carId: string; expected: Versions; now: number };

/** A new photo, before its row is written. */
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

/** The query for how many photos a car has. */
export const countPhotos = compile(
  build
    .select({ count: sql<number>`count(*)`.as("count") })
    .from(carPhotos)
    .where(eq(carPhotos.carId, sql.placeholder("carId"))),
);

const { id, carId } = columnsOf(carPhotos);

/** The query for the photo that a file belongs to, and the status of its car. No row when no photo has this file. */
export const photoOfFile = compile(
  build
    .select({ id, carId, status: cars.status })
    .from(carPhotos)
    .innerJoin(cars, eq(cars.id, carPhotos.carId))
    .where(
      and(
        eq(carPhotos.id, sql.placeholder("id")),
        or(eq(carPhotos.key, sql.placeholder("name")), eq(carPhotos.thumbnailKey, sql.placeholder("name"))),
      ),
    ),
);

/** The statements that record objects as orphaned before they are stored. */
export const announceObjects = (keys: readonly string[], now: number): Statement[] =>
  keys.map((key) => insertInto(orphanedObjects, { key, since: now }));

/**
 * The statements that write the row of a new photo in the last place, and the stored answer of `key`. The last one
 * returns the row, or none when the car has the maximum number of photos or the objects are marked for deletion.
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

/** The statement for the stored answer. The database completes it, because only the rows show place and primary. */
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

/** The statements that change a photo. The last returns its row, or none when the car has no such photo. */
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

/** The statements that put the photos of a car in the order of `ids`. A photo that is added concurrently stays last. */
export function orderPhotos(ids: readonly string[], context: PhotoContext) {
  const places = JSON.stringify(Object.fromEntries(ids.map((id, place) => [id, place])));
  const order = build
    .update(carPhotos)
    .set({ sortOrder: sql`(SELECT value FROM json_each(${places}) WHERE key = ${carPhotos.id})` })
    .where(
      and(eq(carPhotos.carId, context.carId), sql`${carPhotos.id} IN (SELECT key FROM json_each(${places}))`),
    );
  return [raiseCarVersion(context), statementOf(order)] as const;
}

/**
 * The statements that delete a photo. If it was primary, the next one becomes primary. The first returns the deleted
 * row, or none when the car has no such photo.
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

/** How long the photos of a removed car are kept, counted from the last change of the car. */
const REMOVED_PHOTOS_KEPT_MS = 90 * DAY_MS;
/** How many cars lose their photos in one run of the cron. */
const STRIPPED_AT_ONCE = 50;

/**
 * The statements that delete the photos of cars that were removed long ago. Their objects become orphaned and are
 * deleted an hour later. The cars keep the time of their last change.
 */
export function pruneRemovedPhotos(now: number): Statement[] {
  const stripped = sql`(
    SELECT id FROM ${cars} c WHERE c.status = 'REMOVED' AND c.updated_at < ${now - REMOVED_PHOTOS_KEPT_MS}
      AND EXISTS (SELECT 1 FROM ${carPhotos} WHERE car_id = c.id)
    LIMIT ${STRIPPED_AT_ONCE})`;
  const orphan = build.insert(orphanedObjects).select(sql`
    SELECT key, 1, ${now} FROM ${carPhotos} WHERE car_id IN ${stripped}
    UNION ALL SELECT thumbnail_key, 1, ${now} FROM ${carPhotos} WHERE car_id IN ${stripped}`);
  return [
    statementOf(build.update(cars).set({ version: sql`version + 1` }).where(sql`id IN ${stripped}`)),
    statementOf(orphan),
    statementOf(build.delete(carPhotos).where(sql`car_id IN ${stripped}`)),
  ];
}

/** Deletes objects that no row names. The cron deletes those that fail here. */
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

/** Deletes the objects of failed uploads and deleted photos. Returns their number. */
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
  const deletion = build
    .delete(orphanedObjects)
    .where(sql`${orphanedObjects.key} IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`);
  await db.commit("system", "cron.delete_orphans", "-", [statementOf(deletion)]);
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

/** Makes the primary photo an ordinary one, before another photo becomes primary. */
const clearPrimary = (carId: string, when: SQL): Statement =>
  statementOf(
    build
      .update(carPhotos)
      .set({ isPrimary: false })
      .where(and(eq(carPhotos.carId, carId), eq(carPhotos.isPrimary, true), when)),
  );

/** Makes the first photo primary if no photo is. Part of every transaction here. */
const keepOnePrimary = (carId: string): Statement =>
  statementOf(
    build
      .update(carPhotos)
      .set({ isPrimary: true })
      .where(sql`id = (SELECT id FROM ${carPhotos} WHERE car_id = ${carId} ORDER BY sort_order, id LIMIT 1)
        AND NOT EXISTS (SELECT 1 FROM ${carPhotos} WHERE car_id = ${carId} AND is_primary = 1)`),
  );
