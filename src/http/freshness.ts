/**
 * What anybody may read is kept in memory for a moment, under one promise: an answer to somebody who says neither who
 * they are nor which state they have seen (no Authorization, no X-D1-Bookmark) is at most PUBLIC_FRESHNESS_SECONDS
 * older than the database, wherever on its way it was kept. All others are answered from the database, and so never
 * see a state older than their own write. A write that this isolate carries out empties its memory.
 */
import type { Context } from "hono";
import { bodyTag, isKnown } from "./conditional.ts";
import type { AppEnv } from "./context.ts";

/** A JSON answer as it is sent, and its entity tag. */
type Answer = { bytes: Uint8Array<ArrayBuffer>; tag: string };

type Kept = Answer & { until: number };

/** How much is kept, in bytes: a small part of what an isolate may hold. */
const MAX_KEPT = 8_000_000;
/** How many answers are kept, however small. */
const MAX_ANSWERS = 1000;

const encoder = new TextEncoder();

/** By URL, oldest first. */
const kept = new Map<string, Kept>();
let keptSize = 0;
/** Counts how often the memory was emptied: what was being read meanwhile may be old, and is not kept. */
let emptied = 0;

function drop(url: string): void {
  keptSize -= kept.get(url)?.bytes.length ?? 0;
  kept.delete(url);
}

/** Empties the memory: something that everybody sees may have changed. */
export function forgetPublic(): void {
  kept.clear();
  keptSize = 0;
  emptied += 1;
}

/** Whether the asker may get what others got. */
const isShared = (c: Context<AppEnv>): boolean =>
  c.get("config").publicFreshnessSeconds > 0 &&
  c.req.header("Authorization") === undefined &&
  c.req.header("X-D1-Bookmark") === undefined;

/** The answer out of memory, if it is there for this asker, before anything else is done: what was valid is valid. */
export function keptAnswer(c: Context<AppEnv>): Response | undefined {
  const known = kept.get(c.req.url);
  if (!known || known.until <= Date.now() || !isShared(c)) return undefined;
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  return isRead ? respond(c, known) : undefined;
}

/**
 * Answers a read with JSON and an entity tag, or with a 304 to somebody who has it already. What is kept is
 * complete: a request cannot wait for what another one is still reading, for the platform ties I/O to its request.
 * @param read finds the body, and its tag unless that is the text's own
 */
export async function answerRead<T extends object>(
  c: Context<AppEnv>,
  read: () => Promise<{ body: T; tag?: string }>,
) {
  const [begun, emptiedBefore] = [Date.now(), emptied];
  const { body, tag } = await read();
  const bytes = encoder.encode(JSON.stringify(body)) as Uint8Array<ArrayBuffer>;
  const until = isShared(c) ? begun + c.get("config").publicFreshnessSeconds * 1000 : 0;
  const answer: Kept = { bytes, tag: tag ?? (await bodyTag(bytes)), until };
  if (until > 0 && emptied === emptiedBefore) keep(c.req.url, answer);
  // The bytes are those of a T, which the framework's types cannot know.
  return respond(c, answer) as unknown as ReturnType<typeof c.json<T, 200>>;
}

function respond(c: Context<AppEnv>, { bytes, tag, until }: Kept): Response {
  const left = Math.floor((until - Date.now()) / 1000);
  const headers = {
    ETag: tag,
    "Cache-Control": `${c.get("caller") ? "private" : "public"}, ${left > 0 ? `max-age=${left}` : "no-cache"}`,
    "Content-Type": "application/json",
    Vary: "Authorization, X-D1-Bookmark",
  };
  return isKnown(c, tag) ? c.body(null, 304, headers) : c.body(bytes, 200, headers);
}

function keep(url: string, answer: Kept): void {
  drop(url);
  kept.set(url, answer);
  keptSize += answer.bytes.length;
  for (const oldest of kept.keys()) {
    if (keptSize <= MAX_KEPT && kept.size <= MAX_ANSWERS) break;
    drop(oldest);
  }
}
