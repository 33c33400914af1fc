/** The platform's cache in front of the Worker (`[cache]` in wrangler.toml). On a developer's machine there is none. */
import type { Context } from "hono";
import { describeError, log } from "../shared/log.ts";
import type { AppEnv } from "./context.ts";
import { isShareable } from "./freshness.ts";

/** Hono's type of the context is that of all platforms. */
const cacheOf = (c: Context<AppEnv>): CacheContext | undefined =>
  (c.executionCtx as { cache?: CacheContext }).cache;

/**
 * Whether the platform's cache may give this answer to others as well. Such an answer must not name the request or the
 * limits of its first caller.
 */
export const isForOthers = (c: Context<AppEnv>, headers: Headers): boolean =>
  isShareable(headers) && cacheOf(c) !== undefined;

/**
 * Removes the answers that have one of the `Cache-Tag`s. One call, because the platform allows few in a minute. A failure
 * is logged only: the answers then expire by themselves.
 */
export async function purge(c: Context<AppEnv>, tags: readonly string[]): Promise<void> {
  try {
    const purged = await cacheOf(c)?.purge({ tags: [...tags] });
    if (purged?.success === false) throw new Error(purged.errors.map(({ message }) => message).join("; "));
  } catch (error) {
    log.warn("cache.not_purged", {
      request: c.get("requestId"),
      tags: tags.join(","),
      error: describeError(error),
    });
  }
}
