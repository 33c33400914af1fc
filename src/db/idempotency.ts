/**
 * The rows that make retries safe. The row that remembers an answer is written in the batch of the effect, so there is
 * never a lock to leak: of two equal requests one commits, and the other finds the stored answer.
 */
import { eq, lt, sql } from "drizzle-orm";
import { idempotencyKeys } from "./schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "./statement.ts";

/** How long an answer is remembered at least; the cron deletes it afterwards. */
const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

/** Names a request that came with an Idempotency-Key: a hash of caller and key, and one of operation and body. */
export type IdempotencyKey = { id: string; fingerprint: string };

/** The answer to remember. Plain data. */
export type StoredAnswer = { status: 200 | 201; body: unknown; location?: string | undefined };

/** The constraint that two equal requests meet at. */
export const KEY_TAKEN = "unique:idempotency_keys.id";

/** The row that remembers `answer`. */
export const storedAnswerRow = (
  key: IdempotencyKey,
  answer: StoredAnswer,
  now: number,
): typeof idempotencyKeys.$inferInsert => ({
  id: key.id,
  fingerprint: key.fingerprint,
  status: answer.status,
  body: JSON.stringify(answer.body),
  location: answer.location ?? null,
  createdAt: now,
});

/** The statement that remembers `answer`, to go with the effect; none when the request came without a key. */
export const storeAnswer = (
  key: IdempotencyKey | undefined,
  answer: StoredAnswer,
  now: number,
): Statement[] => (key ? [insertInto(idempotencyKeys, storedAnswerRow(key, answer, now))] : []);

/** The query for the answer that is remembered for a key. */
export const storedAnswer = compile(
  build
    .select(columnsOf(idempotencyKeys))
    .from(idempotencyKeys)
    .where(eq(idempotencyKeys.id, sql.placeholder("id"))),
);

/** The statement that deletes answers which have been kept long enough. */
export const pruneIdempotencyKeys = (now: number): Statement =>
  statementOf(build.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, now - IDEMPOTENCY_KEPT_MS)));
