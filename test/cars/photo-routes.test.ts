import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { inspectImage } from "../../src/cars/image-inspector.ts";
import { partOf, readRange } from "../../src/cars/photo-storage.ts";
import { deleteOrphanedObjects, deletePhoto, photosOf, updatePhoto } from "../../src/cars/photo-store.ts";
import { carSchema, MAX_PHOTOS, photoSchema } from "../../src/cars/schemas.ts";
import { openDatabase } from "../../src/db/client.ts";
import { carPhotos, cars, orphanedObjects } from "../../src/db/schema.ts";
import worker from "../../src/index.ts";
import { BODY_TYPES } from "../../src/shared/enums.ts";
import { drawPhoto, PHOTO_HEIGHT, PHOTO_WIDTH } from "../../tools/demo/demo-photos.ts";
import {
  big,
  box,
  exifWithPlace,
  join,
  latin1,
  PNG_HEAD,
  png,
  pngChunk,
  pngHeader,
  webpChunk,
  webpFile,
  withSegment,
} from "../support/images.ts";
import { answer, call, car, db, person } from "../support/world.ts";

const database = () => openDatabase(env.DB, "first-primary");

/** The rows of a car's photos, in their order. */
async function storedPhotos(carId: string) {
  const [photos] = await database().ask(photosOf({ carId }));
  return photos;
}

/** The picture of `png()` in another format. */
async function picture(
  format: "image/jpeg" | "image/webp" | "image/avif",
  width = 60,
  height = 40,
): Promise<Uint8Array<ArrayBuffer>> {
  const made = await env.IMAGES.input(new Blob([await png(width, height)]).stream()).output({ format });
  return new Uint8Array(await made.response().arrayBuffer());
}

type More = { alt_text?: string; is_primary?: string; headers?: Record<string, string>; type?: string };

function upload(token: string, carId: string, file: Uint8Array<ArrayBuffer>, more: More = {}) {
  const { headers, type = "image/jpeg", ...fields } = more;
  const body = new FormData();
  body.set("file", new File([file], "photo.jpg", { type }));
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return answer(call("POST", `/api/cars/${carId}/photos/`, { token, body, ...(headers ? { headers } : {}) }));
}

const fetchPhoto = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  call(method, new URL(url).pathname, { headers });

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

const contains = (bytes: Uint8Array, text: string) => new TextDecoder("latin1").decode(bytes).includes(text);

test("an image of hundreds of thousands of parts is refused at once, and does not overflow the stack", () => {
  const chunk = webpChunk("VP8X", new Uint8Array(10));
  const many = new Uint8Array(300_000 * chunk.length);
  for (let at = 0; at < many.length; at += chunk.length) many.set(chunk, at);
  const inspected = inspectImage(webpFile(many));
  expect(inspected).toMatchObject({ ok: false, code: "broken", why: "It consists of too many parts" });
});

describe("uploading a photo", () => {
  test.each([
    ["image/jpeg", 1700, 850, 1600, 800],
    ["image/webp", 1000, 2000, 800, 1600],
    ["image/avif", 500, 300, 500, 300],
    ["image/png", 60, 40, 60, 40],
  ] as const)(
    "of type %s with %i by %i pixels makes two WebP sizes, the larger with %i by %i",
    async (format, width, height, shownWidth, shownHeight) => {
      const [staff, carId] = [await person("SALES"), await car()];
      const file = format === "image/png" ? await png(width, height) : await picture(format, width, height);
      const made = await upload(staff.token, carId, file, { alt_text: " From the left " });
      expect(made.status).toBe(201);
      expect(photoSchema.parse(made.body)).toMatchObject({
        alt_text: "From the left",
        sort_order: 0,
        is_primary: true,
        width: shownWidth,
        height: shownHeight,
      });
      for (const url of [made.body.url, made.body.thumbnail_url]) {
        const served = await fetchPhoto(url);
        expect([served.status, served.headers.get("Content-Type")]).toEqual([200, "image/webp"]);
        expect(contains((await bytesOf(served)).subarray(0, 12), "WEBP")).toBe(true);
      }
      const shown = await answer(call("GET", `/api/cars/${carId}/`));
      expect(carSchema.parse(shown.body).photos).toEqual([made.body]);
      const list = await answer(call("GET", `/api/cars/?search=${shown.body.vin}`));
      expect(list.body.results[0].photos).toEqual([made.body]);
    },
  );

  test("is only for staff, and only for a car that exists", async () => {
    const [staff, customer, carId] = [await person("SALES"), await person(), await car()];
    const file = await png();
    expect((await upload(customer.token, carId, file)).status).toBe(403);
    expect((await upload(staff.token, crypto.randomUUID(), file)).body.code).toBe("car_not_found");
  });

  test("removes the place of the photo from every served file", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const exif = exifWithPlace();
    const xmp = latin1('<x:xmpmeta exif:GPSLatitude="52,31.2N" note="FINDME"/>');
    const files = [
      withSegment(await picture("image/jpeg"), 0xe1, exif),
      withSegment(await picture("image/jpeg"), 0xe1, join("http://ns.adobe.com/xap/1.0/\0", xmp)),
      await png(60, 40, pngChunk("eXIf", exif.subarray(6))),
      webpFile(
        webpChunk("VP8X", join(big(0x0c000000, 4), Uint8Array.of(59, 0, 0, 39, 0, 0))),
        (await picture("image/webp")).subarray(12),
        webpChunk("EXIF", exif.subarray(6)),
        webpChunk("XMP ", xmp),
      ),
    ];
    for (const file of files) {
      expect(contains(file, "FINDME")).toBe(true);
      const made = await upload(staff.token, carId, file);
      expect(made.status).toBe(201);
      for (const url of [made.body.url, made.body.thumbnail_url]) {
        const served = await bytesOf(await fetchPhoto(url));
        for (const trace of ["FINDME", "Exif", "EXIF", "GPS", "XMP "])
          expect(contains(served, trace)).toBe(false);
      }
    }
  });

  test("that is repeated with its key, also concurrently, adds one photo; another file is refused", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const file = await png();
    const headers = { "Idempotency-Key": "photo-1" };
    const twins = await Promise.all([1, 2].map(() => upload(staff.token, carId, file, { headers })));
    twins.push(await upload(staff.token, carId, file, { headers }));
    expect(twins.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(twins.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const [photo] = await storedPhotos(carId);
    expect(photoSchema.parse(twins[0]?.body)).toMatchObject({
      id: photo?.id,
      is_primary: true,
      sort_order: 0,
    });
    expect(await storedPhotos(carId)).toHaveLength(1);
    const other = await upload(staff.token, carId, await png(50, 50), { headers });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
  });

  test("is refused when the car has the maximum number of photos", async () => {
    const [sam, sue, carId] = [await person("SALES"), await person("SALES"), await car()];
    await Promise.all(
      Array.from({ length: MAX_PHOTOS - 1 }, (_, index) => photoRow(carId, index, index === 0)),
    );
    const answers = await Promise.all(
      [sam, sue, sue].map(async ({ token }) => upload(token, carId, await png())),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect(await storedPhotos(carId)).toHaveLength(MAX_PHOTOS);
  });
});

describe("uploads at once", () => {
  /** An upload whose file does not end before `finish` is called. */
  async function begin(token: string, carId: string, headers: Record<string, string> = {}) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n';
    const answered = answer(
      call("POST", `/api/cars/${carId}/photos`, {
        token,
        body: readable,
        headers: { "Content-Type": "multipart/form-data; boundary=x", ...headers },
      }),
    );
    await writer.write(latin1(head));
    return {
      answered,
      async finish(file: Uint8Array) {
        await writer.write(join(file, "\r\n--x--\r\n"));
        await writer.close();
        return answered;
      },
      breakOff: () => writer.close(),
    };
  }

  test("beyond two of a user and three in all get 503, and are accepted once a place is free", async () => {
    const [sam, sue, carId] = [await person("SALES"), await person("SALES"), await car()];
    const running = [
      await begin(sam.token, carId),
      await begin(sam.token, carId),
      await begin(sue.token, carId),
    ];
    for (const { token } of [sam, sue]) {
      const refused = await upload(token, carId, await png());
      expect([refused.status, refused.body.code, refused.headers.get("Retry-After")]).toEqual([
        503,
        "too_many_uploads",
        "2",
      ]);
    }
    const [first, ...others] = running;
    expect((await first?.finish(await png()))?.status).toBe(201);
    expect((await upload(sam.token, carId, await png())).status).toBe(201);
    // A place is also given back by an upload that is refused, or that breaks off.
    const broken = await others[0]?.finish(latin1("no image"));
    expect(broken?.status).toBe(415);
    await others[1]?.breakOff();
    expect((await others[1]?.answered)?.status).toBe(400);
    const last = await Promise.all(
      [sam, sam, sue].map(async ({ token }) => upload(token, carId, await png())),
    );
    expect(last.map(({ status }) => status)).toEqual([201, 201, 201]);
  });

  test("of files above one part of R2 are stored whole", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    let large = await picture("image/jpeg");
    const comments = Array.from({ length: 120 }, () =>
      withSegment(join("\xff\xd8"), 0xfe, new Uint8Array(65_000)).subarray(2),
    );
    large = join(large.subarray(0, 2), ...comments, large.subarray(2));
    expect(large.length).toBeGreaterThan(7_000_000);
    const headers = { "Idempotency-Key": "large-1" };
    const made = await upload(token, carId, large, { headers });
    expect([made.status, made.body.width]).toEqual([201, 60]);
    const again = await upload(token, carId, large, { headers });
    expect([again.body, again.headers.get("Idempotency-Replayed")]).toEqual([made.body, "true"]);
    const left = async () => (await env.PHOTOS.list({ prefix: "uploads/" })).objects.map(({ key }) => key);
    await expect.poll(left).toEqual([]);
  });

  test("of a car that is gone or full are refused before the file is read", async () => {
    const { token } = await person("SALES");
    const upload = await begin(token, crypto.randomUUID());
    expect((await upload.answered).body.code).toBe("car_not_found");
  });
});

describe("an uploaded file", () => {
  const jpeg = () => picture("image/jpeg");
  const bomb = (side: number) =>
    join(
      PNG_HEAD,
      pngHeader(side, side),
      pngChunk("IDAT", latin1("x\x9c\x03\0\0\0\0\x01")),
      pngChunk("IEND", latin1("")),
    );
  const ispe = (width: number, height: number) =>
    box("meta", "\0\0\0\0", box("iprp", box("ipco", box("ispe", "\0\0\0\0", big(width, 4), big(height, 4)))));
  /** A PNG of `size` bytes that lacks only its end. */
  const pngOf = (size: number) => {
    const head = join(PNG_HEAD, pngHeader(60, 40));
    return join(head, big(size - head.length - 12, 4), "IDAT", new Uint8Array(size - head.length - 8));
  };
  const ftyp = box("ftyp", "avif\0\0\0\0avifmif1");
  const CORPUS: [string, number, () => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>][] = [
    ["nothing at all", 415, () => latin1("")],
    ["plain text", 415, () => latin1("hello")],
    [
      "an SVG with a script",
      415,
      () => latin1('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    ],
    ["a page", 415, () => latin1("<!doctype html><script>alert(1)</script>")],
    ["a GIF", 415, () => latin1("GIF89a\x01\0\x01\0\0\0\0;")],
    ["a GIF that is also JavaScript", 415, () => latin1("GIF89a=1;alert(1)//")],
    ["a BMP", 415, () => join("BM", big(70, 4), new Uint8Array(64))],
    ["a PDF", 415, () => latin1("%PDF-1.7\n%%EOF")],
    ["a program", 415, () => latin1("\x7fELF\x02\x01\x01")],
    ["an archive", 415, () => latin1("PK\x03\x04rest")],
    ["a TIFF", 415, () => latin1("II*\0\x08\0\0\0")],
    ["an HEIC", 415, () => join(box("ftyp", "heic\0\0\0\0mif1heic"), box("mdat", "x"))],
    ["three bytes of a JPEG", 400, () => latin1("\xff\xd8\xff")],
    ["half a JPEG", 400, async () => (await jpeg()).slice(0, (await jpeg()).length / 2)],
    ["a JPEG without its last byte", 400, async () => (await jpeg()).slice(0, -1)],
    ["a JPEG with an archive behind it", 400, async () => join(await jpeg(), "PK\x03\x04archive")],
    ["a JPEG with a page behind it", 400, async () => join(await jpeg(), "<html><script>alert(1)</script>")],
    [
      "a JPEG with a page in its comment",
      400,
      async () => withSegment(await jpeg(), 0xfe, latin1("<script>alert(1)</script>")),
    ],
    [
      "a JPEG with PHP in its Exif",
      400,
      async () => withSegment(await jpeg(), 0xe1, latin1("Exif\0\0<?php system(1); ?>")),
    ],
    [
      "a JPEG of a declared 65,535 by 65,535 pixels",
      413,
      () =>
        join(
          "\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0",
          new Uint8Array(9),
          "\xff\xd9",
        ),
    ],
    [
      "a JPEG with noise for its pixels",
      400,
      () =>
        join(
          "\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0",
          new Uint8Array(9).fill(7),
          "\xff\xd9",
        ),
    ],
    ["half a PNG", 400, async () => (await png()).slice(0, 100)],
    ["a PNG without its end", 400, async () => (await png()).slice(0, -12)],
    ["a PNG with an archive behind it", 400, async () => join(await png(), "PK\x03\x04archive")],
    [
      "a PNG with a page in its text",
      400,
      () => png(60, 40, pngChunk("tEXt", latin1("Comment\0<html><body>"))),
    ],
    ["an animated PNG", 400, () => png(60, 40, pngChunk("acTL", join(big(2, 4), big(0, 4))))],
    ["a PNG that unpacks to ten billion pixels", 413, () => bomb(100_000)],
    ["a PNG of just too many pixels", 413, () => bomb(7_100)],
    ["a PNG of two billion pixels a side", 413, () => bomb(2_147_483_647)],
    ["a PNG of no pixels", 400, () => bomb(0)],
    ["a PNG with broken pixels", 400, () => bomb(64)],
    ["half a WebP", 400, async () => (await picture("image/webp")).slice(0, 60)],
    ["a WebP with a page behind it", 400, async () => join(await picture("image/webp"), "<html>")],
    [
      "an animated WebP",
      400,
      () =>
        webpFile(
          webpChunk("VP8X", join(big(0x02000000, 4), Uint8Array.of(9, 0, 0, 9, 0, 0))),
          webpChunk("ANIM", big(0, 6)),
        ),
    ],
    [
      "a WebP of 16 million pixels a side",
      413,
      async () =>
        webpFile(
          webpChunk("VP8X", join(big(0, 4), new Uint8Array(6).fill(255))),
          (await picture("image/webp")).subarray(12),
        ),
    ],
    ["a RIFF file that is sound", 415, () => join("RIFF", big(4, 4).reverse(), "WAVE")],
    ["half an AVIF", 400, async () => (await picture("image/avif")).slice(0, -20)],
    ["an AVIF with a page behind it", 400, async () => join(await picture("image/avif"), "<html></html>")],
    [
      "an AVIF of a declared 60,000 pixels a side",
      413,
      () => join(ftyp, ispe(60_000, 60_000), box("mdat", "x")),
    ],
    ["an AVIF with no picture in it", 400, () => join(ftyp, ispe(60, 40), box("mdat", "x"))],
    ["an AVIF that is also a film", 400, async () => join(await picture("image/avif"), box("moov", "x"))],
    ["an AVIF whose boxes are longer than it", 400, () => join(ftyp, big(0xffffff, 4), "meta")],
    ["eleven megabytes", 413, () => pngOf(11 * 1024 * 1024)],
    ["ten megabytes and one byte", 413, () => pngOf(10 * 1024 * 1024 + 1)],
  ];

  test("that is refused leaves no object behind, whether it was stored or not", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const before = (await env.PHOTOS.list()).objects.length;
    const long = join(PNG_HEAD, pngHeader(60, 40), big(6_000_000, 4), "IDAT", new Uint8Array(5_500_000));
    const undecodable = bomb(64);
    for (const file of [latin1("no image"), long, undecodable])
      expect((await upload(token, carId, file)).status).toBeGreaterThanOrEqual(400);
    await expect.poll(() => db.select().from(orphanedObjects)).toEqual([]);
    expect((await env.PHOTOS.list()).objects).toHaveLength(before);
  });

  test.each(CORPUS)("that is hostile, %s, gets %i", async (_, status, make) => {
    const [staff, carId] = [await person("SALES"), await car()];
    const refused = await upload(staff.token, carId, await make());
    expect([refused.status, refused.headers.get("Content-Type")]).toEqual([
      status,
      "application/problem+json",
    ]);
    expect(await storedPhotos(carId)).toEqual([]);
    expect(refused.body.detail).not.toMatch(/Vips|Sharp|node_modules/);
  });

  test("is held to the limit of files, however the media type of its form is spelled", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const form = new FormData();
    form.set("file", new File([join(await png(), new Uint8Array(100_000))], "photo.png"));
    const sent = new Response(form);
    const type = String(sent.headers.get("Content-Type")).replace(
      "multipart/form-data",
      "Multipart/Form-Data",
    );
    const headers = { "Content-Type": type };
    const body = await sent.arrayBuffer();
    const refused = await answer(
      call("POST", `/api/cars/${carId}/photos`, { token: staff.token, body, headers }),
    );
    expect(refused.body).toMatchObject({ code: "invalid_image", detail: "Something follows the image" });
  });

  test("may be a JPEG with a second one appended by a phone, which is dropped", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const [first, second] = [await jpeg(), withSegment(await jpeg(), 0xfe, latin1("FINDME"))];
    expect((await upload(staff.token, carId, join(first, second))).status).toBe(201);
  });

  test("must be in a form with one file and known fields, or the field is named", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const path = `/api/cars/${carId}/photos/`;
    const send = async (fields: [string, string | File][]) => {
      const body = new FormData();
      for (const [name, value] of fields) body.append(name, value);
      const refused = await answer(call("POST", path, { token, body }));
      return [refused.status, refused.body.errors?.[0]?.field];
    };
    const file = new File([await png()], "a.png");
    expect(await send([["alt_text", "x"]])).toEqual([400, "file"]);
    expect(await send([["file", "text"]])).toEqual([400, "file"]);
    expect(
      await send([
        ["file", file],
        ["file", file],
      ]),
    ).toEqual([400, "file"]);
    expect(
      await send([
        ["file", file],
        ["caption", "x"],
      ]),
    ).toEqual([400, "caption"]);
    expect(
      await send([
        ["file", file],
        ["is_primary", "maybe"],
      ]),
    ).toEqual([400, "is_primary"]);
    expect(
      await send([
        ["file", file],
        ["alt_text", "x".repeat(256)],
      ]),
    ).toEqual([400, "alt_text"]);
    expect((await call("POST", path, { token, json: {} })).status).toBe(415);
    const broken = { token, body: "no form", headers: { "Content-Type": "multipart/form-data; boundary=x" } };
    expect((await call("POST", path, broken)).status).toBe(400);
  });
});

describe("a photo of the demo data", () => {
  test("is a valid image in two sizes for every kind of car", () => {
    for (const kind of BODY_TYPES) {
      const { display, thumbnail } = drawPhoto(kind, "Red", kind === "SUV");
      const { width, height } = { width: PHOTO_WIDTH, height: PHOTO_HEIGHT };
      expect(inspectImage(display)).toMatchObject({
        ok: true,
        picture: { type: "image/png", width, height },
      });
      expect(inspectImage(thumbnail)).toMatchObject({
        ok: true,
        picture: { width: width / 2, height: height / 2 },
      });
    }
  });
});

describe("the file of a photo", () => {
  const photo = async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    return (await upload(staff.token, carId, await png())).body;
  };

  test("may be cached for a day, is never read as another type, and may be shown by other sites", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const { id, url } = (await upload(staff.token, carId, await png())).body;
    const served = await fetchPhoto(url);
    expect(Object.fromEntries(served.headers)).toMatchObject({
      "cache-control": "public, max-age=86400, stale-if-error=86400, immutable",
      "cache-tag": `photo-${id},photos-of-${carId}`,
      vary: "X-D1-Bookmark",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "cross-origin",
      "accept-ranges": "bytes",
      "content-length": String((await bytesOf(served)).length),
    });
  });

  test("is answered with 304 when the caller's copy is current", async () => {
    const { url } = await photo();
    const etag = (await fetchPhoto(url)).headers.get("ETag") ?? "";
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await fetchPhoto(url, { "If-None-Match": known });
      expect([again.status, await again.text(), again.headers.get("ETag")]).toEqual([304, "", etag]);
    }
    expect((await fetchPhoto(url, { "If-None-Match": '"other"' })).status).toBe(200);
  });

  test("that never was is not found, whatever the caller says to have", async () => {
    const name = `${crypto.randomUUID()}.webp`;
    for (const known of ["*", `"${name}"`])
      expect((await fetchPhoto(`http://x/photos/${name}`, { "If-None-Match": known })).status).toBe(404);
  });

  test("is not served and not confirmed while its car is removed", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const { url, thumbnail_url } = (await upload(staff.token, carId, await png())).body;
    const etag = (await fetchPhoto(url)).headers.get("ETag") ?? "";
    const statuses = async () => {
      const asked = [
        fetchPhoto(url),
        fetchPhoto(thumbnail_url),
        fetchPhoto(url, {}, "HEAD"),
        fetchPhoto(url, { Range: "bytes=0-1" }),
        fetchPhoto(url, { "If-None-Match": etag }),
        fetchPhoto(url, { "If-None-Match": "*" }),
      ];
      return (await Promise.all(asked)).map(({ status }) => status);
    };
    await db.update(cars).set({ status: "REMOVED" }).where(eq(cars.id, carId));
    expect(await statuses()).toEqual([404, 404, 404, 404, 404, 404]);
    await db.update(cars).set({ status: "AVAILABLE" }).where(eq(cars.id, carId));
    expect(await statuses()).toEqual([200, 200, 200, 206, 304, 304]);
  });

  test("is not the file that was uploaded, and no object without a photo", async () => {
    const [id, upload] = [crypto.randomUUID(), `uploads/${crypto.randomUUID()}`];
    for (const key of [`${id}.webp`, `${id}-small.webp`, upload]) {
      await env.PHOTOS.put(key, "secret");
      expect((await fetchPhoto(`http://x/photos/${key}`)).status).toBe(404);
      await env.PHOTOS.delete(key);
    }
  });

  test("is found as soon as it is stored, and gone as soon as its car is, whatever a replica knows", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const { id: photoId, url } = (await upload(staff.token, carId, await png())).body;
    const throughReplica = async (rows: readonly object[]) => {
      const behind = {
        getBookmark: () => null,
        prepare: (sql: string) => env.DB.prepare(sql),
        batch: async (statements: D1PreparedStatement[]) =>
          statements.map(() => ({ results: rows, meta: { rows_read: 0, rows_written: 0 } })),
      };
      const DB = {
        withSession: (start: string) => (start === "first-primary" ? env.DB.withSession(start) : behind),
      } as unknown as D1Database;
      const request = new Request(`http://dealership.test${new URL(url).pathname}`);
      const served = await worker.fetch(request, { ...env, DB }, createExecutionContext());
      return [served.status, (await bytesOf(served)).length > 0];
    };
    expect(await throughReplica([])).toEqual([200, true]);
    await db.update(cars).set({ status: "REMOVED" }).where(eq(cars.id, carId));
    expect(await throughReplica([{ id: photoId, carId, status: "AVAILABLE" }])).toEqual([404, true]);
  });

  test("has the same headers and no body for HEAD", async () => {
    const { url } = await photo();
    const [get, head] = [await fetchPhoto(url), await fetchPhoto(url, {}, "HEAD")];
    expect([head.status, await head.text()]).toEqual([200, ""]);
    for (const name of ["ETag", "Content-Length", "Content-Type", "Cache-Control"])
      expect(head.headers.get(name)).toBe(get.headers.get(name));
  });

  test("can be read in parts", async () => {
    const { url } = await photo();
    const whole = await bytesOf(await fetchPhoto(url));
    const size = whole.length;
    const parts: [string, number, number][] = [
      ["bytes=0-0", 0, 1],
      ["bytes=5-14", 5, 15],
      ["bytes=10-", 10, size],
      ["bytes=-7", size - 7, size],
      [`bytes=0-${size + 99}`, 0, size],
      [`bytes=-${size + 99}`, 0, size],
    ];
    for (const [range, from, to] of parts) {
      const part = await fetchPhoto(url, { Range: range });
      expect([part.status, part.headers.get("Content-Range")]).toEqual([
        206,
        `bytes ${from}-${to - 1}/${size}`,
      ]);
      expect(await bytesOf(part)).toEqual(whole.slice(from, to));
    }
    for (const range of [`bytes=${size}-`, "bytes=-0"]) {
      const refused = await fetchPhoto(url, { Range: range });
      expect([refused.status, refused.headers.get("Content-Range")]).toEqual([416, `bytes */${size}`]);
    }
    for (const range of ["bytes=9-5", "bytes=0-1,3-4", "pages=1-2", "bytes=", "bytes=-", "bytes=a-b"])
      expect((await fetchPhoto(url, { Range: range })).status).toBe(200);
    expect((await fetchPhoto(url, { Range: "bytes=0-1", "If-Range": '"older"' })).status).toBe(200);
  });

  test("is not found under any other name", async () => {
    for (const path of [
      "/photos/none.webp",
      "/photos/..%2Fx.webp",
      "/photos/a.html",
      "/photos/",
      "/photos/a/b.webp",
    ]) {
      const refused = await answer(call("GET", path));
      expect([refused.status, refused.headers.get("Content-Type")]).toEqual([
        404,
        "application/problem+json",
      ]);
    }
  });

  test("has only the ranges that its size allows", () => {
    expect(partOf({ offset: 0 }, 10)).toEqual({ offset: 0, length: 10 });
    expect(partOf({ offset: 3, length: 99 }, 10)).toEqual({ offset: 3, length: 7 });
    expect(partOf({ offset: 0 }, 0)).toBeUndefined();
    expect(readRange(undefined)).toBeUndefined();
  });
});

/** A photo as a row alone. */
async function photoRow(carId: string, sortOrder: number, isPrimary: boolean): Promise<string> {
  const id = crypto.randomUUID();
  const row = { id, carId, key: `${id}.webp`, thumbnailKey: `${id}-small.webp`, contentType: "image/webp" };
  await db.insert(carPhotos).values({ ...row, width: 4, height: 3, sortOrder, isPrimary, createdAt: 0 });
  return id;
}

describe("the photos of a car", () => {
  test("are updated, ordered and deleted, which changes the car's tag each time", async () => {
    const [staff, carId] = [await person("SALES"), await car()];
    const { token } = staff;
    const path = `/api/cars/${carId}/photos/`;
    const [first, second, third] = [
      (await upload(token, carId, await png())).body,
      (await upload(token, carId, await png(), { is_primary: "true" })).body,
      (await upload(token, carId, await png())).body,
    ];
    const show = async () => (await answer(call("GET", `/api/cars/${carId}/`))).body.photos;
    const primaries = async () =>
      (await show())
        .filter((photo: { is_primary: boolean }) => photo.is_primary)
        .map((photo: { id: string }) => photo.id);
    expect(await primaries()).toEqual([second.id]);

    const changed = await answer(
      call("PATCH", `${path}${third.id}/`, { token, json: { ...third, alt_text: "Rear", is_primary: true } }),
    );
    expect(photoSchema.parse(changed.body)).toMatchObject({
      id: third.id,
      alt_text: "Rear",
      is_primary: true,
    });
    expect(await primaries()).toEqual([third.id]);

    const tag = (await call("GET", `/api/cars/${carId}/`)).headers.get("ETag");
    const order = [third.id, first.id, second.id];
    const ordered = await answer(call("PUT", `${path}order/`, { token, json: { photos: order } }));
    expect(ordered.body.map((photo: { id: string }) => photo.id)).toEqual(order);
    expect((await show()).map((photo: { id: string }) => photo.id)).toEqual(order);
    expect((await call("GET", `/api/cars/${carId}/`)).headers.get("ETag")).not.toBe(tag);

    expect((await call("DELETE", `${path}${third.id}/`, { token })).status).toBe(204);
    expect(await primaries()).toEqual([first.id]);
    expect((await call("DELETE", `${path}${third.id}/`, { token })).status).toBe(404);
    await expect.poll(() => env.PHOTOS.head(new URL(third.url).pathname.slice(8))).toBeNull();
    expect((await fetchPhoto(third.url)).status).toBe(404);
  });

  test("are followed by a new one, also when an earlier one was deleted", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const [first] = [await photoRow(carId, 0, true), await photoRow(carId, 1, false)];
    expect((await call("DELETE", `/api/cars/${carId}/photos/${first}/`, { token })).status).toBe(204);
    expect((await upload(token, carId, await png())).body.sort_order).toBe(2);
  });

  test("must each be named once in an order", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const [one, two] = [await photoRow(carId, 0, true), await photoRow(carId, 1, false)];
    for (const photos of [[], [one], [one, one], [one, two, crypto.randomUUID()], ["x", "y"], [one, null]]) {
      const refused = await answer(
        call("PUT", `/api/cars/${carId}/photos/order/`, { token, json: { photos } }),
      );
      expect([refused.status, refused.body.errors[0].field]).toEqual([400, expect.stringMatching(/^photos/)]);
    }
  });

  test("always include a primary one, which only another can replace", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const [one, two] = [await photoRow(carId, 0, true), await photoRow(carId, 1, false)];
    const change = (id: string, is_primary: boolean) =>
      answer(call("PATCH", `/api/cars/${carId}/photos/${id}/`, { token, json: { is_primary } }));
    expect((await change(one, false)).body.code).toBe("primary_photo_needed");
    expect((await change(two, false)).status).toBe(200);
    expect((await change(two, true)).status).toBe(200);
    expect((await change(one, false)).status).toBe(200);
  });

  test("are not found under another car, and a write with a stale If-Match is refused", async () => {
    const [{ token }, carId, other] = [await person("SALES"), await car(), await car()];
    const id = await photoRow(other, 0, true);
    const refused = await answer(call("PATCH", `/api/cars/${carId}/photos/${id}/`, { token, json: {} }));
    expect([refused.status, refused.body.code]).toEqual([404, "photo_not_found"]);
    expect((await call("DELETE", `/api/cars/${carId}/photos/${id}/`, { token })).status).toBe(404);
    const headers = { "If-Match": '"99"' };
    expect((await call("DELETE", `/api/cars/${other}/photos/${id}/`, { token, headers })).status).toBe(412);
    expect((await upload(token, other, await png(), { headers })).status).toBe(412);
  });
});

describe("sixty rounds of concurrent changes of the primary photo and deletions", () => {
  const SEQUENCES = 60;

  test("leave exactly one primary photo as long as there are photos", async () => {
    let seed = 20_261_124;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((seed / 0x80000000) * below);
    };
    const plans = Array.from({ length: SEQUENCES }, () => {
      const photos = 1 + random(5);
      const steps = Array.from({ length: 2 + random(6) }, () => ({
        at: random(photos),
        removes: random(5) < 2,
        change: { is_primary: random(4) > 0, sort_order: random(9) },
      }));
      return { photos, steps };
    });
    const results = await Promise.all(
      plans.map(async ({ photos, steps }) => {
        const carId = await car();
        const ids = await Promise.all(
          Array.from({ length: photos }, (_, index) => photoRow(carId, index, index === 0)),
        );
        const context = { carId, expected: undefined, now: Date.now() };
        await Promise.all(
          steps.map(({ at, removes, change }) =>
            database().commit(
              "system",
              "test.photos",
              "-",
              removes ? deletePhoto(ids[at] ?? "", context) : updatePhoto(ids[at] ?? "", change, context),
            ),
          ),
        );
        return storedPhotos(carId);
      }),
    );
    const wrong = results.filter(
      (left) => left.filter(({ isPrimary }) => isPrimary).length !== (left.length > 0 ? 1 : 0),
    );
    expect(wrong).toEqual([]);
    // Both ends are met: cars that lost all photos, and cars that kept some.
    expect(results.some((left) => left.length === 0)).toBe(true);
    expect(results.some((left) => left.length > 1)).toBe(true);
  });

  test("through the API get 200, 204, 404 or 409, and leave exactly one primary photo", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const ids = await Promise.all([0, 1, 2, 3].map((place) => photoRow(carId, place, place === 0)));
    const answers = await Promise.all(
      [...ids, ...ids, ...ids].map((id, index) =>
        index % 4 < 3 && index > 7
          ? call("DELETE", `/api/cars/${carId}/photos/${id}/`, { token })
          : call("PATCH", `/api/cars/${carId}/photos/${id}/`, { token, json: { is_primary: index % 3 > 0 } }),
      ),
    );
    expect(
      answers.map(({ status }) => status).filter((status) => ![200, 204, 404, 409].includes(status)),
    ).toEqual([]);
    expect((await storedPhotos(carId)).map(({ id, isPrimary }) => [id, isPrimary])).toEqual([[ids[3], 1]]);
  });
});

describe("a failure", () => {
  const HOUR = 3_600_000;
  const objects = async () => (await env.PHOTOS.list()).objects.map(({ key }) => key);
  const send = async (broken: Partial<Env>, token: string, carId: string) => {
    const body = new FormData();
    body.set("file", new File([await png()], "a.png"));
    const request = new Request(`http://dealership.test/api/cars/${carId}/photos/`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
      body,
    });
    const context = createExecutionContext();
    const response = await worker.fetch(request, { ...env, ...broken }, context);
    await waitOnExecutionContext(context);
    return response;
  };

  test("of the second object leaves no row, and no object after the cron has run", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const before = await objects();
    const PHOTOS = bucketWith({
      put: async (key: string, ...rest: unknown[]) => {
        if (key.endsWith("-small.webp")) throw new Error("put: Unspecified error (0)");
        return Reflect.apply(env.PHOTOS.put, env.PHOTOS, [key, ...rest]);
      },
    });
    expect((await send({ PHOTOS }, token, carId)).status).toBe(503);
    expect(await storedPhotos(carId)).toEqual([]);
    // The uploaded file and the display size.
    expect((await objects()).length).toBe(before.length + 2);
    await deleteOrphanedObjects(database(), env.PHOTOS, Date.now() + 2 * HOUR);
    expect(await objects()).toEqual(before);
    expect(await db.select().from(orphanedObjects)).toEqual([]);
  });

  test("of the row, or a lost answer, leaves no object without a row", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    for (const isWritten of [false, true]) {
      const before = await objects();
      const rows = (await storedPhotos(carId)).length;
      const DB = failing((sql) => sql.includes('insert into "car_photos"'), isWritten);
      expect((await send({ DB }, token, carId)).status).toBe(503);
      await deleteOrphanedObjects(database(), env.PHOTOS, Date.now() + 2 * HOUR);
      const left = await storedPhotos(carId);
      expect(left).toHaveLength(rows + (isWritten ? 1 : 0));
      const keys = left.slice(rows).flatMap(({ key, thumbnailKey }) => [key, thumbnailKey]);
      expect((await objects()).sort()).toEqual([...before, ...keys].sort());
    }
  });

  test("of the Images service gets 503, and nothing is stored", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const before = await objects();
    const IMAGES = {
      input: () => ({
        transform: () => ({ output: () => Promise.reject(new Error("Network connection lost")) }),
      }),
    } as unknown as ImagesBinding;
    const refused = await send({ IMAGES }, token, carId);
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "2"]);
    expect(await objects()).toEqual(before);
  });

  test("of the Images service to leave out metadata is made good before anything is stored", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const careless = webpFile(
      webpChunk("VP8X", join(big(0x0c000000, 4), Uint8Array.of(59, 0, 0, 39, 0, 0))),
      webpChunk("VP8L", Uint8Array.of(0x2f, 59, 0, 0, 0)),
      webpChunk("EXIF", latin1("FINDME")),
      webpChunk("XMP ", latin1("FINDME")),
    );
    const output = async () => ({ response: () => new Response(careless) });
    const IMAGES = { input: () => ({ transform: () => ({ output }) }) } as unknown as ImagesBinding;
    const made = await answer(send({ IMAGES }, token, carId));
    expect(made.status).toBe(201);
    for (const url of [made.body.url, made.body.thumbnail_url]) {
      const served = await bytesOf(await fetchPhoto(url));
      for (const trace of ["FINDME", "EXIF", "XMP "]) expect(contains(served, trace)).toBe(false);
      // The flags of VP8X do not announce what is not there.
      expect([inspectImage(served).ok, served[20]]).toEqual([true, 0]);
    }
  });

  test("of the deletion of objects is corrected by the cron", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const made = await upload(token, carId, await png());
    const PHOTOS = bucketWith({ delete: () => Promise.reject(new Error("internal error")) });
    const context = createExecutionContext();
    const request = new Request(`http://dealership.test/api/cars/${carId}/photos/${made.body.id}/`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${token}` },
    });
    expect((await worker.fetch(request, { ...env, PHOTOS }, context)).status).toBe(204);
    await waitOnExecutionContext(context);
    const key = new URL(made.body.url).pathname.slice("/photos/".length);
    expect(await env.PHOTOS.head(key)).not.toBeNull();
    await db.update(orphanedObjects).set({ since: 0 }).where(eq(orphanedObjects.key, key));
    await worker.scheduled(createScheduledController(), env);
    expect(await env.PHOTOS.head(key)).toBeNull();
  });

  test("of the object store gets 503 for the caller who reads a file", async () => {
    const down = () => Promise.reject(new Error("get: Unspecified error (0)"));
    const PHOTOS = { get: down, head: down } as unknown as R2Bucket;
    for (const range of ["none", "bytes=0-1"]) {
      const headers = { Range: range };
      const request = new Request("http://dealership.test/photos/a.webp", { headers });
      const refused = await worker.fetch(request, { ...env, PHOTOS }, createExecutionContext());
      expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "2"]);
    }
  });

  /** A bucket in which something happens after a size of a photo is stored. */
  const happening = (afterPut: () => Promise<unknown>) =>
    bucketWith({
      put: async (key: string, ...rest: unknown[]) => {
        const stored = await Reflect.apply(env.PHOTOS.put, env.PHOTOS, [key, ...rest]);
        if (key.endsWith(".webp")) await afterPut();
        return stored;
      },
    });

  test("that delays an upload until its objects are marked for deletion leaves no row", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const PHOTOS = happening(() => deleteOrphanedObjects(database(), env.PHOTOS, Date.now() + 2 * HOUR));
    expect((await send({ PHOTOS }, token, carId)).status).toBe(503);
    expect(await storedPhotos(carId)).toEqual([]);
  });

  test("an upload whose objects are about to be deleted writes no row", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    // The cron has marked them, and has not deleted them yet.
    const PHOTOS = happening(() => db.update(orphanedObjects).set({ pendingDelete: true }));
    expect((await send({ PHOTOS }, token, carId)).status).toBe(503);
    expect(await storedPhotos(carId)).toEqual([]);
  });

  test("an upload that is under way keeps its objects when the cron runs", async () => {
    const [{ token }, carId] = [await person("SALES"), await car()];
    const PHOTOS = happening(() => deleteOrphanedObjects(database(), env.PHOTOS, Date.now() + HOUR / 2));
    expect((await send({ PHOTOS }, token, carId)).status).toBe(201);
    for (const { key, thumbnailKey } of await storedPhotos(carId))
      for (const name of [key, thumbnailKey]) expect(await env.PHOTOS.head(name)).not.toBeNull();
    expect(await storedPhotos(carId)).toHaveLength(1);
  });
});

/** The bucket, with some members replaced. */
function bucketWith(members: object): R2Bucket {
  return new Proxy(env.PHOTOS, {
    get(bucket, name) {
      const member = Reflect.get(members, name) ?? Reflect.get(bucket, name);
      return typeof member === "function" ? member.bind(bucket) : member;
    },
  });
}

/** D1 that loses the connection at a batch with a statement like this: before it is carried out, or after. */
function failing(isMeant: (sql: string) => boolean, afterwards: boolean): D1Database {
  const meant = new WeakSet<object>();
  const session = env.DB.withSession("first-primary");
  const watch = (statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, name) {
        if (name !== "bind") return Reflect.get(target, name).bind(target);
        return (...values: unknown[]) => {
          const bound = target.bind(...values);
          meant.add(bound);
          return bound;
        };
      },
    });
  const watched = {
    getBookmark: () => session.getBookmark(),
    prepare: (sql: string) => (isMeant(sql) ? watch(session.prepare(sql)) : session.prepare(sql)),
    async batch(statements: D1PreparedStatement[]) {
      const hit = statements.some((statement) => meant.has(statement));
      const results = hit && !afterwards ? [] : await session.batch(statements);
      if (hit) throw new Error("D1_ERROR: Network connection lost.");
      return results;
    },
  };
  return { withSession: () => watched } as unknown as D1Database;
}
