/** /api/cars/{id}/photos: the photos of a car. /photos: their files. */
import { claimedCaller, operation } from "../auth/operation.ts";
import { expectedVersions, isKnown, notModifiedAnswer } from "../http/conditional.ts";
import { PHOTO_CACHE_CONTROL } from "../http/freshness.ts";
import { once } from "../http/idempotency.ts";
import { readForm } from "../http/multipart.ts";
import { Problem, unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody, streamed } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { MAX_FILE_BYTES } from "./incoming-file.ts";
import { getObject, partOf, readRange } from "./photo-storage.ts";
import { addPhoto, openFile, orderPhotos, removePhoto, updatePhoto, withUpload } from "./photo-use-cases.ts";
import {
  fileParam,
  ifMatch,
  newPhoto,
  photoChange,
  photoOrder,
  photoParams,
  photoSchema,
} from "./schemas.ts";
import { MAX_ARRIVAL_MS } from "./upload-places.ts";

const tags = ["Photos"];

const addPhotoOperation = operation(
  "addPhoto",
  [
    "car_not_found",
    "upload_timeout",
    "invalid_image",
    "too_many_photos",
    "duplicate_request",
    "precondition_failed",
    "idempotency_key_reused",
    "too_many_uploads",
  ],
  {
    method: "post",
    path: "/{id}/photos",
    tags,
    summary: "Add a photo",
    description: `A still image (JPEG, PNG, WebP or AVIF) of at most ${MAX_FILE_BYTES / 1024 / 1024} MB and 50 megapixels. It is stored in two sizes, without its Exif data. The first photo of a car becomes the primary photo. Send the photos of a car one after the other: only a few uploads run at once.`,
    request: {
      params: idParam,
      headers: ifMatch,
      body: { required: true, content: { "multipart/form-data": { schema: newPhoto } } },
    },
    responses: { 201: jsonAnswer("The photo", photoSchema) },
  },
);

const router = createRouter();

/** The routes under /api/cars that are about photos. */
export const photoRoutes = router
  .openapi(streamed(router, addPhotoOperation), async (c) => {
    const caller = claimedCaller(c);
    const { id } = c.req.valid("param");
    const deps = depsOf(c);
    const isKeyed = c.req.header("Idempotency-Key") !== undefined;
    const limits = { field: "file", maxFileBytes: MAX_FILE_BYTES, withinMs: MAX_ARRIVAL_MS };
    const uploaded = await withUpload(deps, caller, id, expectedVersions(c), isKeyed, async (upload) => {
      const { alt_text, is_primary } = await readForm(c, newPhoto, limits, async (piece) =>
        unwrap(await upload.file.write(piece)),
      );
      const { picture, sha256 } = unwrap(await upload.file.end());
      return once(c, caller.id, { file: sha256, alt_text, is_primary }, async (key) => {
        const described = { altText: alt_text, wantsPrimary: is_primary };
        return c.json(unwrap(await addPhoto(deps, caller, upload, picture, described, key)), 201);
      });
    });
    return unwrap(uploaded);
  })
  .openapi(
    operation("orderPhotos", ["car_not_found", "precondition_failed"], {
      method: "put",
      path: "/{id}/photos/order",
      tags,
      summary: "Set the order of the photos of a car",
      request: { params: idParam, headers: ifMatch, body: jsonBody(photoOrder) },
      responses: { 200: jsonAnswer("The photos in their new order", photoSchema.array()) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { id } = c.req.valid("param");
      const { photos } = c.req.valid("json");
      return c.json(unwrap(await orderPhotos(depsOf(c), caller, id, photos, expectedVersions(c))), 200);
    },
  )
  .openapi(
    operation(
      "updatePhoto",
      ["car_not_found", "photo_not_found", "primary_photo_needed", "precondition_failed"],
      {
        method: "patch",
        path: "/{id}/photos/{photo_id}",
        tags,
        summary: "Update the metadata of a photo",
        description: "`is_primary` makes it the primary photo in place of the one before.",
        request: { params: photoParams, headers: ifMatch, body: jsonBody(photoChange) },
        responses: { 200: jsonAnswer("The updated photo", photoSchema) },
      },
    ),
    async (c) => {
      const caller = claimedCaller(c);
      const { id, photo_id } = c.req.valid("param");
      const change = c.req.valid("json");
      const updated = await updatePhoto(depsOf(c), caller, id, photo_id, change, expectedVersions(c));
      return c.json(unwrap(updated), 200);
    },
  )
  .openapi(
    operation("removePhoto", ["car_not_found", "photo_not_found", "precondition_failed"], {
      method: "delete",
      path: "/{id}/photos/{photo_id}",
      tags,
      summary: "Delete a photo",
      description: "If it was the primary photo, the next photo in order becomes primary.",
      request: { params: photoParams, headers: ifMatch },
      responses: { 204: { description: "The photo is deleted" } },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { id, photo_id } = c.req.valid("param");
      unwrap(await removePhoto(depsOf(c), caller, id, photo_id, expectedVersions(c)));
      return c.body(null, 204);
    },
  );

/** The routes under /photos. */
export const photoFileRoutes = createRouter().openapi(
  operation("getPhotoFile", ["photo_not_found", "range_not_satisfiable"], {
    method: "get",
    path: "/{name}",
    tags,
    summary: "Get the file of a photo",
    description:
      "The content of a name never changes. Caches may keep it for a day, because the photo can be removed. `Range` requests a part of the file.",
    request: { params: fileParam },
    responses: {
      200: {
        description: "The image",
        content: { "image/webp": { schema: { type: "string", format: "binary" } } },
      },
      206: { description: "A part of the image" },
      304: notModifiedAnswer,
    },
  }),
  async (c) => {
    const { name } = c.req.valid("param");
    const etag = `"${name}"`;
    const headersWith = (tags: readonly string[]) => ({
      ETag: etag,
      "Cache-Control": PHOTO_CACHE_CONTROL,
      "Cache-Tag": tags.join(","),
      Vary: "X-D1-Bookmark",
      "Accept-Ranges": "bytes",
    });
    const deps = depsOf(c);
    // The name is the entity tag, so the file itself is not needed to know that the caller's copy is current.
    if (isKnown(c, etag)) {
      const { tags } = unwrap(await openFile(deps, name, async () => undefined));
      return c.body(null, 304, headersWith(tags));
    }
    const isHead = c.req.method === "HEAD";
    const wantsPart = !isHead && (c.req.header("If-Range") ?? etag) === etag;
    const range = wantsPart ? readRange(c.req.header("Range")) : undefined;
    const { object: found, tags } = unwrap(
      await openFile<R2Object | R2ObjectBody>(deps, name, () =>
        isHead ? c.env.PHOTOS.head(name) : getObject(c.env.PHOTOS, name, range),
      ),
    );
    if (!found) throw new Problem("photo_not_found");
    const part = range ? partOf(range, found.size) : { offset: 0, length: found.size };
    if (!part)
      throw new Problem("range_not_satisfiable", undefined, {
        headers: { "Content-Range": `bytes */${found.size}` },
      });
    const described = {
      ...headersWith(tags),
      ...(range
        ? { "Content-Range": `bytes ${part.offset}-${part.offset + part.length - 1}/${found.size}` }
        : {}),
      "Content-Type": found.httpMetadata?.contentType ?? "application/octet-stream",
      "Content-Length": String(part.length),
      "X-Content-Type-Options": "nosniff",
    };
    const status = range ? 206 : 200;
    return "body" in found
      ? c.body(found.body as ReadableStream, status, described)
      : c.body(null, status, described);
  },
);
