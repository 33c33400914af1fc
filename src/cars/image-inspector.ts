/**
 * Inspects an uploaded file while its bytes pass: its type, its size in pixels, and whether it is a complete still image
 * and nothing else. It reads only the structure; nothing is decoded before the size is known to be safe. It keeps only
 * the few bytes that it has not read yet, so a reader of a format is a generator that yields when it needs more.
 */

/** The types that photos may have. */
type ImageType = "image/jpeg" | "image/png" | "image/webp" | "image/avif";

/** Images with a longer side or more pixels are not decoded. Phones make photos of up to 50 megapixels. */
const MAX_SIDE = 12_000;
const MAX_PIXELS = 50_000_000;
/** The maximum number of segments, chunks or boxes. Real files have fewer: PNGs of 10 MB have up to 1,300 chunks. */
const MAX_PARTS = 4000;

/** A still image. `end` is where it ends; the bytes after it are dropped. */
export type Picture = Size & { type: ImageType; end: number };

/** The image, or the reason for a refusal. */
export type Inspection =
  | { ok: true; picture: Picture }
  | { ok: false; code: "unknown_type" | "broken" | "too_many_pixels"; why: string };

class Broken extends Error {}

/** Inspects one file, given piece by piece. */
export class ImageInspector {
  readonly #source = new Source();
  readonly #reading = readImage(this.#source);
  #found: Inspection | undefined;

  /** Takes the next piece. Returns what is found as soon as nothing that follows can change it. */
  write(piece: Uint8Array): Inspection | undefined {
    if (this.#found) return this.#found;
    this.#source.push(piece);
    return this.#read();
  }

  /** Ends the file. */
  end(): Inspection {
    this.#source.end();
    const found = this.#found ?? this.#read();
    if (!found) throw new Error("a reader waits for more than the whole file");
    return found;
  }

  #read(): Inspection | undefined {
    try {
      const step = this.#reading.next();
      if (step.done) this.#found = judge(step.value);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      this.#found = { ok: false, code: "broken", why: error.message };
    }
    return this.#found;
  }
}

/** Inspects a whole file. */
export function inspectImage(bytes: Uint8Array): Inspection {
  const inspector = new ImageInspector();
  inspector.write(bytes);
  return inspector.end();
}

function judge(picture: Picture | undefined): Inspection {
  if (!picture) return { ok: false, code: "unknown_type", why: "Not a JPEG, PNG, WebP or AVIF image" };
  const { width, height } = picture;
  if (width < 1 || height < 1) throw new Broken("It has no pixels");
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
    return {
      ok: false,
      code: "too_many_pixels",
      why: `At most ${MAX_SIDE} pixels a side and ${MAX_PIXELS / 1_000_000} megapixels`,
    };
  return { ok: true, picture };
}

/** A reader's work: it yields when it needs the next piece of the file. */
type Reading<T> = Generator<undefined, T, undefined>;

const MARKUP = /<(script|html|!doctype|\?php|iframe|body|svg)[\s>]/i;
/** The longest match of MARKUP has one character more. */
const MARKUP_OVERLAP = 9;
const latin1 = new TextDecoder("latin1");

/** The bytes of a file, read from its start to its end. A read past the end means that the file is incomplete. */
class Source {
  /** How many bytes have been read. */
  position = 0;
  #unread: Uint8Array = new Uint8Array();
  #hasEnded = false;
  #parts = 0;
  /** The last characters read, while text that a browser could treat as a page is refused. */
  #watched: string | undefined;

  push(piece: Uint8Array): void {
    this.#unread = this.#unread.length > 0 ? Buffer.concat([this.#unread, piece]) : piece;
  }

  end(): void {
    this.#hasEnded = true;
  }

  /** Counts a segment, chunk or box. */
  nextPart(): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw new Broken("It consists of too many parts");
  }

  /** Returns the next `size` bytes without reading them; fewer at the end of the file. */
  *peek(size: number): Reading<Uint8Array> {
    while (this.#unread.length < size && !this.#hasEnded) yield;
    return this.#unread.subarray(0, size);
  }

  /** Returns the next `size` bytes without reading them. */
  *need(size: number): Reading<Uint8Array> {
    const bytes = yield* this.peek(size);
    if (bytes.length < size) throw new Broken("It ends too early");
    return bytes;
  }

  /** Reads up to offset `end`; up to the end of the file if it is infinite. */
  *readTo(end: number): Reading<void> {
    while (this.position < end) {
      if (this.#unread.length === 0 && (yield* this.isAtEnd())) {
        if (end === Number.POSITIVE_INFINITY) return;
        throw new Broken("It ends too early");
      }
      this.#pass(Math.min(end - this.position, this.#unread.length));
    }
  }

  /** Reads compressed data of a JPEG, up to the next 0xFF that is neither stuffed nor a restart. */
  *readToMarker(): Reading<void> {
    for (;;) {
      const bytes = this.#unread;
      let at = bytes.indexOf(0xff);
      while (at >= 0 && at + 1 < bytes.length) {
        const next = bytes[at + 1] ?? 0;
        if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) return this.#pass(at);
        at = bytes.indexOf(0xff, at + 2);
      }
      this.#pass(at < 0 ? bytes.length : at);
      if (this.#hasEnded) throw new Broken("It ends too early");
      yield;
    }
  }

  /** Reads to the end of the file, as long as the bytes are zero. Returns whether they all are. */
  *isPadded(): Reading<boolean> {
    while (!(yield* this.isAtEnd())) {
      if (this.#unread.some((byte) => byte !== 0)) return false;
      this.#pass(this.#unread.length);
    }
    return true;
  }

  *isAtEnd(): Reading<boolean> {
    return (yield* this.peek(1)).length === 0;
  }

  /** Refuses text that a browser could treat as a page, from here on. */
  watch(): void {
    this.#watched = "";
  }

  unwatch(): void {
    this.#watched = undefined;
  }

  #pass(size: number): void {
    if (this.#watched !== undefined) {
      const text = this.#watched + latin1.decode(this.#unread.subarray(0, size));
      if (MARKUP.test(text)) throw new Broken("It is also a document");
      this.#watched = text.slice(-MARKUP_OVERLAP);
    }
    this.#unread = this.#unread.subarray(size);
    this.position += size;
  }
}

/** An unsigned number of `size` bytes at `at`. */
function numberAt(bytes: Uint8Array, at: number, size: number, endian: "big" | "little" = "big"): number {
  let value = 0;
  for (let index = 0; index < size; index += 1)
    value = value * 256 + (bytes[endian === "big" ? at + index : at + size - 1 - index] ?? 0);
  return value;
}

/** The bytes from `from` to `to` as Latin-1 text; fewer at the end. */
const textAt = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to));

type Size = { width: number; height: number };

/** Reads a file of any type; undefined when the type is unknown. */
function* readImage(s: Source): Reading<Picture | undefined> {
  const head = yield* s.peek(72);
  if (textAt(head, 0, 3) === "\xff\xd8\xff") return yield* readJpeg(s);
  if (textAt(head, 0, 8) === "\x89PNG\r\n\x1a\n") return yield* readPng(s);
  if (textAt(head, 0, 4) === "RIFF" && textAt(head, 8, 12) === "WEBP") return yield* readWebp(s);
  if (textAt(head, 4, 8) === "ftyp" && /avif/.test(textAt(head, 8, 72))) return yield* readAvif(s);
  return undefined;
}

function* refuseTail(s: Source): Reading<void> {
  if (!(yield* s.isAtEnd())) throw new Broken("Something follows the image");
}

function* readJpeg(s: Source): Reading<Picture> {
  let size: Size | undefined;
  let inScan = false;
  s.watch();
  yield* s.readTo(2);
  for (;;) {
    s.nextPart();
    if (inScan) yield* s.readToMarker();
    const head = yield* s.need(2);
    if (head[0] !== 0xff) throw new Broken("Its parts do not follow each other");
    const marker = head[1] ?? 0;
    if (marker === 0xff) {
      yield* s.readTo(s.position + 1); // A fill byte.
      continue;
    }
    if (marker === 0xd9) {
      if (!size || !inScan) throw new Broken("It has no pixels");
      const end = s.position + 2;
      yield* s.readTo(end);
      // Phones append a second JPEG (a gain map, a preview) or padding, which is dropped. Anything else is refused.
      const isSecond = textAt(yield* s.peek(2), 0, 2) === "\xff\xd8";
      if (!isSecond && !(yield* s.isPadded())) yield* refuseTail(s);
      return { type: "image/jpeg", ...size, end };
    }
    const length = numberAt(yield* s.need(4), 2, 2);
    if (length < 2) throw new Broken("Its parts do not follow each other");
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      if (size) throw new Broken("It has two sizes");
      const frame = yield* s.need(9);
      size = { height: numberAt(frame, 5, 2), width: numberAt(frame, 7, 2) };
    }
    if (marker === 0xda) {
      inScan = true;
      s.unwatch();
    }
    yield* s.readTo(s.position + 2 + length);
  }
}

function* readPng(s: Source): Reading<Picture> {
  yield* s.readTo(8);
  const header = yield* s.need(16);
  if (numberAt(header, 0, 4) !== 13 || textAt(header, 4, 8) !== "IHDR") throw new Broken("It has no header");
  const size = { width: numberAt(header, 8, 4), height: numberAt(header, 12, 4) };
  let hasPixels = false;
  for (;;) {
    s.nextPart();
    const head = yield* s.need(8);
    const length = numberAt(head, 0, 4);
    const type = textAt(head, 4, 8);
    if (!/^[A-Za-z]{4}$/.test(type)) throw new Broken("Its parts do not follow each other");
    hasPixels ||= type === "IDAT" && length > 0;
    if (type === "acTL") throw new Broken("It is animated");
    if (type !== "IDAT") s.watch();
    yield* s.readTo(s.position + 12 + length);
    s.unwatch();
    if (type === "IEND") {
      if (!hasPixels) throw new Broken("It has no pixels");
      yield* refuseTail(s);
      return { type: "image/png", ...size, end: s.position };
    }
  }
}

/** Chunks must fill the file. */
function* readWebp(s: Source): Reading<Picture> {
  const end = 8 + numberAt(yield* s.need(12), 4, 4, "little");
  yield* s.readTo(12);
  let size: Size | undefined;
  let hasPixels = false;
  while (s.position < end) {
    s.nextPart();
    const head = yield* s.need(8);
    const type = textAt(head, 0, 4);
    const length = numberAt(head, 4, 4, "little");
    yield* s.readTo(s.position + 8);
    const chunkEnd = s.position + length;
    if (chunkEnd + (length % 2) > end) throw new Broken("It ends too early");
    if (type === "VP8X") {
      const data = yield* s.need(10);
      if (numberAt(data, 0, 1) & 0x02) throw new Broken("It is animated");
      const [width, height] = [numberAt(data, 4, 3, "little"), numberAt(data, 7, 3, "little")];
      size = larger(size, { width: 1 + width, height: 1 + height });
    } else if (type === "VP8 ") {
      hasPixels = true;
      const data = yield* s.need(10);
      if (textAt(data, 3, 6) !== "\x9d\x01\x2a") throw new Broken("It has no header");
      const [width, height] = [numberAt(data, 6, 2, "little"), numberAt(data, 8, 2, "little")];
      size = larger(size, { width: width & 0x3fff, height: height & 0x3fff });
    } else if (type === "VP8L") {
      hasPixels = true;
      const data = yield* s.need(5);
      if (data[0] !== 0x2f) throw new Broken("It has no header");
      const bits = numberAt(data, 1, 4, "little");
      size = larger(size, { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) });
    } else if (type === "ANIM" || type === "ANMF") throw new Broken("It is animated");
    else s.watch();
    yield* s.readTo(chunkEnd);
    s.unwatch();
    yield* s.readTo(chunkEnd + (length % 2));
  }
  if (!size || !hasPixels) throw new Broken("It has no pixels");
  yield* refuseTail(s);
  return { type: "image/webp", ...size, end };
}

type ReadBox = (type: string, end: number) => Reading<void>;

/** Reads the boxes up to offset `to`, which they must fill. `read` may read in a box, at most to its end. */
function* readBoxes(s: Source, to: number, read: ReadBox): Reading<void> {
  while (s.position < to) {
    if (to === Number.POSITIVE_INFINITY && (yield* s.isAtEnd())) return;
    s.nextPart();
    const from = s.position;
    const head = yield* s.need(8);
    const [short, type] = [numberAt(head, 0, 4), textAt(head, 4, 8)];
    const headLength = short === 1 ? 16 : 8;
    const size = short === 1 ? numberAt(yield* s.need(16), 8, 8) : short;
    const end = short === 0 ? to : from + size;
    if (end < from + headLength || end > to) throw new Broken("It ends too early");
    yield* s.readTo(from + headLength);
    yield* read(type, end);
    yield* s.readTo(end);
  }
}

/** Reads the boxes in the first box of this name. */
function inFirst(s: Source, name: string, read: ReadBox): ReadBox {
  let isFound = false;
  return function* (type, end) {
    if (type !== name || isFound) return;
    isFound = true;
    yield* readBoxes(s, end, read);
  };
}

function* readAvif(s: Source): Reading<Picture> {
  if (textAt(yield* s.need(12), 8, 12) === "avis") throw new Broken("It is animated");
  let size: Size | undefined;
  let boxes = 0;
  let [hasMeta, hasPixels] = [false, false];
  const readSize: ReadBox = function* (type) {
    if (type !== "ispe") return;
    const data = yield* s.need(12);
    size = larger(size, { width: numberAt(data, 4, 4), height: numberAt(data, 8, 4) });
  };
  yield* readBoxes(s, Number.POSITIVE_INFINITY, function* (type, end) {
    boxes += 1;
    if (boxes === 1) return;
    if (!["meta", "mdat", "free", "skip", "uuid"].includes(type))
      throw new Broken("It is more than an image");
    hasPixels ||= type === "mdat";
    if (type === "mdat") return;
    s.watch();
    if (type === "meta" && !hasMeta) {
      hasMeta = true;
      // "meta" has a version number before its boxes.
      yield* s.readTo(Math.min(s.position + 4, end));
      yield* readBoxes(s, end, inFirst(s, "iprp", inFirst(s, "ipco", readSize)));
    }
    yield* s.readTo(end);
    s.unwatch();
  });
  if (!hasMeta || !hasPixels) throw new Broken("It has no pixels");
  if (!size) throw new Broken("It has no size");
  return { type: "image/avif", ...size, end: s.position };
}

const larger = (a: Size | undefined, b: Size): Size => ({
  width: Math.max(a?.width ?? 0, b.width),
  height: Math.max(a?.height ?? 0, b.height),
});

/** The flags of VP8X that announce Exif and XMP. */
const ANNOUNCES_METADATA = 0x08 | 0x04;

/**
 * Removes Exif and XMP from a WebP image that has been inspected, because cameras store the place there. The Images
 * service should have removed them; this makes sure of it. It may change the given bytes.
 */
export function withoutMetadata(webp: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let hasMetadata = false;
  for (let at = 12, end = at; at < webp.length; at = end) {
    const length = numberAt(webp, at + 4, 4, "little");
    end = at + 8 + length + (length % 2);
    const type = textAt(webp, at, at + 4);
    const part = webp.subarray(at, end);
    if (type === "EXIF" || type === "XMP ") {
      hasMetadata = true;
      continue;
    }
    if (type === "VP8X") part[8] = (part[8] ?? 0) & ~ANNOUNCES_METADATA;
    parts.push(part);
  }
  if (!hasMetadata) return webp;
  const result = new Uint8Array(12 + parts.reduce((sum, part) => sum + part.length, 0));
  result.set(webp.subarray(0, 12));
  new DataView(result.buffer).setUint32(4, result.length - 8, true);
  let at = 12;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
