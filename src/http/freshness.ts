/**
 * How old an answer may be, wherever on its way it was kept: the one place where the ages of docs/adr/0008-isolate-cache.md
 * become `Cache-Control`. A shared cache keeps an answer without this header for two hours, and serves a stale one without
 * end when the Worker fails, unless `stale-if-error` says otherwise. So each age here has an end.
 */

/** The greatest age of an answer while the API fails: an old list is better than none. */
const OUTAGE_SECONDS = 300;
/** A file of a photo never changes, but it can be removed, and nobody can purge a browser. */
const PHOTO_SECONDS = 86_400;
/** Pages change with a deploy, and the parts of a page should not be of two versions for long. */
const PAGE_SECONDS = 60;

/**
 * The seconds for which an answer about the stock is given again without a question. For the rest of the promise a cache
 * still gives it while it fetches the next one, so that a reader far away does not wait.
 * @param promised PUBLIC_FRESHNESS_SECONDS, the greatest age
 */
export const freshSeconds = (promised: number): number => Math.ceil(promised / 6);

/**
 * For an answer about the stock that is the same for everybody who sends no token and no bookmark.
 * @param left for how many seconds it is still fresh
 */
export function sharedCacheControl(left: number, promised: number): string {
  const fresh = freshSeconds(promised);
  const revalidate = promised - fresh;
  const outage = Math.max(promised, OUTAGE_SECONDS) - fresh;
  return `public, max-age=${left}, stale-while-revalidate=${revalidate}, stale-if-error=${outage}`;
}

/** For the file of a photo. */
export const PHOTO_CACHE_CONTROL = `public, max-age=${PHOTO_SECONDS}, stale-if-error=${PHOTO_SECONDS}, immutable`;

/** For pages, their files and the OpenAPI document. */
export const PAGE_CACHE_CONTROL = `public, max-age=${PAGE_SECONDS}, stale-if-error=${OUTAGE_SECONDS}`;

/** Whether these headers let a shared cache give the answer to other callers. */
export const isShareable = (headers: Headers): boolean =>
  headers.get("Cache-Control")?.startsWith("public") ?? false;
