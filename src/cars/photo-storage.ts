/** The bytes of photos: resized once, and stored in R2. */
import { uuidv7 } from "uuidv7";
import { DependencyDown, reaching } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { inspectImage, type Picture, withoutMetadata } from "./image-inspector.ts";
import { refuseImage } from "./incoming-file.ts";

/** The longest side of each size, in pixels. */
const DISPLAY_SIDE = 1600;
const THUMBNAIL_SIDE = 480;
const QUALITY = 82;

/** Errors of the Images service about input that it cannot decode. Every other error is a failure of the service. */
const INPUT_ERRORS: ReadonlySet<unknown> = new Set([9402, 9412, 9413, 9520, 9523]);

/** One size of a photo, as WebP without metadata. */
type Size = { bytes: Uint8Array<ArrayBuffer>; width: number; height: number };

/**
 * Makes both sizes of an uploaded file. The original is read once, as a stream, and the thumbnail is made from the display
 * size: docs/adr/0016-streamed-uploads.md compares its quality.
 */
export async function makeSizes(
  images: ImagesBinding,
  bucket: R2Bucket,
  key: string,
  { end }: Picture,
  request: string,
): Promise<Result<{ display: Size; thumbnail: Size }>> {
  // What follows the image is dropped.
  const original = await reaching("R2", () => bucket.get(key, { range: { offset: 0, length: end } }));
  if (!original) throw new DependencyDown("R2", "the cron has deleted an upload that took too long");
  try {
    const display = await scaled(images, original.body, DISPLAY_SIDE);
    const isSmall = Math.max(display.width, display.height) <= THUMBNAIL_SIDE;
    const thumbnail = isSmall ? display : await scaled(images, streamOf(display.bytes), THUMBNAIL_SIDE);
    return ok({ display, thumbnail });
  } catch (error) {
    if (error instanceof Error && "code" in error && INPUT_ERRORS.has(error.code))
      return refuseImage({ ok: false, code: "broken", why: "It cannot be decoded" });
    log.error("photos.images_failed", { request, error: describeError(error) });
    return refuse("unavailable", { detail: "Photos cannot be made right now" });
  }
}

/** The bytes as a stream, without a copy. */
const streamOf = (bytes: Uint8Array<ArrayBuffer>) => new Response(bytes).body as ReadableStream<Uint8Array>;

async function scaled(images: ImagesBinding, from: ReadableStream<Uint8Array>, side: number): Promise<Size> {
  const made = await images
    .input(from)
    .transform({ width: side, height: side, fit: "scale-down" })
    .output({ format: "image/webp", quality: QUALITY });
  const bytes = new Uint8Array(await made.response().arrayBuffer());
  const inspected = inspectImage(bytes);
  if (!inspected.ok || inspected.picture.type !== "image/webp")
    throw new Error(`the Images service made no WebP image${inspected.ok ? "" : `: ${inspected.why}`}`);
  const { width, height } = inspected.picture;
  return { bytes: withoutMetadata(bytes), width, height };
}

/**
 * Creates the keys of a new photo's objects. A key is used once, so its content never changes. The uploaded file has a
 * key that is no name of a file under /photos, so it is never served.
 */
export function newKeys() {
  const id = uuidv7();
  return { id, key: `${id}.webp`, thumbnailKey: `${id}-small.webp`, uploadKey: `uploads/${id}` };
}

/** The `Cache-Tag` of both files of a photo. */
export const photoTag = (photoId: string): string => `photo-${photoId}`;

/** The `Cache-Tag` of the files of all photos of a car. */
export const photosTag = (carId: string): string => `photos-of-${carId}`;

/** Stores an image. */
export const putObject = (
  bucket: R2Bucket,
  key: string,
  bytes: Uint8Array<ArrayBuffer>,
  type = "image/webp",
) => bucket.put(key, bytes, { httpMetadata: { contentType: type } });

/**
 * Reads a `Range` header. `undefined`: there is no header, or one that may be ignored (another unit, several parts,
 * malformed text).
 */
export function readRange(header: string | undefined): R2Range | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === "") return last === "" ? undefined : { suffix: Number(last) };
  const offset = Number(first);
  if (last === "") return { offset };
  return Number(last) < offset ? undefined : { offset, length: Number(last) + 1 - offset };
}

/** A part of an object of `size` bytes: the one that `range` requests; undefined when it begins after the end. */
export function partOf(range: R2Range, size: number): { offset: number; length: number } | undefined {
  const offset = "suffix" in range ? Math.max(0, size - range.suffix) : (range.offset ?? 0);
  const length = "suffix" in range ? range.suffix : (range.length ?? size);
  return offset >= size || length === 0 ? undefined : { offset, length: Math.min(length, size - offset) };
}

/** Reads an object, or a part of it. Without a body when the range begins after the end. */
export async function getObject(
  bucket: R2Bucket,
  key: string,
  range: R2Range | undefined,
): Promise<R2Object | R2ObjectBody | null> {
  try {
    return await bucket.get(key, range ? { range } : {});
  } catch (error) {
    // R2 refuses a range after the end by an error, which does not name the size.
    const whole = range && (await bucket.head(key));
    if (!whole || partOf(range, whole.size)) throw error;
    return whole;
  }
}
