import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { ImageInspector, type Inspection, inspectImage } from "../../src/cars/image-inspector.ts";
import { exifWithPlace, join, latin1, png, pngChunk, withSegment } from "../support/images.ts";

async function picture(format: "image/jpeg" | "image/webp" | "image/avif") {
  const made = await env.IMAGES.input(new Blob([await png()]).stream()).output({ format });
  return new Uint8Array(await made.response().arrayBuffer());
}

function inPieces(...pieces: Uint8Array[]): Inspection {
  const inspector = new ImageInspector();
  for (const piece of pieces) inspector.write(piece);
  return inspector.end();
}

describe("the inspector", () => {
  test("finds the same in a file, however it is cut into pieces", async () => {
    const jpeg = await picture("image/jpeg");
    const files = [
      jpeg,
      join(jpeg, new Uint8Array(40)),
      join(jpeg, jpeg),
      withSegment(jpeg, 0xfe, latin1("<script>")),
      withSegment(jpeg, 0xe1, exifWithPlace()),
      await png(),
      await png(60, 40, pngChunk("tEXt", latin1("Comment\0<!doctype html"))),
      join(await png(), "tail"),
      await picture("image/webp"),
      (await picture("image/webp")).slice(0, -1),
      await picture("image/avif"),
      latin1("no image"),
    ];
    for (const file of files) {
      const whole = inspectImage(file);
      expect(inPieces(...[...file].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
      for (let at = 0; at <= file.length; at += 1)
        expect(inPieces(file.subarray(0, at), file.subarray(at))).toEqual(whole);
    }
  });

  test("says what is wrong before the file has ended", async () => {
    const animated = await png(60, 40, pngChunk("acTL", new Uint8Array(8)));
    expect(new ImageInspector().write(animated.subarray(0, 80))).toMatchObject({ ok: false, code: "broken" });
    expect(new ImageInspector().write(new Uint8Array(100))).toMatchObject({ code: "unknown_type" });
    expect(new ImageInspector().write((await png()).subarray(0, 80))).toBeUndefined();
  });
});
