/**
 * Safe retries of creating requests (see db/idempotency.ts). Only effects are remembered: a refused request did
 * nothing, and is decided again when it comes again.
 */
import type { Context } from "hono";
import { type IdempotencyKey, storedAnswer } from "../db/idempotency.ts";
import { sha256 } from "../shared/digest.ts";
import type { AppEnv } from "./context.ts";
import { invalid, Problem } from "./problems.ts";
import { depsOf } from "./request-deps.ts";

/** A body as it may be fingerprinted: a plain hash of a password, whatever else is in it, could be guessed. */
export const withoutPassword = <T extends { password: string }>({
  password: _,
  ...rest
}: T): Omit<T, "password"> => rest;

/**
 * Runs a creating request so that it has one effect however often it is sent with the same key.
 * @param caller who calls: keys of different callers never meet
 * @param body the validated body; together with method and path it is what "the same request" means
 * @param run does the work, and commits the answer under the key with it; throws a `duplicate_request` problem when
 * there is an answer already
 */
export async function once<R extends Response>(
  c: Context<AppEnv>,
  caller: string,
  body: unknown,
  run: (key: IdempotencyKey | undefined) => Promise<R>,
): Promise<R> {
  const header = c.req.header("Idempotency-Key");
  if (header === undefined) return run(undefined);
  if (!/^[\x21-\x7e]{1,255}$/.test(header))
    throw invalid([
      { field: "Idempotency-Key", code: "invalid_format", message: "1 to 255 visible ASCII characters" },
    ]);
  const key: IdempotencyKey = {
    id: await sha256(`${caller}\n${header}`),
    // With the slash that paths had when the first keys were stored.
    fingerprint: await sha256(`${c.req.method} ${c.req.path}/\n${JSON.stringify(body)}`),
  };
  try {
    // Most requests come once, so the work is tried first; the key keeps a second one from having an effect.
    return await run(key);
  } catch (error) {
    // An equal request, earlier or at the same moment, may have done the work; then its answer is this one's too.
    const replayed = error instanceof Problem ? await replay(c, key) : undefined;
    // Its body is that of the answer which this operation gives, which the framework's types cannot know.
    if (replayed) return replayed as R;
    throw error;
  }
}

async function replay(c: Context<AppEnv>, key: IdempotencyKey): Promise<Response | undefined> {
  // A replica need not have the answer yet: the primary has.
  const [[stored]] = await depsOf(c)
    .primary()
    .ask(storedAnswer({ id: key.id }));
  if (!stored) return undefined;
  if (stored.fingerprint !== key.fingerprint) throw new Problem("idempotency_key_reused");
  return new Response(stored.body, {
    status: stored.status,
    headers: {
      "Content-Type": "application/json",
      "Idempotency-Replayed": "true",
      ...(stored.location ? { Location: stored.location } : {}),
    },
  });
}
