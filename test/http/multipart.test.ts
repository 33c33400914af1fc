import { z } from "@hono/zod-openapi";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import type { AppEnv } from "../../src/http/context.ts";
import { openForm, readForm, StreamedFile } from "../../src/http/multipart.ts";
import { answerProblem, Problem } from "../../src/http/problems.ts";
import { closed } from "../../src/http/validation.ts";
import { answer } from "../support/world.ts";

const BOUNDARY = "----a-form--";
const TYPE = `multipart/form-data; boundary="${BOUNDARY}"`;
const schema = closed({ file: z.instanceof(StreamedFile), note: z.string().max(20).default("") });
const limits = { field: "file", maxFileBytes: 200_000, withinMs: 5_000 };

const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
const part = (head: string, content: string) => `--${BOUNDARY}\r\n${head}\r\n\r\n${content}\r\n`;
const file = (content: string, name = "file") =>
  part(
    `Content-Disposition: form-data; name="${name}"; filename="a.png"\r\nContent-Type: image/png`,
    content,
  );
const field = (name: string, value: string) => part(`Content-Disposition: form-data; name="${name}"`, value);
const END = `--${BOUNDARY}--\r\n`;

/** Sends a body to an operation that answers with the form it read, and with the bytes of its file as text. */
function send(body: string | ReadableStream<Uint8Array>, type = TYPE, more: Partial<typeof limits> = {}) {
  const app = new Hono<AppEnv>();
  app.onError((error, c) => {
    if (!(error instanceof Problem)) throw error;
    return answerProblem(c, error);
  });
  app.post("/", async (c) => {
    let text = "";
    const form = await readForm(c, schema, { ...limits, ...more }, async (piece) => {
      text += String.fromCharCode(...piece);
    });
    return c.json({ note: form.note, text });
  });
  const headers = { "Content-Type": type };
  const sent = typeof body === "string" ? latin1(body) : body;
  return answer(Promise.resolve(app.request("/", { method: "POST", headers, body: sent })));
}

/** A body that arrives in these pieces; without an end it stalls. */
const arriving = (pieces: Uint8Array[], { ends = true, onCancel = () => {} } = {}) => {
  const left = [...pieces];
  return new ReadableStream({
    type: "bytes",
    pull(controller: ReadableByteStreamController) {
      const next = left.shift();
      if (next) controller.enqueue(next);
      else if (ends) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else return new Promise<void>(() => {});
    },
    cancel: onCancel,
  });
};

/** Almost a boundary, and what else is easily mistaken. */
const TRICKY = `a\r\n--${BOUNDARY.slice(0, -1)}\r\n\r\n-\r-\n--\r\n--b`;
const WHOLE = field("note", "x-y") + file(TRICKY) + END;

describe("a form", () => {
  test("is read alike, however the network cuts it into pieces", async () => {
    const bytes = latin1(WHOLE);
    const expected = { note: "x-y", file: TRICKY };
    const readIn = (pieces: Uint8Array[]) => {
      const values: Record<string, string> = {};
      const form = openForm(TYPE, (name, value) => {
        values[name] = typeof value === "string" ? value : "";
        return (piece) => {
          values[name] += String.fromCharCode(...piece);
        };
      });
      for (const piece of pieces) form.write(piece);
      form.end();
      return values;
    };
    expect(readIn([bytes])).toEqual(expected);
    expect(readIn([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
    for (let at = 1; at < bytes.length; at += 1)
      expect([at, readIn([bytes.slice(0, at), bytes.slice(at)])]).toEqual([at, expected]);
    expect((await send(WHOLE)).body).toEqual({ note: "x-y", text: TRICKY });
  });

  test("may have a text before its first part and after its end", async () => {
    const read = await send(`preamble\r\n${WHOLE}epilogue\r\n--${BOUNDARY}\r\nrest`);
    expect(read.body).toEqual({ note: "x-y", text: TRICKY });
  });

  test("that is incomplete is refused, wherever it ends", async () => {
    // Without the line break after its end it is complete.
    for (let end = 0; end <= WHOLE.length - 3; end += 1) {
      const refused = await send(WHOLE.slice(0, end));
      expect([end, refused.status, refused.body.code]).toEqual([end, 400, "invalid_request"]);
    }
  });

  const long = "x".repeat(20_000);
  test.each([
    ["of another media type", 415, undefined, WHOLE, "application/json"],
    ["without a media type that has a boundary", 400, "(body)", WHOLE, "multipart/form-data"],
    ["with another boundary", 400, "(body)", WHOLE, "multipart/form-data; boundary=other"],
    ["that is no form", 400, "(body)", "no form", undefined],
    ["without a file", 400, "file", field("note", "x") + END, undefined],
    ["with text in place of the file", 400, "file", field("file", "x") + END, undefined],
    ["with two files", 400, "file", file("a") + file("b") + END, undefined],
    ["with a file in place of text", 400, "note", file("a") + file("b", "note") + END, undefined],
    ["with an unknown field", 400, "other", file("a") + field("other", "x") + END, undefined],
    ["with an unknown file", 400, "other", file("a", "other") + file("a") + END, undefined],
    ["with a field named __proto__", 400, "__proto__", file("a") + field("__proto__", "x") + END, undefined],
    [
      "with a repeated field",
      400,
      "note",
      file("a") + field("note", "") + field("note", "") + END,
      undefined,
    ],
    ["with a part without a name", 400, "(body)", part("X-Header: 1", "x") + file("a") + END, undefined],
    ["with a malformed header", 400, "(body)", part("no header", "x") + file("a") + END, undefined],
    [
      "with a malformed file name",
      400,
      "(body)",
      part(`Content-Disposition: form-data; name="file"; filename*=UTF-8''%ZZ`, "x") + END,
      undefined,
    ],
    ["with a long header", 400, "(body)", part(`X-Long: ${long}`, "x") + END, undefined],
    ["with hundreds of headers", 400, "(body)", part("X: 1\r\n".repeat(300), "x") + END, undefined],
    ["with too many parts", 400, "(body)", field("x", "").repeat(21) + END, undefined],
    ["with a field that is too long", 400, "note", file("a") + field("note", long) + END, undefined],
    ["with a field above all limits", 400, "(body)", field("note", long.repeat(4)) + END, undefined],
    ["above the limit of its size", 413, undefined, file(long.repeat(14)) + END, undefined],
  ])("%s is refused with %i", async (_, status, name, body, type) => {
    const refused = await send(body, type);
    expect([refused.status, refused.body.errors?.[0]?.field]).toEqual([status, name]);
    expect(JSON.stringify(refused.body).length).toBeLessThan(1_000);
    // The same, when its size is not known before.
    const streamed = await send(arriving([latin1(body)]), type);
    expect(streamed.status).toBe(status);
  });

  test("that stalls is refused when its time is over, and its rest is not read", async () => {
    let isCancelled = false;
    const onCancel = () => {
      isCancelled = true;
    };
    const body = arriving([latin1(WHOLE.slice(0, -9))], { ends: false, onCancel });
    const refused = await send(body, undefined, { withinMs: 50 });
    expect([refused.status, refused.body.code, isCancelled]).toEqual([408, "upload_timeout", true]);
  });

  test("whose connection breaks is refused", async () => {
    const body = new ReadableStream({
      type: "bytes",
      pull: (controller: ReadableByteStreamController) =>
        controller.error(new Error("Network connection lost.")),
    });
    expect((await send(body)).status).toBe(400);
  });
});
