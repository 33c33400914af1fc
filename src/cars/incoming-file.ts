/**
 * Receives the file of an upload. While its pieces pass they are counted, inspected and hashed, and they go to R2 in
 * parts: at most one part is in memory. What is refused early is refused before the rest is read.
 */
import { createHash } from "node:crypto";
import { reaching } from "../shared/dependency-down.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { ImageInspector, type Inspection, type Picture } from "./image-inspector.ts";

/** The largest file. */
export const MAX_FILE_BYTES = 10 * 1024 * 1024;
/** The size of the parts of an R2 multipart upload, which must be equal except for the last; R2 takes no smaller ones. */
const PART_BYTES = 5 * 1024 * 1024;

/** A received file: what it shows, and its SHA-256 if it was hashed. */
export type Received = { picture: Picture; sha256: string | undefined };

/** One file on its way from a client into the bucket. */
export class IncomingFile {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  readonly #inspector = new ImageInspector();
  readonly #hash: ReturnType<typeof createHash> | undefined;
  readonly #part = new Uint8Array(PART_BYTES);
  #filled = 0;
  #bytes = 0;
  #upload: R2MultipartUpload | undefined;
  readonly #uploaded: R2UploadedPart[] = [];

  /** @param isHashed whether the hash of the file is needed */
  constructor(bucket: R2Bucket, key: string, isHashed: boolean) {
    this.#bucket = bucket;
    this.#key = key;
    this.#hash = isHashed ? createHash("sha256") : undefined;
  }

  /** Takes the next piece. */
  async write(piece: Uint8Array): Promise<Result<undefined>> {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_FILE_BYTES)
      return refuse("too_large", { detail: `A photo may have at most ${MAX_FILE_BYTES} bytes` });
    const inspected = this.#inspector.write(piece);
    if (inspected && !inspected.ok) return refuseImage(inspected);
    this.#hash?.update(piece);
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + PART_BYTES - this.#filled);
      this.#part.set(taken, this.#filled);
      this.#filled += taken.length;
      at += taken.length;
      if (this.#filled === PART_BYTES) await reaching("R2", () => this.#storePart());
    }
    return ok(undefined);
  }

  /** Ends the file, and completes its object. */
  async end(): Promise<Result<Received>> {
    const inspected = this.#inspector.end();
    if (!inspected.ok) return refuseImage(inspected);
    await reaching("R2", () => this.#complete());
    this.#freePart();
    return ok({ picture: inspected.picture, sha256: this.#hash?.digest("hex") });
  }

  /** Drops the parts of an upload that was not completed. */
  async abort(): Promise<void> {
    this.#freePart();
    const upload = this.#upload;
    this.#upload = undefined;
    await upload?.abort();
  }

  /** Frees the memory now, not when garbage is collected: V8 does not hurry for buffers outside its heap. */
  #freePart(): void {
    if (!this.#part.buffer.detached) this.#part.buffer.transfer(0);
  }

  async #storePart(): Promise<void> {
    this.#upload ??= await this.#bucket.createMultipartUpload(this.#key);
    const part = this.#part.subarray(0, this.#filled);
    this.#uploaded.push(await this.#upload.uploadPart(this.#uploaded.length + 1, part));
    this.#filled = 0;
  }

  async #complete(): Promise<void> {
    if (!this.#upload) {
      await this.#bucket.put(this.#key, this.#part.subarray(0, this.#filled));
      return;
    }
    if (this.#filled > 0) await this.#storePart();
    await this.#upload.complete(this.#uploaded);
    this.#upload = undefined;
  }
}

/** The refusal of a file that is no complete still image, or that is too large to be decoded. */
export function refuseImage({ code, why }: Extract<Inspection, { ok: false }>) {
  switch (code) {
    case "unknown_type":
      return refuse("unsupported_media_type", { detail: why });
    case "too_many_pixels":
      return refuse("too_large", { detail: why });
    case "broken":
      return refuse("invalid_image", {
        detail: why,
        faults: [{ field: "file", code: "invalid_image", message: why }],
      });
  }
}
