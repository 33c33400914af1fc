/**
 * A cache of public responses in the memory of the isolate, behind the platform's. Together they keep one promise: a
 * response to an anonymous caller or a customer, without X-D1-Bookmark, is at most PUBLIC_FRESHNESS_SECONDS older than the
 * database that answered (freshness.ts). All other requests read the database, and so never see a state older than their
 * own write. A write in this isolate empties the cache.
 *
 * The platform's cache keeps an answer for each value of the headers in `Vary`, and none for a request with a token. This
 * one knows URLs alone, so it answers customers, and no header that somebody makes up reaches the database.
 */
import type { Context, MiddlewareHandler } from "hono";
import { bodyTag, isKnown } from "./conditional.ts";
import type { AppEnv } from "./context.ts";
import { freshSeconds, sharedCacheControl } from "./freshness.ts";

/** A JSON response as it is sent, its entity tag, and its expiry. */
type CachedAnswer = { bytes: Uint8Array<ArrayBuffer>; tag: string; until: number };

/** The largest size of the cache in bytes: a small part of an isolate's memory. */
const MAX_BYTES = 8_000_000;
/** The largest number of responses. */
const MAX_ANSWERS = 1000;

const encoder = new TextEncoder();

/** By URL, oldest first. */
const cache = new Map<string, CachedAnswer>();
let cachedBytes = 0;
/** Raised when the cache is emptied. A response that was being read at that moment may be old, so it is not kept. */
let generation = 0;

function drop(url: string): void {
  cachedBytes -= cache.get(url)?.bytes.length ?? 0;
  cache.delete(url);
}

/** Empties the cache, because public data may have changed. */
export function forgetPublic(): void {
  cache.clear();
  cachedBytes = 0;
  generation += 1;
}

/** Whether this request may get a response that others get too. Known once the token, if there is one, is read. */
const isShared = (c: Context<AppEnv>): boolean =>
  c.get("config").publicFreshnessSeconds > 0 &&
  c.get("claimed") === undefined &&
  c.req.header("X-D1-Bookmark") === undefined;

/** The response that the cache has for this request. */
function fromCache(c: Context<AppEnv>): Response | undefined {
  const cached = c.req.method === "GET" || c.req.method === "HEAD" ? cache.get(c.req.url) : undefined;
  if (!cached || cached.until <= Date.now() || !isShared(c)) return undefined;
  c.set("cache", "hit");
  return respond(c, cached);
}

/**
 * Answers a read without a token from the cache, before any other work: the request was validated when it was first
 * answered. A token must be read first, because an invalid one is refused.
 */
export const answerFromCache: MiddlewareHandler<AppEnv> = async (c, next) =>
  (c.req.header("Authorization") === undefined && fromCache(c)) || next();

/**
 * Answers a read with JSON and an entity tag, or with 304 when the caller's copy is current. The cache is asked again,
 * because by now the token of a customer has been read.
 * @param read returns the body, and its tag unless the tag is a hash of the text
 */
export async function answerRead<T extends object>(
  c: Context<AppEnv>,
  read: () => Promise<{ body: T; tag?: string }>,
) {
  const answer = fromCache(c) ?? respond(c, await readAndKeep(c, read));
  // The text is the JSON of a T.
  return answer as unknown as ReturnType<typeof c.json<T, 200>>;
}

/**
 * Keeps only complete responses, because the platform ties I/O to its request: a request cannot wait for the read of
 * another.
 */
async function readAndKeep(
  c: Context<AppEnv>,
  read: () => Promise<{ body: object; tag?: string }>,
): Promise<CachedAnswer> {
  const [begun, generationBefore] = [Date.now(), generation];
  if (isShared(c)) c.set("cache", "miss");
  const { body, tag } = await read();
  const bytes = encoder.encode(JSON.stringify(body)) as Uint8Array<ArrayBuffer>;
  const until = isShared(c) ? begun + freshSeconds(c.get("config").publicFreshnessSeconds) * 1000 : 0;
  const answer: CachedAnswer = { bytes, tag: tag ?? (await bodyTag(bytes)), until };
  if (until > 0 && generation === generationBefore) keep(c.req.url, answer);
  return answer;
}

function respond(c: Context<AppEnv>, { bytes, tag, until }: CachedAnswer): Response {
  const left = Math.max(0, Math.floor((until - Date.now()) / 1000));
  const headers = {
    ETag: tag,
    "Cache-Control": cacheControl(c, left),
    "Content-Type": "application/json",
    Vary: "Authorization, X-D1-Bookmark",
  };
  return isKnown(c, tag) ? c.body(null, 304, headers) : c.body(bytes, 200, headers);
}

/** Only an answer to a request without a token may be shared: that of a token must be given up when it is not valid. */
function cacheControl(c: Context<AppEnv>, left: number): string {
  if (!isShared(c)) return "private, no-cache";
  if (c.req.header("Authorization") !== undefined) return `private, max-age=${left}`;
  return sharedCacheControl(left, c.get("config").publicFreshnessSeconds);
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
