/**
 * Safe retries. The row that remembers an answer is written in the same batch as the effect, so there is never a
 * lock to leak: of two equal requests one commits, and the other finds the stored answer. Only effects are
 * remembered; a refused request did nothing, and is decided afresh when it comes again.
 */
import { eq } from "drizzle-orm";
import type { Context } from "hono";
import { type Database, openDatabase } from "../db/client.ts";
import { idempotencyKeys } from "../db/schema.ts";
import { insertInto, type Statement } from "../db/statement.ts";
import { sha256 } from "../shared/digest.ts";
import type { AppEnv } from "./context.ts";
import { invalid, Problem } from "./problems.ts";

/** How long an answer is remembered at least; the sweep forgets it afterwards. */
export const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

/** What a request with an Idempotency-Key must write together with its effect. Safe to send over RPC. */
export type Claim = { id: string; fingerprint: string };

/** The answer to remember. */
export type Answer = { status: 200 | 201; body: unknown; location?: string | undefined };

/** A body as it may be fingerprinted: a plain hash of a password, however much else is in it, could be guessed at. */
export const withoutPassword = <T extends { password: string }>({
  password: _,
  ...rest
}: T): Omit<T, "password"> => rest;

/** The row that remembers `answer`; to be inserted in the batch of the effect. */
export const claimRow = (claim: Claim, answer: Answer, now: number): typeof idempotencyKeys.$inferInsert => ({
  ...claim,
  status: answer.status,
  body: JSON.stringify(answer.body),
  location: answer.location ?? null,
  createdAt: now,
});

/** The statement that remembers `answer`, to go with the effect; none when the request came without a key. */
export const remembering = (claim: Claim | undefined, answer: Answer, now: number): Statement[] =>
  claim ? [insertInto(idempotencyKeys, claimRow(claim, answer, now))] : [];

/** The constraint that two equal requests meet at. */
export const CLAIM_TAKEN = "unique:idempotency_keys.id";

/**
 * Runs a creating request so that it has one effect however often it is sent with the same key.
 * @param caller who asks: keys of different callers never meet
 * @param body the validated body; together with method and path it is what "the same request" means
 * @param run does the work; with a claim its batch is also `remembering`, and throws a `duplicate_request`
 * problem when that row was there already
 */
export async function once<R extends Response>(
  c: Context<AppEnv>,
  caller: string,
  body: unknown,
  run: (claim: Claim | undefined) => Promise<R>,
): Promise<R> {
  const key = c.req.header("Idempotency-Key");
  if (key === undefined) return run(undefined);
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw invalid([
      { field: "Idempotency-Key", code: "invalid_format", message: "1 to 255 visible ASCII characters" },
    ]);
  const claim: Claim = {
    id: await sha256(`${caller}\n${key}`),
    fingerprint: await sha256(`${c.req.method} ${c.req.path}\n${JSON.stringify(body)}`),
  };
  try {
    // Most requests come once, so the work is tried first; the claim keeps a second one from having an effect.
    return await run(claim);
  } catch (error) {
    // An equal request, earlier or at the same moment, may have done the work; then its answer is this one's too. A
    // replica need not have heard of it: the primary has.
    const primary = openDatabase(c.env.DB, "first-primary");
    const twin = error instanceof Problem ? await replay(primary, claim) : undefined;
    if (twin) return twin as R;
    throw error;
  }
}

async function replay(db: Database, claim: Claim): Promise<Response | undefined> {
  const stored = await db.select().from(idempotencyKeys).where(eq(idempotencyKeys.id, claim.id)).get();
  if (!stored) return undefined;
  if (stored.fingerprint !== claim.fingerprint) throw new Problem("idempotency_key_reused");
  return new Response(stored.body, {
    status: stored.status,
    headers: {
      "Content-Type": "application/json",
      "Idempotency-Replayed": "true",
      ...(stored.location ? { Location: stored.location } : {}),
    },
  });
}
