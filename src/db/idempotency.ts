/**
 * The rows that make retries safe. The stored answer is written in the batch of the effect, so there is no lock that
 * could stay behind: of two equal requests one commits, and the other finds the stored answer.
 */
import { and, eq, sql } from "drizzle-orm";
import { idempotencyKeys } from "./schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "./statement.ts";

/** A request with an Idempotency-Key: a hash of caller and key, and a hash of operation and body. */
export type IdempotencyKey = { id: string; fingerprint: string };

/** The answer to store. Plain data. */
export type StoredAnswer = { status: 200 | 201; body: unknown; location?: string | undefined };

/** The constraint that the second of two equal requests violates. */
export const KEY_TAKEN = "unique:idempotency_keys.id";

/** The row that stores `answer`. */
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

/** The statement that stores `answer`, for the batch of the effect. No statement when the request has no key. */
export const storeAnswer = (
  key: IdempotencyKey | undefined,
  answer: StoredAnswer,
  now: number,
): Statement[] => (key ? [insertInto(idempotencyKeys, storedAnswerRow(key, answer, now))] : []);

/**
 * The statement that completes the stored answer about a new booking with the salesperson whom its batch chose, for that
 * batch.
 */
export const completeWithSalesperson = (key: IdempotencyKey, bookingId: string): Statement => ({
  sql: `UPDATE idempotency_keys SET body = json_set(body, '$.salesperson', b.salesperson_id, '$.assigned_by', b.assigned_by)
    FROM bookings b WHERE b.id = ?1 AND idempotency_keys.id = ?2`,
  params: [bookingId, key.id],
});

/**
 * The statement that completes a stored answer with what is known only after the effect. When two requests complete it,
 * the first one stays.
 */
export const completeAnswer = (key: IdempotencyKey, incomplete: unknown, complete: unknown): Statement =>
  statementOf(
    build
      .update(idempotencyKeys)
      .set({ body: JSON.stringify(complete) })
      .where(and(eq(idempotencyKeys.id, key.id), eq(idempotencyKeys.body, JSON.stringify(incomplete)))),
  );

/** The query for the stored answer of a key. */
export const storedAnswer = compile(
  build
    .select(columnsOf(idempotencyKeys))
    .from(idempotencyKeys)
    .where(eq(idempotencyKeys.id, sql.placeholder("id"))),
);

/** The statement that deletes the stored answers that name a thing, such as a user, by its id. */
export const deleteAnswersAbout = (id: string): Statement =>
  statementOf(build.delete(idempotencyKeys).where(sql`instr(${idempotencyKeys.body}, ${id}) > 0`));
