/** The bytes of photos: resized once, and stored in R2. */
import { uuidv7 } from "uuidv7";
import { describeError, log } from "../shared/log.ts";
import { type Inspection, inspectImage, type Picture, withoutMetadata } from "./image-inspector.ts";

/** The longest side of each size, in pixels. */
const DISPLAY_SIDE = 1600;
const THUMBNAIL_SIDE = 480;
const QUALITY = 82;

/** Errors of the Images service about input that it cannot decode. Every other error is a failure of the service. */
const INPUT_ERRORS: ReadonlySet<unknown> = new Set([9402, 9412, 9413, 9520, 9523]);

/** The two sizes of a photo, as WebP. Width and height are those of the larger one. */
type Sizes = {
  display: Uint8Array<ArrayBuffer>;
  thumbnail: Uint8Array<ArrayBuffer>;
  width: number;
  height: number;
};

/** The reason why there are no sizes. */
export type PhotoFault = Extract<Inspection, { ok: false }> | { ok: false; code: "unavailable"; why: string };

/** Makes both sizes of an uploaded file, without metadata. */
export async function makeSizes(
  images: ImagesBinding,
  file: Uint8Array<ArrayBuffer>,
): Promise<{ ok: true; sizes: Sizes } | PhotoFault> {
  const inspected = inspectImage(file);
  if (!inspected.ok) return inspected;
  try {
    const [display, thumbnail] = await Promise.all([
      scaled(images, file, inspected.picture, DISPLAY_SIDE),
      scaled(images, file, inspected.picture, THUMBNAIL_SIDE),
    ]);
    const made = inspectImage(display);
    if (!made.ok) throw new Error(`the Images service made no image: ${made.why}`);
    const { width, height } = made.picture;
    return { ok: true, sizes: { display, thumbnail, width, height } };
  } catch (error) {
    if (error instanceof Error && "code" in error && INPUT_ERRORS.has(error.code))
      return { ok: false, code: "broken", why: "It cannot be decoded" };
    log.error("photos.images_failed", { error: describeError(error) });
    return { ok: false, code: "unavailable", why: "Photos cannot be made right now" };
  }
}

async function scaled(
  images: ImagesBinding,
  file: Uint8Array<ArrayBuffer>,
  { end }: Picture,
  side: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const made = await images
    .input(new Blob([file.subarray(0, end)]).stream())
    .transform({ width: side, height: side, fit: "scale-down" })
    .output({ format: "image/webp", quality: QUALITY });
  return withoutMetadata(new Uint8Array(await made.response().arrayBuffer()));
}

/** Creates the keys of a new photo's objects. A key is used once, so its content never changes. */
export function newKeys(): { id: string; key: string; thumbnailKey: string } {
  const id = uuidv7();
  return { id, key: `${id}.webp`, thumbnailKey: `${id}-small.webp` };
}

/** Stores an image. */
export const putObject = (
  bucket: R2Bucket,
  key: string,
  bytes: Uint8Array<ArrayBuffer>,
  type = "image/webp",
) => bucket.put(key, bytes, { httpMetadata: { contentType: type } });

/** A part of an object, from a `Range` header. */
type ByteRange = { offset: number; length: number };

/**
 * Reads a `Range` header for an object of `size` bytes. `undefined`: there is no header, or one that may be ignored
 * (another unit, several parts, malformed text). `unsatisfiable`: the range begins after the end.
 */
export function readRange(header: string | undefined, size: number): ByteRange | "unsatisfiable" | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  if (!found) return undefined;
  const [first = "", last = ""] = found.slice(1);
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  if (last !== "" && Number(last) < offset) return undefined;
  if (offset >= size) return "unsatisfiable";
  return { offset, length: Math.min(last === "" ? size : Number(last) + 1, size) - offset };
}
