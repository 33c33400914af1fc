/** Images made in code, sound and hostile, for the tests of photos. */
type Bytes = Uint8Array<ArrayBuffer>;

export const join = (...parts: (Uint8Array | string)[]): Bytes => {
  const all = parts.map((part) => (typeof part === "string" ? latin1(part) : part));
  const whole = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

export const latin1 = (text: string): Bytes => Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);

/** A whole number in `size` bytes, highest first. */
export const big = (value: number, size: number): Bytes =>
  Uint8Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** (size - 1 - index)) % 256);

async function deflate(bytes: Uint8Array): Promise<Bytes> {
  const packed = new Blob([bytes as Bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function crc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

export const PNG_HEAD = latin1("\x89PNG\r\n\x1a\n");

export const pngChunk = (type: string, data: Uint8Array): Bytes => {
  const named = join(type, data);
  return join(big(data.length, 4), named, big(crc(named), 4));
};

export const pngHeader = (width: number, height: number): Bytes =>
  pngChunk("IHDR", join(big(width, 4), big(height, 4), Uint8Array.of(8, 2, 0, 0, 0)));

/** A PNG of a colour gradient; `more` are chunks between header and pixels. */
export async function png(width = 60, height = 40, more: Uint8Array = new Uint8Array()): Promise<Bytes> {
  const pixels = new Uint8Array((width * 3 + 1) * height);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1)
      pixels.set([(x * 255) / width, (y * 255) / height, 120], y * (width * 3 + 1) + 1 + x * 3);
  return join(
    PNG_HEAD,
    pngHeader(width, height),
    more,
    pngChunk("IDAT", await deflate(pixels)),
    pngChunk("IEND", new Uint8Array()),
  );
}

/** What a camera writes about the place: 52° 31' N, 13° 24' E, with the word FINDME in the maker's field. */
export function exifWithPlace(): Bytes {
  const tag = (id: number, type: number, count: number, value: number | Uint8Array) =>
    join(big(id, 2), big(type, 2), big(count, 4), typeof value === "number" ? big(value, 4) : value);
  const degrees = (...parts: number[]) => join(...parts.map((part) => join(big(part, 4), big(1, 4))));
  const maker = latin1("FINDME-camera\0");
  const gpsAt = 8 + 2 + 2 * 12 + 4 + maker.length;
  const latitudeAt = gpsAt + 2 + 4 * 12 + 4;
  return join(
    "Exif\0\0MM\0*",
    big(8, 4),
    big(2, 2),
    tag(0x010f, 2, maker.length, 8 + 2 + 2 * 12 + 4),
    tag(0x8825, 4, 1, gpsAt),
    big(0, 4),
    maker,
    big(4, 2),
    tag(1, 2, 2, latin1("N\0\0\0")),
    tag(2, 5, 3, latitudeAt),
    tag(3, 2, 2, latin1("E\0\0\0")),
    tag(4, 5, 3, latitudeAt + 24),
    big(0, 4),
    degrees(52, 31, 12),
    degrees(13, 24, 36),
  );
}

/** A JPEG with a segment right after its start. */
export const withSegment = (jpeg: Uint8Array, marker: number, data: Uint8Array): Bytes =>
  join(jpeg.subarray(0, 2), Uint8Array.of(0xff, marker), big(data.length + 2, 2), data, jpeg.subarray(2));

/** A chunk of a WebP file. */
export const webpChunk = (type: string, data: Uint8Array): Bytes =>
  join(type, big(data.length, 4).reverse(), data, data.length % 2 ? "\0" : "");

/** A WebP file of chunks. */
export const webpFile = (...chunks: Uint8Array[]): Bytes => {
  const body = join("WEBP", ...chunks);
  return join("RIFF", big(body.length, 4).reverse(), body);
};

/** A box of an AVIF file. */
export const box = (type: string, ...parts: (Uint8Array | string)[]): Bytes => {
  const body = join(...parts);
  return join(big(body.length + 8, 4), type, body);
};
