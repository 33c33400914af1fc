/**
 * Inspects the bytes of an uploaded file: its type, its size in pixels, and whether it is a complete still image and
 * nothing else. It reads only the structure; nothing is decoded before the size is known to be safe.
 */

/** The types that photos may have. */
type ImageType = "image/jpeg" | "image/png" | "image/webp" | "image/avif";

/** Images with a longer side or more pixels are not decoded. Phones make photos of up to 50 megapixels. */
const MAX_SIDE = 12_000;
const MAX_PIXELS = 50_000_000;
/** The maximum number of segments, chunks or boxes. Real files have fewer: PNGs of 10 MB have up to 1,300 chunks. */
const MAX_PARTS = 4000;

/** A still image. `end` is where it ends; the bytes after it are dropped. */
export type Picture = { type: ImageType; width: number; height: number; end: number };

/** The image, or the reason for a refusal. */
export type Inspection =
  | { ok: true; picture: Picture }
  | { ok: false; code: "unknown_type" | "broken" | "too_many_pixels"; why: string };

class Broken extends Error {}

/** Inspects a file. */
export function inspectImage(bytes: Uint8Array): Inspection {
  const reader = new Reader(bytes);
  const read = readerOf(reader);
  if (!read) return { ok: false, code: "unknown_type", why: "Not a JPEG, PNG, WebP or AVIF image" };
  try {
    const picture = read(reader);
    const { width, height } = picture;
    if (width < 1 || height < 1) throw new Broken("It has no pixels");
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
      return {
        ok: false,
        code: "too_many_pixels",
        why: `At most ${MAX_SIDE} pixels a side and ${MAX_PIXELS / 1_000_000} megapixels`,
      };
    return { ok: true, picture };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { ok: false, code: "broken", why: error.message };
  }
}

/** Reads numbers and text from bytes. A read past the end means that the file is incomplete. */
class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #parts = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Reads `size` bytes at `at` as an unsigned number. */
  number(at: number, size: 1 | 2 | 3 | 4 | 8, endian: "big" | "little" = "big"): number {
    this.need(at, size);
    const little = endian === "little";
    switch (size) {
      case 1:
        return this.#view.getUint8(at);
      case 2:
        return this.#view.getUint16(at, little);
      case 3:
        return little
          ? this.#view.getUint16(at, true) + this.#view.getUint8(at + 2) * 65_536
          : this.#view.getUint16(at) * 256 + this.#view.getUint8(at + 2);
      case 4:
        return this.#view.getUint32(at, little);
      case 8:
        return Number(this.#view.getBigUint64(at, little));
    }
  }

  /** Reads `size` bytes at `at` as Latin-1 text; fewer at the end of the file. */
  text(at: number, size: number): string {
    return String.fromCharCode(...this.bytes.subarray(at, at + size));
  }

  /** Counts a segment, chunk or box. */
  nextPart(): void {
    this.#parts += 1;
    if (this.#parts > MAX_PARTS) throw new Broken("It consists of too many parts");
  }

  need(at: number, size: number): void {
    if (at + size > this.length) throw new Broken("It ends too early");
  }
}

function readerOf(r: Reader): ((r: Reader) => Picture) | undefined {
  if (r.text(0, 3) === "\xff\xd8\xff") return readJpeg;
  if (r.text(0, 8) === "\x89PNG\r\n\x1a\n") return readPng;
  if (r.text(0, 4) === "RIFF" && r.text(8, 4) === "WEBP") return readWebp;
  if (r.text(4, 4) === "ftyp" && /avif/.test(r.text(8, 64))) return readAvif;
  return undefined;
}

const MARKUP = /<(script|html|!doctype|\?php|iframe|body|svg)[\s>]/i;

/** Refuses metadata with text that a browser could treat as a page. */
function refuseMarkup(r: Reader, from: number, to: number): void {
  const text = new TextDecoder("latin1").decode(r.bytes.subarray(from, to));
  if (MARKUP.test(text)) throw new Broken("It is also a document");
}

function refuseTail(r: Reader, end: number): void {
  if (end !== r.length) throw new Broken("Something follows the image");
}

function readJpeg(r: Reader): Picture {
  let size: { width: number; height: number } | undefined;
  let inScan = false;
  for (let at = 2; ; ) {
    r.nextPart();
    if (inScan) at = nextMarker(r, at);
    if (r.number(at, 1) !== 0xff) throw new Broken("Its parts do not follow each other");
    const marker = r.number(at + 1, 1);
    if (marker === 0xff) {
      at += 1; // A fill byte.
      continue;
    }
    if (marker === 0xd9) {
      if (!size || !inScan) throw new Broken("It has no pixels");
      const end = at + 2;
      // Phones append a second JPEG (a gain map, a preview) or padding, which is dropped. Anything else is refused.
      const tail = r.bytes.subarray(end);
      if (r.text(end, 2) !== "\xff\xd8" && tail.some((byte) => byte !== 0)) refuseTail(r, end);
      return { type: "image/jpeg", ...size, end };
    }
    const length = r.number(at + 2, 2);
    r.need(at + 2, length);
    if (length < 2) throw new Broken("Its parts do not follow each other");
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      if (size) throw new Broken("It has two sizes");
      size = { height: r.number(at + 5, 2), width: r.number(at + 7, 2) };
    }
    if (marker === 0xda && !inScan) refuseMarkup(r, 0, at);
    inScan ||= marker === 0xda;
    at += 2 + length;
  }
}

/** Finds the next marker after compressed data: a 0xFF that is neither stuffed nor a restart. */
function nextMarker(r: Reader, from: number): number {
  for (let at = from; ; at += 2) {
    at = r.bytes.indexOf(0xff, at);
    if (at < 0 || at + 1 >= r.length) throw new Broken("It ends too early");
    const next = r.number(at + 1, 1);
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
}

function readPng(r: Reader): Picture {
  if (r.number(8, 4) !== 13 || r.text(12, 4) !== "IHDR") throw new Broken("It has no header");
  const size = { width: r.number(16, 4), height: r.number(20, 4) };
  let hasPixels = false;
  for (let at = 8; ; ) {
    r.nextPart();
    const length = r.number(at, 4);
    const type = r.text(at + 4, 4);
    const end = at + 12 + length;
    r.need(at, 12 + length);
    if (!/^[A-Za-z]{4}$/.test(type)) throw new Broken("Its parts do not follow each other");
    hasPixels ||= type === "IDAT" && length > 0;
    if (type === "acTL") throw new Broken("It is animated");
    if (type !== "IDAT") refuseMarkup(r, at, end);
    if (type === "IEND") {
      if (!hasPixels) throw new Broken("It has no pixels");
      refuseTail(r, end);
      return { type: "image/png", ...size, end };
    }
    at = end;
  }
}

type Chunk = { type: string; from: number; to: number; end: number };

/** The chunks of a WebP file. They must fill the file. */
function* webpChunks(r: Reader): Generator<Chunk> {
  const end = 8 + r.number(4, 4, "little");
  r.need(0, end);
  refuseTail(r, end);
  for (let at = 12; at < end; ) {
    r.nextPart();
    const length = r.number(at + 4, 4, "little");
    const padded = at + 8 + length + (length % 2);
    r.need(at, padded - at);
    yield { type: r.text(at, 4), from: at + 8, to: at + 8 + length, end: padded };
    at = padded;
  }
}

function readWebp(r: Reader): Picture {
  const sizes: { width: number; height: number }[] = [];
  let hasPixels = false;
  for (const { type, from, to, end } of webpChunks(r)) {
    if (type === "VP8X") {
      if (r.number(from, 1) & 0x02) throw new Broken("It is animated");
      sizes.push({
        width: 1 + r.number(from + 4, 3, "little"),
        height: 1 + r.number(from + 7, 3, "little"),
      });
    } else if (type === "VP8 ") {
      hasPixels = true;
      if (r.text(from + 3, 3) !== "\x9d\x01\x2a") throw new Broken("It has no header");
      sizes.push({
        width: r.number(from + 6, 2, "little") & 0x3fff,
        height: r.number(from + 8, 2, "little") & 0x3fff,
      });
    } else if (type === "VP8L") {
      hasPixels = true;
      if (r.number(from, 1) !== 0x2f) throw new Broken("It has no header");
      const bits = r.number(from + 1, 4, "little");
      sizes.push({ width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) });
    } else if (type === "ANIM" || type === "ANMF") throw new Broken("It is animated");
    else refuseMarkup(r, from, Math.min(to, end));
  }
  if (!hasPixels) throw new Broken("It has no pixels");
  return { type: "image/webp", ...largest(sizes), end: r.length };
}

type Box = { type: string; from: number; to: number };

/** The boxes between two offsets. They must fill the space. */
function* boxes(r: Reader, from: number, to: number): Generator<Box> {
  for (let at = from; at < to; ) {
    r.nextPart();
    const short = r.number(at, 4);
    const head = short === 1 ? 16 : 8;
    const size = short === 0 ? to - at : short === 1 ? r.number(at + 8, 8) : short;
    if (size < head || at + size > to) throw new Broken("It ends too early");
    yield { type: r.text(at + 4, 4), from: at + head, to: at + size };
    at += size;
  }
}

function readAvif(r: Reader): Picture {
  const [first, ...others] = boxes(r, 0, r.length);
  if (!first || r.text(8, 4) === "avis") throw new Broken("It is animated");
  const meta = others.find((box) => box.type === "meta");
  if (!meta || !others.some((box) => box.type === "mdat")) throw new Broken("It has no pixels");
  for (const { type, from, to } of others) {
    if (!["meta", "mdat", "free", "skip", "uuid"].includes(type))
      throw new Broken("It is more than an image");
    if (type !== "mdat") refuseMarkup(r, from, to);
  }
  // "meta" has a version number before its boxes.
  const properties = inside(r, boxes(r, meta.from + 4, meta.to), "iprp", "ipco");
  const sizes = [...properties]
    .filter((box) => box.type === "ispe")
    .map(({ from }) => ({ width: r.number(from + 4, 4), height: r.number(from + 8, 4) }));
  if (sizes.length === 0) throw new Broken("It has no size");
  return { type: "image/avif", ...largest(sizes), end: r.length };
}

function inside(r: Reader, found: Iterable<Box>, ...path: string[]): Iterable<Box> {
  const [name, ...deeper] = path;
  if (name === undefined) return found;
  const box = [...found].find(({ type }) => type === name);
  return box ? inside(r, boxes(r, box.from, box.to), ...deeper) : [];
}

const largest = (sizes: { width: number; height: number }[]) => ({
  width: Math.max(...sizes.map(({ width }) => width)),
  height: Math.max(...sizes.map(({ height }) => height)),
});

/** The flags of VP8X that announce Exif and XMP. */
const ANNOUNCES_METADATA = 0x08 | 0x04;

/**
 * Removes Exif and XMP from a WebP image, because cameras store the place there. The Images service should have removed
 * them; this makes sure of it.
 */
export function withoutMetadata(webp: Uint8Array): Uint8Array<ArrayBuffer> {
  const r = new Reader(webp);
  const kept = [...webpChunks(r)].filter(({ type }) => type !== "EXIF" && type !== "XMP ");
  const parts = kept.map(({ type, from, end }) => {
    const part = webp.slice(from - 8, end);
    if (type === "VP8X") part[8] = (part[8] ?? 0) & ~ANNOUNCES_METADATA;
    return part;
  });
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
