/** /api/cars/{id}/photos: the photos of a car; and /photos: their files. */

import { eq } from "drizzle-orm";
import type { Context } from "hono";
import { callerOf, operation } from "../auth/access.ts";
import type { Database } from "../db/client.ts";
import { cars } from "../db/schema.ts";
import { violationOf } from "../db/violations.ts";
import { isConditional, isKnown, notModifiedAnswer, requireMatch, versionTag } from "../http/conditional.ts";
import type { AppEnv } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { CLAIM_TAKEN, once } from "../http/idempotency.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { sha256 } from "../shared/digest.ts";
import { describeError, log } from "../shared/log.ts";
import { VERSION_STALE } from "./optimistic-locking.ts";
import {
  MAX_PHOTO_BYTES,
  makeSizes,
  newKeys,
  type PictureRefusal,
  putObject,
  readRange,
} from "./photo-storage.ts";
import {
  addPhoto,
  announceObjects,
  changePhoto,
  discardObjects,
  orderPhotos,
  type PhotoContext,
  photosOf,
  removePhoto,
} from "./photo-store.ts";
import {
  fileParam,
  ifMatch,
  MAX_PHOTOS,
  newPhoto,
  photoChange,
  photoOrder,
  photoParams,
  photoSchema,
} from "./schemas.ts";
import { originOf, photoBody } from "./store.ts";

const tags = ["Photos"];

/** The routes under /api/cars that are about photos. */
export const photoRoutes = createRouter()
  .openapi(
    operation(
      "addPhoto",
      [
        "car_not_found",
        "invalid_image",
        "too_many_photos",
        "duplicate_request",
        "precondition_failed",
        "idempotency_key_reused",
      ],
      {
        method: "post",
        path: "/{id}/photos/",
        tags,
        summary: "Add a photo",
        description: `A JPEG, PNG, WebP or AVIF still image of at most ${MAX_PHOTO_BYTES / 1024 / 1024} MB and 50 megapixels. It is kept in two sizes, without its Exif data. The first photo of a car is its primary one.`,
        request: {
          params: idParam,
          headers: ifMatch,
          body: { required: true, content: { "multipart/form-data": { schema: newPhoto } } },
        },
        responses: { 201: jsonAnswer("The photo", photoSchema) },
      },
    ),
    async (c) => {
      const carId = c.req.valid("param").id;
      const { file, alt_text, is_primary } = c.req.valid("form");
      if (file.size > MAX_PHOTO_BYTES) throw new Problem("too_large", "A photo has at most 10 MB");
      const bytes = new Uint8Array(await file.arrayBuffer());
      const request = { file: await sha256(bytes), alt_text, is_primary };
      return once(c, callerOf(c).id, request, async (claim) => {
        const context = await carToIllustrate(c, carId);
        const db = databaseOf(c);
        if (await isFull(db, carId)) throw new Problem("too_many_photos");
        const made = await makeSizes(c.env.IMAGES, bytes);
        if (!made.ok) throw pictureProblem(made);
        const { display, thumbnail, width, height } = made.sizes;
        const names = newKeys();
        const keys = [names.key, names.thumbnailKey];
        await announceObjects(db, keys, context.now);
        await reaching(
          Promise.all([
            putObject(c.env.PHOTOS, names.key, display),
            putObject(c.env.PHOTOS, names.thumbnailKey, thumbnail),
          ]),
        );
        const photo = {
          ...names,
          contentType: "image/webp",
          width,
          height,
          altText: alt_text,
          wantsPrimary: is_primary,
        };
        const stored = await refusing(addPhoto(db, photo, context, claim, originOf(c)), () =>
          forget(c, keys),
        );
        if (!stored) {
          forget(c, keys);
          throw new Problem((await isFull(db, carId)) ? "too_many_photos" : "unavailable");
        }
        return c.json(photoBody(stored, originOf(c)), 201);
      });
    },
  )
  .openapi(
    operation("orderPhotos", ["car_not_found", "precondition_failed"], {
      method: "put",
      path: "/{id}/photos/order/",
      tags,
      summary: "Put the photos of a car in order",
      request: { params: idParam, headers: ifMatch, body: jsonBody(photoOrder) },
      responses: { 200: jsonAnswer("The photos in their new order", photoSchema.array()) },
    }),
    async (c) => {
      const carId = c.req.valid("param").id;
      const { photos } = c.req.valid("json");
      const context = await carToIllustrate(c, carId);
      const db = databaseOf(c);
      const known = (await photosOf(db, carId)).map(({ id }) => id);
      if (
        photos.length !== known.length ||
        new Set(photos).size !== known.length ||
        !known.every((id) => photos.includes(id))
      )
        throw invalid([
          { field: "photos", code: "not_the_photos", message: "Must name every photo of the car once" },
        ]);
      await refusing(orderPhotos(db, photos, context));
      return c.json(
        (await photosOf(db, carId)).map((photo) => photoBody(photo, originOf(c))),
        200,
      );
    },
  )
  .openapi(
    operation(
      "updatePhoto",
      ["car_not_found", "photo_not_found", "primary_photo_needed", "precondition_failed"],
      {
        method: "patch",
        path: "/{id}/photos/{photo_id}/",
        tags,
        summary: "Change what is said of a photo",
        description: "Making it the primary one takes that from the photo that was.",
        request: { params: photoParams, headers: ifMatch, body: jsonBody(photoChange) },
        responses: { 200: jsonAnswer("The photo as it is now", photoSchema) },
      },
    ),
    async (c) => {
      const { id: carId, photo_id } = c.req.valid("param");
      const change = c.req.valid("json");
      const context = await carToIllustrate(c, carId);
      const db = databaseOf(c);
      const before = (await photosOf(db, carId)).find(({ id }) => id === photo_id);
      if (before?.isPrimary && change.is_primary === false)
        throw new Problem("primary_photo_needed", "Make another photo the primary one instead");
      const stored = await refusing(changePhoto(db, photo_id, change, context));
      if (!stored) throw new Problem("photo_not_found");
      return c.json(photoBody(stored, originOf(c)), 200);
    },
  )
  .openapi(
    operation("removePhoto", ["car_not_found", "photo_not_found", "precondition_failed"], {
      method: "delete",
      path: "/{id}/photos/{photo_id}/",
      tags,
      summary: "Take a photo away",
      description: "If it was the primary one, the next in order becomes that.",
      request: { params: photoParams, headers: ifMatch },
      responses: { 204: { description: "It is gone" } },
    }),
    async (c) => {
      const { id: carId, photo_id } = c.req.valid("param");
      const context = await carToIllustrate(c, carId);
      const keys = await refusing(removePhoto(databaseOf(c), photo_id, context));
      if (!keys) throw new Problem("photo_not_found");
      forget(c, keys);
      return c.body(null, 204);
    },
  );

/** The routes under /photos. */
export const photoFileRoutes = createRouter().openapi(
  operation("getPhotoFile", ["photo_not_found", "range_not_satisfiable"], {
    method: "get",
    path: "/{name}",
    tags,
    summary: "The bytes of a photo",
    description:
      "What is behind a name never changes, so it may be kept for good. Parts can be asked for with `Range`.",
    request: { params: fileParam },
    responses: {
      200: {
        description: "The image",
        content: { "image/webp": { schema: { type: "string", format: "binary" } } },
      },
      206: { description: "A part of it" },
      304: notModifiedAnswer,
    },
  }),
  async (c) => {
    const { name } = c.req.valid("param");
    const etag = `"${name}"`;
    const headers = {
      ETag: etag,
      "Cache-Control": "public, max-age=31536000, immutable",
      "Accept-Ranges": "bytes",
    };
    // The name is the tag: that the caller has it can be told without looking.
    if (isKnown(c, etag)) return c.body(null, 304, headers);
    const wantsPart = c.req.header("Range") !== undefined && (c.req.header("If-Range") ?? etag) === etag;
    const isHead = c.req.method === "HEAD";
    const found = await reaching<R2Object | R2ObjectBody | null>(
      wantsPart || isHead ? c.env.PHOTOS.head(name) : c.env.PHOTOS.get(name),
    );
    if (!found) throw new Problem("photo_not_found");
    const range = wantsPart ? readRange(c.req.header("Range"), found.size) : undefined;
    if (range === "unsatisfiable")
      throw new Problem("range_not_satisfiable", undefined, {
        headers: { "Content-Range": `bytes */${found.size}` },
      });
    const object =
      "body" in found || isHead ? found : await reaching(c.env.PHOTOS.get(name, range ? { range } : {}));
    if (!object) throw new Problem("photo_not_found");
    const part = range && {
      "Content-Range": `bytes ${range.offset}-${range.offset + range.length - 1}/${found.size}`,
    };
    const status = range ? 206 : 200;
    const described = {
      ...headers,
      ...part,
      "Content-Type": found.httpMetadata?.contentType ?? "application/octet-stream",
      "Content-Length": String(range?.length ?? found.size),
      "X-Content-Type-Options": "nosniff",
    };
    return "body" in object
      ? c.body(object.body as ReadableStream, status, described)
      : c.body(null, status, described);
  },
);

/** The car that a write of photos is about, at the version it must have. */
async function carToIllustrate(c: Context<AppEnv>, carId: string): Promise<PhotoContext> {
  const car = await databaseOf(c)
    .select({ version: cars.version })
    .from(cars)
    .where(eq(cars.id, carId))
    .get();
  if (!car) throw new Problem("car_not_found");
  requireMatch(c, versionTag(car.version));
  return { carId, expected: isConditional(c) ? car.version : undefined, now: Date.now() };
}

const isFull = async (db: Database, carId: string) => (await photosOf(db, carId)).length >= MAX_PHOTOS;

/** Runs a batch; a rule of the database that it met becomes a problem, and `undo` is called since nothing was written. */
async function refusing<T>(batch: Promise<T>, undo: () => void = () => {}): Promise<T> {
  try {
    return await batch;
  } catch (error) {
    const violation = violationOf(error);
    if (violation === undefined) throw error;
    undo();
    if (violation === CLAIM_TAKEN) throw new Problem("duplicate_request");
    if (violation === VERSION_STALE) throw new Problem("precondition_failed");
    throw error;
  }
}

/** Waits for the store of bytes, whose failures are no fault of the request. */
async function reaching<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    log.error("photos.store_failed", { error: describeError(error) });
    throw new Problem("unavailable");
  }
}

/** Deletes objects once the answer is on its way. */
function forget(c: Context<AppEnv>, keys: readonly string[]): void {
  c.executionCtx.waitUntil(
    discardObjects(databaseOf(c), c.env.PHOTOS, keys).catch((error) =>
      log.warn("photos.objects_left_to_sweep", { error: describeError(error) }),
    ),
  );
}

function pictureProblem({ code, why }: PictureRefusal): Problem {
  switch (code) {
    case "unknown_type":
      return new Problem("unsupported_media_type", why);
    case "too_many_pixels":
      return new Problem("too_large", why);
    case "broken":
      return new Problem("invalid_image", why, {
        members: { errors: [{ field: "file", code: "invalid_image", message: why }] },
      });
    case "unavailable":
      return new Problem("unavailable", why);
  }
}
