/**
 * From the queue to the mailbox. The row decides, the queue only wakes: whoever comes with an id (a queue message, a
 * copy of it, the cron) claims the row, sends, and records. The states of a row, and why each promise holds (sent once,
 * in order, never lost, not for ever), are in docs/domain/notifications.md.
 */
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import type { Delivery } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import { compose, factsOf, Undeliverable } from "./compose.ts";
import {
  claim,
  discard,
  MAX_ATTEMPTS,
  type Row,
  recordExhausted,
  recordFailed,
  recordFailedAttempt,
  recordSent,
} from "./delivery-store.ts";

/** What delivering depends on. */
export type DeliveryTools = {
  db: Database;
  config: Config;
  send: (mail: EmailMessageBuilder) => Promise<unknown>;
  now: () => number;
};

/**
 * What became of one attempt. `next`: the notification whose turn it is now. `waiting`: not its turn, not its time, or
 * another consumer has claimed it.
 */
type Attempt =
  | { outcome: "sent" | "failed" | "nothing_to_do"; next?: string | undefined }
  | { outcome: "waiting" }
  | { outcome: "again"; afterMs: number };

/** The wait after the first failure; it doubles with each further one. */
const RETRY_BASE_MS = 10_000;
const RETRY_MAX_MS = 60 * 60 * 1000;

/** How long to wait after so many failed attempts. */
export const backoff = (attempts: number): number =>
  Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (attempts - 1));

/**
 * The codes with which the mail service refuses a message for good. Not among them: limits, outages, and a sender that
 * is not verified yet, which is for the operator to mend and concerns every message.
 */
const PERMANENT_ERRORS = new Set([
  "E_RECIPIENT_SUPPRESSED",
  "E_RECIPIENT_NOT_ALLOWED",
  "E_VALIDATION_ERROR",
  "E_FIELD_MISSING",
  "E_TOO_MANY_RECIPIENTS",
  "E_TOO_MANY_ATTACHMENTS",
  "E_CONTENT_TOO_LARGE",
  "E_HEADER_NOT_ALLOWED",
  "E_HEADER_USE_API_FIELD",
  "E_HEADER_VALUE_INVALID",
  "E_HEADER_VALUE_TOO_LONG",
  "E_HEADER_NAME_INVALID",
  "E_HEADERS_TOO_LARGE",
  "E_HEADERS_TOO_MANY",
]);

/** The mail service's code of an error, if it has one. */
const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;

/** Tries to deliver one notification, if it is still to be delivered and its turn has come. */
export async function deliver(
  id: string,
  tools: DeliveryTools,
  request?: string | undefined,
): Promise<Attempt> {
  const { db, now } = tools;
  const { claimed, row } = await claim(db, id, now());
  if (row?.status !== "PENDING") return { outcome: "nothing_to_do" };
  if (!claimed) {
    if (row.attempts < MAX_ATTEMPTS || row.nextAttemptAt > now()) return { outcome: "waiting" };
    log.error("notifications.given_up", { notification: id, request, attempts: row.attempts });
    return { outcome: "failed", next: await recordFailed(db, row, row.lastError ?? "no attempts left") };
  }
  if (isObsolete(row)) {
    // Nobody needs to know what was not sent; the row of a reminder would stand in the way of another one.
    log.info("notifications.obsolete", { notification: id, request, kind: row.kind });
    return { outcome: "nothing_to_do", next: await discard(db, row) };
  }
  try {
    await tools.send(await compose(row, tools.config, db, now()));
  } catch (error) {
    const code = codeOf(error);
    const permanent = error instanceof Undeliverable || (code !== undefined && PERMANENT_ERRORS.has(code));
    const lastError = `${code ? `${code}: ` : ""}${describeError(error)}`.slice(0, 500);
    // The service's own words may hold the address: they are for the row, not for the log.
    const { attempts } = row;
    log.warn("notifications.send_failed", { notification: id, request, attempts, code, permanent });
    if (permanent) return { outcome: "failed", next: await recordFailed(db, row, lastError) };
    const afterMs = row.attempts < MAX_ATTEMPTS ? backoff(row.attempts) : 0;
    await recordFailedAttempt(db, row, lastError, now() + afterMs);
    return { outcome: "again", afterMs };
  }
  const next = await recordSent(db, row, now());
  log.info("notifications.sent", { notification: id, request, kind: row.kind });
  return { outcome: "sent", next };
}

/** Delivers a notification, and after it those that waited for it. Returns what became of the first. */
export async function deliverInOrder(
  id: string,
  tools: DeliveryTools,
  request?: string | undefined,
): Promise<Attempt> {
  const first = await deliver(id, tools, request);
  try {
    for (let last = first; "next" in last && last.next !== undefined; )
      last = await deliver(last.next, tools);
  } catch (error) {
    log.error("notifications.delivery_crashed", { error: describeError(error) });
  }
  return first;
}

/** The queue's consumer: delivers each message of a batch, and asks for the failed ones to come again. */
export async function consume(batch: MessageBatch<Delivery>, tools: DeliveryTools): Promise<void> {
  for (const message of batch.messages) {
    const { notificationId, requestId } = message.body;
    try {
      const attempt = await deliverInOrder(notificationId, tools, requestId);
      if (attempt.outcome === "again") message.retry(after(attempt.afterMs));
      else message.ack();
    } catch (error) {
      log.error("notifications.delivery_crashed", { error: describeError(error) });
      message.retry(after(backoff(message.attempts)));
    }
  }
}

/**
 * The dead-letter queue's consumer: a row that has no attempts left is recorded as failed, from where it can be
 * replayed. A row that still has attempts is left to the cron: its message died of another fault, such as a database
 * outage.
 */
export async function handleDeadLetters(batch: MessageBatch<Delivery>, db: Database): Promise<void> {
  for (const message of batch.messages) {
    const { notificationId: id, requestId: request } = message.body;
    try {
      const recorded = await recordExhausted(db, id);
      log.error("notifications.dead_letter", { notification: id, request, recorded });
      message.ack();
    } catch (error) {
      log.error("notifications.dead_letter_crashed", { error: describeError(error) });
      message.retry(after(backoff(message.attempts)));
    }
  }
}

const after = (ms: number): QueueRetryOptions => ({ delaySeconds: Math.ceil(ms / 1000) });

/** A reminder of a test drive that was moved or cancelled since, or a reset for an address without an account. */
function isObsolete(row: Row): boolean {
  if (row.kind === "password_reset") return row.userId === null;
  if (row.kind !== "booking_reminder") return false;
  return row.bookingStatus !== "APPROVED" || row.startAt !== factsOf(row, "booking_reminder").startAt;
}
