/**
 * Reads a form with one file as a stream, so that the file is never in memory as a whole
 * (docs/adr/0016-streamed-uploads.md).
 */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type MultipartError, make } from "multipasta";
import { MAX_JSON_BYTES } from "./body-limit.ts";
import type { AppEnv } from "./context.ts";
import { invalid, Problem } from "./problems.ts";
import { refuseInvalid } from "./validation.ts";

/** The largest number of parts. Forms here have three fields. */
const MAX_PARTS = 20;
/** How much of a body is read at a time. No field is longer. */
const CHUNK_BYTES = 64 * 1024;
const HYPHEN = 0x2d;

/** Stands for a file in the values of a form: its bytes have passed. */
export class StreamedFile {}

/** The file field of a form, the largest file, and the longest time until the whole form has arrived. */
type Limits = { field: string; maxFileBytes: number; withinMs: number };

/**
 * Reads the form of a request and validates it. The other fields together may have the size of a JSON body.
 * @param onPiece gets the file piece by piece; the next piece is read when it settles, and what it throws ends the
 * reading
 * @throws `invalid_request`, `unsupported_media_type`, `too_large` or `upload_timeout`
 */
export async function readForm<S extends z.ZodType>(
  c: Context<AppEnv>,
  schema: S,
  { field, maxFileBytes, withinMs }: Limits,
  onPiece: (piece: Uint8Array) => Promise<void>,
): Promise<z.output<S>> {
  const type = c.req.header("Content-Type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) throw new Problem("unsupported_media_type");
  const maxBytes = maxFileBytes + MAX_JSON_BYTES;
  const tooLarge = () => new Problem("too_large", `The limit of the file is ${maxFileBytes} bytes`);
  if (Number(c.req.header("Content-Length")) > maxBytes) throw tooLarge();

  const values = new Map<string, unknown>();
  let pieces: Uint8Array[] = [];
  const form = openForm(type, (name, value) => {
    const earlier = values.get(name);
    const isFirst = earlier === undefined;
    // A repeated field becomes a list, which the schema refuses.
    values.set(name, isFirst ? value : [earlier, value]);
    return isFirst && name === field ? (piece) => pieces.push(piece) : undefined;
  });
  let bytes = 0;
  for await (const chunk of chunksOf(c.req.raw.body, withinMs)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    form.write(chunk);
    for (const piece of pieces) await onPiece(piece);
    pieces = [];
  }
  form.end();
  for (const piece of pieces) await onPiece(piece);

  const parsed = schema.safeParse(Object.fromEntries(values));
  refuseInvalid(parsed);
  return parsed.data as z.output<S>;
}

/**
 * Reads a body to its end. Two buffers take turns, because buffers are collected late: a chunk is overwritten while the
 * second one after it is read. The parser copies what it keeps of a chunk when it gets the next one, except in a field,
 * and a field is not longer than a chunk.
 * @throws `upload_timeout` when the body has not ended after `withinMs` milliseconds
 */
async function* chunksOf(body: ReadableStream<Uint8Array> | null, withinMs: number) {
  if (!body) return;
  const reader = body.getReader({ mode: "byob" });
  const stop = () => reader.cancel().catch(() => {});
  let [next, last] = [new ArrayBuffer(CHUNK_BYTES), new ArrayBuffer(CHUNK_BYTES)];
  let isLate = false;
  // This ends the read that waits. A race with a timer would keep something for each chunk until the timer is over.
  const timer = setTimeout(() => {
    isLate = true;
    stop();
  }, withinMs);
  try {
    for (;;) {
      // Without a minimum, the platform gives 4 KiB at a time.
      const { done, value } = await reader
        .readAtLeast(CHUNK_BYTES, new Uint8Array(next))
        .catch(() => ({ done: true, value: undefined }));
      if (isLate) throw new Problem("upload_timeout");
      // A broken connection ends the form too early, which the parser notices.
      if (value && value.length > 0) yield value;
      if (done || !value) return;
      // Reading has moved the buffer.
      [next, last] = [last, value.buffer];
    }
  } finally {
    clearTimeout(timer);
    // The rest of a refused body is not wanted.
    stop();
  }
}

type OnPart = (name: string, value: string | StreamedFile) => ((piece: Uint8Array) => void) | undefined;

/**
 * Parses a form that is given piece by piece.
 * @param type its media type, with the boundary
 * @param onPart gets each field, or each file before its bytes; these go to what it returns
 */
export function openForm(type: string, onPart: OnPart) {
  const decoder = new TextDecoder();
  let isComplete = false;
  let held = new Uint8Array();
  const parser = parsing(() =>
    make({
      headers: { "content-type": type },
      maxParts: MAX_PARTS,
      maxFieldSize: CHUNK_BYTES,
      onField: ({ name }, value) => void onPart(nameOf(name), decoder.decode(value)),
      onFile: ({ name }) => {
        const onPiece = onPart(nameOf(name), new StreamedFile());
        return (piece) => void (piece && onPiece?.(piece));
      },
      // The parser goes on after an error, unless it is thrown.
      onError: (error) => {
        throw unreadable(reasonOf(error));
      },
      onDone: () => {
        isComplete = true;
      },
    }),
  );
  return {
    write(chunk: Uint8Array): void {
      const whole = held.length > 0 ? Buffer.concat([held, chunk]) : chunk;
      // The parser does not recognize the end of a form when a chunk ends between the last two hyphens.
      let end = whole.length;
      while (end > 0 && whole.length - end < 2 && whole[end - 1] === HYPHEN) end -= 1;
      held = whole.slice(end);
      // What follows the end of the form is ignored, as RFC 2046 requires.
      if (!isComplete && end > 0) parsing(() => parser.write(whole.subarray(0, end)));
    },
    end(): void {
      parsing(() => {
        if (!isComplete && held.length > 0) parser.write(held);
        if (!isComplete) parser.end();
      });
      if (!isComplete) throw unreadable("It ends too early");
    },
  };
}

/** Runs the parser. It throws some errors of the form itself, such as a malformed `filename*`. */
function parsing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Problem ? error : unreadable("A part has malformed headers");
  }
}

function nameOf(name: string): string {
  if (name === "") throw unreadable("A part has no name");
  return name;
}

function reasonOf(error: MultipartError): string {
  switch (error._tag) {
    case "InvalidBoundary":
      return "Content-Type names no boundary";
    case "ReachedLimit":
      return error.limit === "MaxParts" ? `It has more than ${MAX_PARTS} parts` : "A field is too long";
    case "EndNotReached":
      return "It ends too early";
    case "InvalidDisposition":
      return "A part has no name";
    case "BadHeaders":
      return error.error.reason === "HeaderTooLarge" || error.error.reason === "TooManyHeaders"
        ? "The headers of a part are too long"
        : "A part has malformed headers";
  }
}

const unreadable = (message: string): Problem =>
  invalid([{ field: "(body)", code: "malformed_form", message }]);
