/**
 * What anybody may read is kept in memory for a moment, under one promise: an answer to somebody who says neither who
 * they are nor which state they have seen (no Authorization, no X-D1-Bookmark) is at most PUBLIC_FRESHNESS_SECONDS
 * older than the database, wherever on its way it was kept. All others are answered from the database, and so never
 * see a state older than their own write. A write that this isolate carries out empties its memory.
 */
import type { Context, MiddlewareHandler } from "hono";
import { bodyTag, isKnown } from "./conditional.ts";
import type { AppEnv } from "./context.ts";

/** The text of a JSON answer and its entity tag. */
type Answer = { text: string; tag: string };

type Kept = { answer: Promise<Answer>; until: number; size: number };

/** How much is kept, in characters: a small part of what an isolate may hold. */
const MAX_KEPT = 8_000_000;
/** How many answers are kept, however small. */
const MAX_ANSWERS = 1000;

/** By URL, oldest first. */
const kept = new Map<string, Kept>();
let keptSize = 0;

function drop(url: string): void {
  keptSize -= kept.get(url)?.size ?? 0;
  kept.delete(url);
}

/** Empties the memory: something that everybody sees may have changed. */
export function forgetPublic(): void {
  kept.clear();
  keptSize = 0;
}

/** Whether the asker may get what others got. */
const isShared = (c: Context<AppEnv>): boolean =>
  c.var.config.publicFreshnessSeconds > 0 &&
  c.req.header("Authorization") === undefined &&
  c.req.header("X-D1-Bookmark") === undefined;

/** Answers out of memory, before anything else is done with the request: what was valid is valid. */
export const answerKept: MiddlewareHandler<AppEnv> = async (c, next) => {
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  const known = isRead && isShared(c) ? kept.get(c.req.url) : undefined;
  if (!known || known.until <= Date.now()) return next();
  return respond(c, await known.answer, known.until);
};

/**
 * Answers a read with JSON and an entity tag, or with a 304 to somebody who has it already.
 * @param read finds the body, and its tag unless that is the text's own; for equal requests that may share an answer
 * it runs once
 */
export async function answerRead<T extends object>(
  c: Context<AppEnv>,
  read: () => Promise<{ body: T; tag?: string }>,
) {
  const write = async (): Promise<Answer> => {
    const { body, tag } = await read();
    const text = JSON.stringify(body);
    return { text, tag: tag ?? (await bodyTag(text)) };
  };
  const entry = isShared(c) ? keep(c, write) : undefined;
  const answer = respond(c, await (entry?.answer ?? write()), entry?.until ?? 0);
  // The text is that of a T, which the framework's types cannot know.
  return answer as unknown as ReturnType<typeof c.json<T, 200>>;
}

function respond(c: Context<AppEnv>, { text, tag }: Answer, until: number): Response {
  const left = Math.floor((until - Date.now()) / 1000);
  const headers = {
    ETag: tag,
    "Cache-Control": `${c.var.caller ? "private" : "public"}, ${left > 0 ? `max-age=${left}` : "no-cache"}`,
    "Content-Type": "application/json",
    Vary: "Authorization, X-D1-Bookmark",
  };
  return isKnown(c, tag) ? c.body(null, 304, headers) : c.body(text, 200, headers);
}

/** Has an answer made and keeps it, unless somebody who asked meanwhile has done so. */
function keep(c: Context<AppEnv>, write: () => Promise<Answer>): Kept {
  const { url } = c.req;
  const now = Date.now();
  const known = kept.get(url);
  if (known && known.until > now) return known;
  drop(url);
  const entry: Kept = {
    answer: write(),
    until: now + c.var.config.publicFreshnessSeconds * 1000,
    size: 0,
  };
  kept.set(url, entry);
  const settled = entry.answer.then(
    ({ text }) => {
      if (kept.get(url) !== entry) return;
      entry.size = text.length;
      keptSize += entry.size;
      for (const oldest of kept.keys()) {
        if (keptSize <= MAX_KEPT && kept.size <= MAX_ANSWERS) break;
        drop(oldest);
      }
    },
    () => {
      if (kept.get(url) === entry) drop(url);
    },
  );
  // It goes on when the one who asked first hangs up.
  c.executionCtx.waitUntil(settled);
  return entry;
}
