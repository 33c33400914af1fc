/**
 * Safe retries of creating requests (see db/idempotency.ts). Only effects are stored: a refused request had no effect,
 * and a repetition is decided again.
 */
import type { Context } from "hono";
import { type IdempotencyKey, storedAnswer } from "../db/idempotency.ts";
import { sha256 } from "../shared/digest.ts";
import type { AppEnv } from "./context.ts";
import { invalid, Problem } from "./problems.ts";
import { depsOf } from "./request-deps.ts";

/**
 * A body for the fingerprint. It leaves out the password, because a plain hash of it could be guessed. Who uses it must
 * confirm the password of a repetition.
 */
export const withoutPassword = <T extends { password: string }>({
  password: _,
  ...rest
}: T): Omit<T, "password"> => rest;

/**
 * Runs a creating request so that it has one effect, even if the client sends it several times with the same key.
 * @param caller the caller's id: keys of different callers are independent
 * @param body the validated body; it defines "the same request" together with method and path
 * @param run does the work and commits the answer under the key with it; throws a `duplicate_request` problem when an
 * answer is already stored
 * @param isSame whether the request equals the one that got the stored answer in what the fingerprint leaves out
 */
export async function once<R extends Response>(
  c: Context<AppEnv>,
  caller: string,
  body: unknown,
  run: (key: IdempotencyKey | undefined) => Promise<R>,
  isSame: (answer: unknown) => Promise<boolean> = async () => true,
): Promise<R> {
  const header = c.req.header("Idempotency-Key");
  if (header === undefined) return run(undefined);
  if (!/^[\x21-\x7e]{1,255}$/.test(header))
    throw invalid([
      { field: "Idempotency-Key", code: "invalid_format", message: "1 to 255 visible ASCII characters" },
    ]);
  const key: IdempotencyKey = {
    id: await sha256(`${caller}\n${header}`),
    // The first keys were stored when paths had a slash at the end.
    fingerprint: await sha256(`${c.req.method} ${c.req.path}/\n${JSON.stringify(body)}`),
  };
  try {
    // The work is tried first, because most requests come once. The key prevents a second effect.
    return await run(key);
  } catch (error) {
    // An equal request has done the work, earlier or at the same moment. Its answer is also the answer here.
    const replayed = error instanceof Problem ? await replay(c, key, isSame) : undefined;
    // The stored body came from this operation, so it has the operation's type.
    if (replayed) return replayed as R;
    throw error;
  }
}

async function replay(
  c: Context<AppEnv>,
  key: IdempotencyKey,
  isSame: (answer: unknown) => Promise<boolean>,
): Promise<Response | undefined> {
  // A replica may not have the answer yet; the primary has it.
  const [[stored]] = await depsOf(c)
    .primary()
    .ask(storedAnswer({ id: key.id }));
  if (!stored) return undefined;
  if (stored.fingerprint !== key.fingerprint || !(await isSame(JSON.parse(stored.body))))
    throw new Problem("idempotency_key_reused");
  return new Response(stored.body, {
    status: stored.status,
    headers: {
      "Content-Type": "application/json",
      "Idempotency-Replayed": "true",
      ...(stored.location ? { Location: stored.location } : {}),
    },
  });
}
