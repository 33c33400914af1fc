/** The use cases of photos. */
import { eq, sql } from "drizzle-orm";
import { commitPublic, readAs } from "../auth/verification.ts";
import type { IdempotencyKey } from "../db/idempotency.ts";
import { cars } from "../db/schema.ts";
import { build, compile, type Query, type RowsOf, type Statement } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { DependencyDown, reaching } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { refusalOf } from "./car-writes.ts";
import type { Picture } from "./image-inspector.ts";
import { IncomingFile } from "./incoming-file.ts";
import type { Versions } from "./optimistic-locking.ts";
import { makeSizes, newKeys, photosTag, photoTag, putObject } from "./photo-storage.ts";
import {
  announceObjects,
  countPhotos,
  deletePhoto,
  discardObjects,
  insertPhoto,
  orderPhotos as orderStatements,
  type PhotoContext,
  photoOfFile,
  photosOf,
  updatePhoto as updateStatements,
} from "./photo-store.ts";
import { MAX_PHOTOS, type PhotoChange } from "./schemas.ts";
import { photoBody } from "./store.ts";
import { takePlace } from "./upload-places.ts";

type PhotoBody = ReturnType<typeof photoBody>;

/** An upload in progress. */
export type PhotoUpload = {
  readonly file: IncomingFile;
  readonly names: ReturnType<typeof newKeys>;
  /** The car, or why it gets no photo. */
  readonly context: Result<PhotoContext>;
  /** The objects that no row would name if the upload ended now. */
  leftovers: string[];
};

/**
 * Runs an upload: it takes one of the few places, its objects are announced, and what it leaves over is deleted. After a
 * failure of R2 or D1 nobody knows what they still do, so then the cron deletes it.
 * @param isKeyed whether the request has an idempotency key, which needs the hash of the file
 * @param work receives the file and adds the photo; what it throws is thrown here
 */
export async function withUpload<T>(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  versions: Versions,
  isKeyed: boolean,
  work: (upload: PhotoUpload) => Promise<T>,
): Promise<Result<T>> {
  const leave = takePlace(claimed.id, deps.now);
  if (!leave) return refuse("too_many_uploads");
  const running = announceAndRun(deps, claimed, carId, versions, isKeyed, work).finally(leave);
  // When the client is gone, the platform ends a request at its next await, unless it has promised to go on.
  deps.afterwards(running.catch(() => {}));
  return running;
}

async function announceAndRun<T>(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  versions: Versions,
  isKeyed: boolean,
  work: (upload: PhotoUpload) => Promise<T>,
): Promise<Result<T>> {
  const names = newKeys();
  const keys = [names.key, names.thumbnailKey, names.uploadKey];
  const announced = await commitPhotos(deps, claimed, "photo.announce", carId, [
    carVersion({ carId }),
    countPhotos({ carId }),
    ...announceObjects(keys, deps.now),
  ]);
  if (!announced.ok) return announced;
  const [[car], [photos]] = announced.value;
  const found = contextFrom(car, carId, versions, deps.now);
  const isFull = found.ok && (photos?.count ?? 0) >= MAX_PHOTOS;
  const upload: PhotoUpload = {
    file: new IncomingFile(deps.env.PHOTOS, names.uploadKey, isKeyed),
    names,
    context: isFull ? refuse("too_many_photos") : found,
    leftovers: keys,
  };
  try {
    // With a key it may repeat a request that was answered, so the file is received first.
    const done = isKeyed || upload.context.ok ? ok(await work(upload)) : upload.context;
    discardLater(deps, upload.leftovers, upload.file);
    return done;
  } catch (error) {
    if (!(error instanceof DependencyDown)) discardLater(deps, upload.leftovers, upload.file);
    throw error;
  }
}

/** Adds the photo of an upload whose file has arrived, in two sizes and without metadata. */
export async function addPhoto(
  deps: Deps,
  claimed: ClaimedCaller,
  upload: PhotoUpload,
  picture: Picture,
  { altText, wantsPrimary }: { altText: string; wantsPrimary: boolean },
  key: IdempotencyKey | undefined,
): Promise<Result<PhotoBody>> {
  const { db, env, config } = deps;
  const { names, context } = upload;
  if (!context.ok) return context;
  const { carId } = context.value;
  const made = await makeSizes(env.IMAGES, env.PHOTOS, names.uploadKey, picture, deps.requestId);
  if (!made.ok) return made;
  const { display, thumbnail } = made.value;
  await reaching("R2", async () => {
    await putObject(env.PHOTOS, names.key, display.bytes);
    await putObject(env.PHOTOS, names.thumbnailKey, thumbnail.bytes);
  });
  const { width, height } = display;
  const photo = { ...names, contentType: "image/webp", width, height, altText, wantsPrimary };
  const statements = insertPhoto(photo, context.value, key, config.publicUrl);
  const all = upload.leftovers;
  // From here on a row may name the two sizes, unless the write is refused.
  upload.leftovers = [names.uploadKey];
  const stored = await commitPhotos(deps, claimed, "photo.create", carId, statements);
  const [row] = stored.ok ? stored.value[6] : [];
  if (row) return ok(photoBody(row, config.publicUrl));
  upload.leftovers = all;
  if (!stored.ok) return stored;
  const [[photos]] = await db.ask(countPhotos({ carId }));
  return refuse((photos?.count ?? 0) >= MAX_PHOTOS ? "too_many_photos" : "unavailable");
}

/**
 * Opens the file of a photo, unless its car is removed. The primary is asked: what a replica does not know yet, a cache
 * would keep for a day.
 * @param name the name of the file
 * @param read reads the object, or resolves to undefined when its bytes are not needed
 * @returns the object, and the tags by which caches can be made to forget its file
 */
export async function openFile<T extends R2Object | R2ObjectBody>(
  deps: Deps,
  name: string,
  read: () => Promise<T | null | undefined>,
): Promise<Result<{ object: T | undefined; tags: string[] }>> {
  const asked = photoOfFile({ id: name.replace(/(-small)?\.\w+$/, ""), name });
  const [[[photo]], object] = await Promise.all([deps.primary().ask(asked), reaching("R2", read)]);
  if (object !== null && photo && photo.status !== "REMOVED")
    return ok({ object, tags: [photoTag(photo.id), photosTag(photo.carId)] });
  if (object && "body" in object) await object.body.cancel();
  return refuse("photo_not_found");
}

/** Sets the order of the photos of a car. */
export async function orderPhotos(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  ids: readonly string[],
  versions: Versions,
): Promise<Result<PhotoBody[]>> {
  const read = await contextOf(deps, claimed, carId, versions, photosOf({ carId }));
  if (!read.ok) return read;
  const {
    context,
    rows: [present],
  } = read.value;
  const named = new Set(ids);
  if (ids.length !== present.length || named.size !== ids.length || !present.every(({ id }) => named.has(id)))
    return refuseField("photos", "not_the_photos", "Must name every photo of the car once");
  const ordered = await commitPhotos(deps, claimed, "photo.order", carId, [
    ...orderStatements(ids, context),
    photosOf({ carId }),
  ]);
  if (!ordered.ok) return ordered;
  const [, , photos] = ordered.value;
  return ok(photos.map((photo) => photoBody(photo, deps.config.publicUrl)));
}

/** Changes a photo's metadata. A new primary photo replaces the one before. */
export async function updatePhoto(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  photoId: string,
  change: PhotoChange,
  versions: Versions,
): Promise<Result<PhotoBody>> {
  const read = await contextOf(deps, claimed, carId, versions, photosOf({ carId }));
  if (!read.ok) return read;
  const {
    context,
    rows: [present],
  } = read.value;
  const before = present.find(({ id }) => id === photoId);
  if (before?.isPrimary && change.is_primary === false)
    return refuse("primary_photo_needed", { detail: "Make another photo the primary one instead" });
  const statements = updateStatements(photoId, change, context);
  const stored = await commitPhotos(deps, claimed, "photo.update", carId, statements);
  if (!stored.ok) return stored;
  const [row] = stored.value[4];
  return row ? ok(photoBody(row, deps.config.publicUrl)) : refuse("photo_not_found");
}

/** Deletes a photo. If it was the primary photo, the next one in order becomes primary. */
export async function removePhoto(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  photoId: string,
  versions: Versions,
): Promise<Result<undefined>> {
  const read = await contextOf(deps, claimed, carId, versions);
  if (!read.ok) return read;
  const statements = deletePhoto(photoId, read.value.context);
  const deleted = await commitPhotos(deps, claimed, "photo.delete", carId, statements);
  if (!deleted.ok) return deleted;
  const [row] = deleted.value[0];
  if (!row) return refuse("photo_not_found");
  deps.purge([photoTag(photoId)]);
  discardLater(deps, [row.key, row.thumbnailKey]);
  return ok(undefined);
}

const carVersion = compile(
  build
    .select({ version: cars.version })
    .from(cars)
    .where(eq(cars.id, sql.placeholder("carId"))),
);

/** Verifies the caller, checks the car's version, and reads what a write of photos needs. One round trip. */
async function contextOf<const Queries extends readonly Query[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  carId: string,
  versions: Versions,
  ...needed: Queries
): Promise<Result<{ context: PhotoContext; rows: RowsOf<Queries> }>> {
  const read = await readAs(deps, claimed, carVersion({ carId }), ...needed);
  if (!read.ok) return read;
  const [[car], ...rows] = read.value.rows;
  const context = contextFrom(car, carId, versions, deps.now);
  return context.ok ? ok({ context: context.value, rows: rows as RowsOf<Queries> }) : context;
}

function contextFrom(
  car: { version: number } | undefined,
  carId: string,
  versions: Versions,
  now: number,
): Result<PhotoContext> {
  if (!car) return refuse("car_not_found");
  if (versions && !versions.includes(car.version)) return refuse("precondition_failed");
  return ok({ carId, expected: versions && [car.version], now });
}

/** Commits a write of photos, which are public data of their car. */
const commitPhotos = <const Statements extends readonly Statement[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  action: string,
  carId: string,
  statements: Statements,
) => commitPublic(deps, claimed, action, `car:${carId}`, statements, refusalOf);

/** Deletes objects after the response, also the parts of an upload that did not end. */
function discardLater(
  { db, env, afterwards, requestId }: Deps,
  keys: readonly string[],
  file?: IncomingFile,
): void {
  const work = async () => {
    await file?.abort();
    await discardObjects(db, env.PHOTOS, keys);
  };
  afterwards(
    work().catch((error) =>
      log.warn("photos.objects_left_to_cron", { request: requestId, error: describeError(error) }),
    ),
  );
}
