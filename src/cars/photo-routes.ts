/** /api/cars/{id}/photos: the photos of a car. /photos: their files. */
import { operation, verifiedCaller } from "../auth/operation.ts";
import { MAX_FILE_BYTES } from "../http/body-limit.ts";
import { expectedVersions, isKnown, notModifiedAnswer } from "../http/conditional.ts";
import { once } from "../http/idempotency.ts";
import { Problem, unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { reaching } from "../shared/dependency-down.ts";
import { sha256 } from "../shared/digest.ts";
import { readRange } from "./photo-storage.ts";
import { addPhoto, orderPhotos, removePhoto, updatePhoto } from "./photo-use-cases.ts";
import {
  fileParam,
  ifMatch,
  newPhoto,
  photoChange,
  photoOrder,
  photoParams,
  photoSchema,
} from "./schemas.ts";

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
        path: "/{id}/photos",
        tags,
        summary: "Add a photo",
        description: `A still image (JPEG, PNG, WebP or AVIF) of at most ${MAX_FILE_BYTES / 1024 / 1024} MB and 50 megapixels. It is stored in two sizes, without its Exif data. The first photo of a car becomes the primary photo.`,
        request: {
          params: idParam,
          headers: ifMatch,
          body: { required: true, content: { "multipart/form-data": { schema: newPhoto } } },
        },
        responses: { 201: jsonAnswer("The photo", photoSchema) },
      },
    ),
    async (c) => {
      const caller = await verifiedCaller(c);
      const { id } = c.req.valid("param");
      const { file, alt_text, is_primary } = c.req.valid("form");
      if (file.size > MAX_FILE_BYTES) throw new Problem("too_large", "A photo may have at most 10 MB");
      const bytes = new Uint8Array(await file.arrayBuffer());
      const request = { file: await sha256(bytes), alt_text, is_primary };
      return once(c, caller.id, request, async (key) => {
        const upload = { file: bytes, altText: alt_text, wantsPrimary: is_primary };
        return c.json(
          unwrap(c, await addPhoto(depsOf(c), caller, id, upload, expectedVersions(c), key)),
          201,
        );
      });
    },
  )
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
      const caller = await verifiedCaller(c);
      const { id } = c.req.valid("param");
      const { photos } = c.req.valid("json");
      return c.json(unwrap(c, await orderPhotos(depsOf(c), caller, id, photos, expectedVersions(c))), 200);
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
      const caller = await verifiedCaller(c);
      const { id, photo_id } = c.req.valid("param");
      const change = c.req.valid("json");
      const updated = await updatePhoto(depsOf(c), caller, id, photo_id, change, expectedVersions(c));
      return c.json(unwrap(c, updated), 200);
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
      const caller = await verifiedCaller(c);
      const { id, photo_id } = c.req.valid("param");
      unwrap(c, await removePhoto(depsOf(c), caller, id, photo_id, expectedVersions(c)));
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
      "The content of a name never changes, so it can be cached without limit. `Range` requests a part of the file.",
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
    const headers = {
      ETag: etag,
      "Cache-Control": "public, max-age=31536000, immutable",
      "Accept-Ranges": "bytes",
    };
    // The name is the tag, so no read is needed to know that the caller's copy is current.
    if (isKnown(c, etag)) return c.body(null, 304, headers);
    const wantsPart = c.req.header("Range") !== undefined && (c.req.header("If-Range") ?? etag) === etag;
    const isHead = c.req.method === "HEAD";
    const found = await reaching<R2Object | R2ObjectBody | null>("R2", () =>
      wantsPart || isHead ? c.env.PHOTOS.head(name) : c.env.PHOTOS.get(name),
    );
    if (!found) throw new Problem("photo_not_found");
    const range = wantsPart ? readRange(c.req.header("Range"), found.size) : undefined;
    if (range === "unsatisfiable")
      throw new Problem("range_not_satisfiable", undefined, {
        headers: { "Content-Range": `bytes */${found.size}` },
      });
    const object =
      "body" in found || isHead
        ? found
        : await reaching("R2", () => c.env.PHOTOS.get(name, range ? { range } : {}));
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
