/** The use cases of photos. */
import { eq, sql } from "drizzle-orm";
import { type IdempotencyKey, KEY_TAKEN } from "../db/idempotency.ts";
import { cars } from "../db/schema.ts";
import { build, compile } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import type { VerifiedCaller } from "../shared/callers.ts";
import { DependencyDown, reaching } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import { ok, type Refusal, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { VERSION_STALE } from "./optimistic-locking.ts";
import { makeSizes, newKeys, type PhotoFault, putObject } from "./photo-storage.ts";
import {
  announceObjects,
  deletePhoto,
  discardObjects,
  insertPhoto,
  orderPhotos as orderStatements,
  type PhotoContext,
  photosOf,
  updatePhoto as updateStatements,
} from "./photo-store.ts";
import { MAX_PHOTOS, type PhotoChange } from "./schemas.ts";
import { photoBody } from "./store.ts";

type PhotoBody = ReturnType<typeof photoBody>;

/** The versions of a car that a write accepts; undefined for any. */
type Versions = readonly number[] | undefined;

/** The input for a new photo. */
export type Upload = { file: Uint8Array<ArrayBuffer>; altText: string; wantsPrimary: boolean };

/** Adds a photo, in two sizes and without metadata. */
export async function addPhoto(
  deps: Deps,
  caller: VerifiedCaller,
  carId: string,
  { file, altText, wantsPrimary }: Upload,
  versions: Versions,
  key: IdempotencyKey | undefined,
): Promise<Result<PhotoBody>> {
  const { db, env, config } = deps;
  const context = await contextOf(deps, carId, versions);
  if (!context.ok) return context;
  if (await isFull(deps, carId)) return refuse("too_many_photos");
  const made = await makeSizes(env.IMAGES, file);
  if (!made.ok) return { ok: false, refusal: refusalOf(made) };
  const { display, thumbnail, width, height } = made.sizes;
  const names = newKeys();
  const keys = [names.key, names.thumbnailKey];
  const announced = await writing(deps, () =>
    db.commit(caller, "photo.announce", `car:${carId}`, announceObjects(keys, deps.now)),
  );
  if (!announced.ok) return announced;
  await reaching("R2", () =>
    Promise.all([
      putObject(env.PHOTOS, names.key, display),
      putObject(env.PHOTOS, names.thumbnailKey, thumbnail),
    ]),
  );
  const photo = { ...names, contentType: "image/webp", width, height, altText, wantsPrimary };
  const statements = insertPhoto(photo, context.value, key, config.publicUrl);
  const stored = await writing(deps, () => db.commit(caller, "photo.create", `car:${carId}`, statements));
  if (!stored.ok) {
    discardLater(deps, keys);
    return stored;
  }
  const [row] = stored.value[6];
  if (row) return ok(photoBody(row, config.publicUrl));
  discardLater(deps, keys);
  return refuse((await isFull(deps, carId)) ? "too_many_photos" : "unavailable");
}

/** Sets the order of the photos of a car. */
export async function orderPhotos(
  deps: Deps,
  caller: VerifiedCaller,
  carId: string,
  ids: readonly string[],
  versions: Versions,
): Promise<Result<PhotoBody[]>> {
  const context = await contextOf(deps, carId, versions);
  if (!context.ok) return context;
  const [present] = await deps.db.ask(photosOf({ carId }));
  const named = new Set(ids);
  if (ids.length !== present.length || named.size !== ids.length || !present.every(({ id }) => named.has(id)))
    return refuseField("photos", "not_the_photos", "Must name every photo of the car once");
  const ordered = await writing(deps, () =>
    deps.db.commit(caller, "photo.order", `car:${carId}`, orderStatements(ids, context.value)),
  );
  if (!ordered.ok) return ordered;
  const [photos] = await deps.db.ask(photosOf({ carId }));
  return ok(photos.map((photo) => photoBody(photo, deps.config.publicUrl)));
}

/** Changes a photo's metadata. A new primary photo replaces the one before. */
export async function updatePhoto(
  deps: Deps,
  caller: VerifiedCaller,
  carId: string,
  photoId: string,
  change: PhotoChange,
  versions: Versions,
): Promise<Result<PhotoBody>> {
  const context = await contextOf(deps, carId, versions);
  if (!context.ok) return context;
  const [present] = await deps.db.ask(photosOf({ carId }));
  const before = present.find(({ id }) => id === photoId);
  if (before?.isPrimary && change.is_primary === false)
    return refuse("primary_photo_needed", { detail: "Make another photo the primary one instead" });
  const statements = updateStatements(photoId, change, context.value);
  const stored = await writing(deps, () =>
    deps.db.commit(caller, "photo.update", `car:${carId}`, statements),
  );
  if (!stored.ok) return stored;
  const [row] = stored.value[4];
  return row ? ok(photoBody(row, deps.config.publicUrl)) : refuse("photo_not_found");
}

/** Deletes a photo. If it was the primary photo, the next one in order becomes primary. */
export async function removePhoto(
  deps: Deps,
  caller: VerifiedCaller,
  carId: string,
  photoId: string,
  versions: Versions,
): Promise<Result<undefined>> {
  const context = await contextOf(deps, carId, versions);
  if (!context.ok) return context;
  const statements = deletePhoto(photoId, context.value);
  const deleted = await writing(deps, () =>
    deps.db.commit(caller, "photo.delete", `car:${carId}`, statements),
  );
  if (!deleted.ok) return deleted;
  const [row] = deleted.value[0];
  if (!row) return refuse("photo_not_found");
  discardLater(deps, [row.key, row.thumbnailKey]);
  return ok(undefined);
}

const carVersion = compile(
  build
    .select({ version: cars.version })
    .from(cars)
    .where(eq(cars.id, sql.placeholder("carId"))),
);

/** Reads the context of a write of photos, and checks the car's version. */
async function contextOf(deps: Deps, carId: string, versions: Versions): Promise<Result<PhotoContext>> {
  const [[car]] = await deps.db.ask(carVersion({ carId }));
  if (!car) return refuse("car_not_found");
  if (versions && !versions.includes(car.version)) return refuse("precondition_failed");
  return ok({ carId, expected: versions && car.version, now: deps.now });
}

const isFull = async ({ db }: Deps, carId: string): Promise<boolean> => {
  const [present] = await db.ask(photosOf({ carId }));
  return present.length >= MAX_PHOTOS;
};

/** Runs a write of photos, empties the public cache, and maps a violation to a refusal. */
async function writing<Rows>(deps: Deps, write: () => Promise<Rows>): Promise<Result<Rows>> {
  try {
    const rows = await write();
    deps.stockChanged();
    return ok(rows);
  } catch (error) {
    switch (violationOf(error)) {
      case KEY_TAKEN:
        return refuse("duplicate_request");
      case VERSION_STALE:
        return refuse("precondition_failed");
      case "not_signed_in":
        return refuse("invalid_token");
      default:
        throw error;
    }
  }
}

/** Deletes objects after the response. */
function discardLater({ db, env, afterwards, requestId }: Deps, keys: readonly string[]): void {
  afterwards(
    discardObjects(db, env.PHOTOS, keys).catch((error) =>
      log.warn("photos.objects_left_to_cron", { request: requestId, error: describeError(error) }),
    ),
  );
}

function refusalOf({ code, why }: PhotoFault): Refusal {
  switch (code) {
    case "unknown_type":
      return { code: "unsupported_media_type", detail: why };
    case "too_many_pixels":
      return { code: "too_large", detail: why };
    case "broken":
      return {
        code: "invalid_image",
        detail: why,
        faults: [{ field: "file", code: "invalid_image", message: why }],
      };
    case "unavailable":
      throw new DependencyDown("the Images service", why);
  }
}
