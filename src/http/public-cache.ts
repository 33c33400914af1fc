/**
 * Answers that anybody may read are kept in the isolate's memory for a moment, under one promise: an answer to somebody
 * who says neither who they are nor which state they have seen (no Authorization, no X-D1-Bookmark) is at most
 * PUBLIC_FRESHNESS_SECONDS older than the database, wherever on its way it was kept. All others are answered from the
 * database, and so never see a state older than their own write. A write in this isolate empties its memory.
 */
import type { Context, MiddlewareHandler } from "hono";
import { bodyTag, isKnown } from "./conditional.ts";
import type { AppEnv } from "./context.ts";

/** A JSON answer as it is sent, its entity tag, and until when it may be sent from memory. */
type CachedAnswer = { bytes: Uint8Array<ArrayBuffer>; tag: string; until: number };

/** How much is kept, in bytes: a small part of what an isolate may hold. */
const MAX_BYTES = 8_000_000;
/** How many answers are kept, however small. */
const MAX_ANSWERS = 1000;

const encoder = new TextEncoder();

/** By URL, oldest first. */
const cache = new Map<string, CachedAnswer>();
let cachedBytes = 0;
/** Rises when the cache is emptied. An answer whose reading began before may be old, and is not kept. */
let generation = 0;

function drop(url: string): void {
  cachedBytes -= cache.get(url)?.bytes.length ?? 0;
  cache.delete(url);
}

/** Empties the cache: something that everybody sees may have changed. */
export function forgetPublic(): void {
  cache.clear();
  cachedBytes = 0;
  generation += 1;
}

/** Whether this request may get the answer that others got. */
const isShared = (c: Context<AppEnv>): boolean =>
  c.get("config").publicFreshnessSeconds > 0 &&
  c.req.header("Authorization") === undefined &&
  c.req.header("X-D1-Bookmark") === undefined;

/** Answers a read out of the cache, before anything else is done: its request was valid when it was first answered. */
export const answerFromCache: MiddlewareHandler<AppEnv> = async (c, next) => {
  const cached = c.req.method === "GET" || c.req.method === "HEAD" ? cache.get(c.req.url) : undefined;
  if (!cached || cached.until <= Date.now() || !isShared(c)) return next();
  return respond(c, cached);
};

/**
 * Answers a read with JSON and an entity tag, or with a 304 to a caller who has it already. Only complete answers are
 * kept: the platform ties I/O to its request, so no request can wait for what another one is still reading.
 * @param read finds the body, and its tag unless that is the text's own
 */
export async function answerRead<T extends object>(
  c: Context<AppEnv>,
  read: () => Promise<{ body: T; tag?: string }>,
) {
  const [begun, generationBefore] = [Date.now(), generation];
  const { body, tag } = await read();
  const bytes = encoder.encode(JSON.stringify(body)) as Uint8Array<ArrayBuffer>;
  const until = isShared(c) ? begun + c.get("config").publicFreshnessSeconds * 1000 : 0;
  const answer: CachedAnswer = { bytes, tag: tag ?? (await bodyTag(bytes)), until };
  if (until > 0 && generation === generationBefore) keep(c.req.url, answer);
  // The bytes are those of a T, which the framework's types cannot know.
  return respond(c, answer) as unknown as ReturnType<typeof c.json<T, 200>>;
}

function respond(c: Context<AppEnv>, { bytes, tag, until }: CachedAnswer): Response {
  const left = Math.floor((until - Date.now()) / 1000);
  const headers = {
    ETag: tag,
    "Cache-Control": `${c.get("claimed") ? "private" : "public"}, ${left > 0 ? `max-age=${left}` : "no-cache"}`,
    "Content-Type": "application/json",
    Vary: "Authorization, X-D1-Bookmark",
  };
  return isKnown(c, tag) ? c.body(null, 304, headers) : c.body(bytes, 200, headers);
}

function keep(url: string, answer: CachedAnswer): void {
  drop(url);
  cache.set(url, answer);
  cachedBytes += answer.bytes.length;
  for (const oldest of cache.keys()) {
    if (cachedBytes <= MAX_BYTES && cache.size <= MAX_ANSWERS) break;
    drop(oldest);
  }
}
