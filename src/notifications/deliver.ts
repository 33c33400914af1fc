/**
 * Delivers notifications. The row decides; a queue message only wakes a consumer. Every consumer of an id (from a queue
 * message, its copy or the cron) claims the row, sends the mail and records the result. docs/domain/notifications.md
 * has the states of a row and the reasons for each promise: sent once, in order, never lost, not without end.
 */
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import type { Delivery } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import { compose, factsOf, Undeliverable } from "./compose.ts";
import { isAccountMail, limitOfAddress } from "./daily-limits.ts";
import {
  claim,
  discard,
  MAX_ATTEMPTS,
  postpone,
  type Row,
  recordExhausted,
  recordFailed,
  recordFailedAttempt,
  recordRefused,
  recordSent,
  reserveForAddress,
} from "./delivery-store.ts";

/** The dependencies of a delivery. */
export type DeliveryTools = {
  db: Database;
  config: Config;
  send: (mail: EmailMessageBuilder) => Promise<unknown>;
  now: () => number;
};

/**
 * The outcome of one attempt. `next`: the notification that can be delivered now. `waiting`: an earlier notification
 * waits, the time has not come, another consumer has claimed it, or the day has no room for it.
 */
type Attempt =
  | { outcome: "sent" | "failed" | "nothing_to_do"; next?: string | undefined }
  | { outcome: "waiting" }
  | { outcome: "again"; afterMs: number };

/** The wait after the first failure. It doubles with each further one. */
const RETRY_BASE_MS = 10_000;
const RETRY_MAX_MS = 60 * 60 * 1000;

/** The wait after a number of failed attempts. */
export const backoff = (attempts: number): number =>
  Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (attempts - 1));

/**
 * The mail service's codes for a permanent refusal of one message. Limits, outages and an unverified sender are not
 * among them: the operator can correct an unverified sender, and it affects every message.
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

/** Tries to deliver a notification, if it is pending, due and next in order. */
export async function deliver(id: string, tools: DeliveryTools): Promise<Attempt> {
  const { db, config, now } = tools;
  const { claimed, row } = await claim(db, id, now(), config.maxMailsPerDay);
  if (row?.status !== "PENDING") return { outcome: "nothing_to_do" };
  const request = row.requestId;
  if (!claimed) {
    if (row.attempts < MAX_ATTEMPTS || row.nextAttemptAt > now()) return { outcome: "waiting" };
    log.error("notifications.given_up", { notification: id, request, attempts: row.attempts });
    return { outcome: "failed", next: await recordFailed(db, row, row.lastError ?? "no attempts left") };
  }
  if (isObsolete(row)) {
    // Obsolete rows are deleted: the row of a reminder would prevent a later reminder of the same start.
    log.info("notifications.obsolete", { notification: id, request, kind: row.kind });
    return { outcome: "nothing_to_do", next: await discard(db, row, previousStartOf(row)) };
  }
  if (row.count.readers.length === 0) {
    // Logged once a day. The message is done: the cron finds the row on the next day.
    if (await postpone(db, row))
      log.error("notifications.daily_limit_reached", {
        limit: config.maxMailsPerDay,
        accountMails: isAccountMail(row.kind),
      });
    return { outcome: "waiting" };
  }
  const limit = limitOfAddress(row);
  const reserved = limit === undefined ? row : await reserveForAddress(db, row, limit);
  if (!reserved) {
    log.warn("notifications.address_limit_reached", { notification: id, request, kind: row.kind });
    const lastError = `not sent: ${limit} mails were sent to this address on this day (UTC)`;
    return { outcome: "failed", next: await recordRefused(db, row, lastError) };
  }
  return sendClaimed(reserved, tools);
}

/** Sends the mail of a claimed notification, and records the outcome. */
async function sendClaimed(row: Row, tools: DeliveryTools): Promise<Attempt> {
  const { db, now } = tools;
  const { id, requestId: request } = row;
  try {
    await tools.send(await compose(row, tools.config, db, now()));
  } catch (error) {
    const code = codeOf(error);
    const permanent = error instanceof Undeliverable || (code !== undefined && PERMANENT_ERRORS.has(code));
    const lastError = `${code ? `${code}: ` : ""}${describeError(error)}`.slice(0, 500);
    // The service's message may contain the address, so it goes to the row and not to the log.
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

/** Delivers a notification, and then those that waited for it. Returns the outcome of the first. */
export async function deliverInOrder(id: string, tools: DeliveryTools): Promise<Attempt> {
  const first = await deliver(id, tools);
  let last = first;
  while ("next" in last && last.next !== undefined) {
    const { next } = last;
    try {
      last = await deliver(next, tools);
    } catch (error) {
      log.error("notifications.delivery_crashed", { notification: next, error: describeError(error) });
      break;
    }
  }
  return first;
}

/** What became of the messages of a batch. */
export type Consumed = { sent: number; failed: number; retried: number };

/** Consumes the queue: delivers each message of a batch, and retries the failed ones. */
export async function consume(batch: MessageBatch<Delivery>, tools: DeliveryTools): Promise<Consumed> {
  const consumed: Consumed = { sent: 0, failed: 0, retried: 0 };
  for (const message of batch.messages) {
    const { notificationId, requestId: request } = message.body;
    try {
      const attempt = await deliverInOrder(notificationId, tools);
      if (attempt.outcome === "sent" || attempt.outcome === "failed") consumed[attempt.outcome] += 1;
      if (attempt.outcome === "again") {
        consumed.retried += 1;
        message.retry(after(attempt.afterMs));
      } else message.ack();
    } catch (error) {
      const facts = { notification: notificationId, request, error: describeError(error) };
      log.error("notifications.delivery_crashed", facts);
      consumed.retried += 1;
      message.retry(after(backoff(message.attempts)));
    }
  }
  return consumed;
}

/**
 * Consumes the dead-letter queue. A row without attempts left is recorded as failed and can be replayed. A row with
 * attempts left stays for the cron: its message failed for another reason, such as a database outage.
 */
export async function handleDeadLetters(batch: MessageBatch<Delivery>, db: Database): Promise<Consumed> {
  const consumed: Consumed = { sent: 0, failed: 0, retried: 0 };
  for (const message of batch.messages) {
    const { notificationId: id, requestId: request } = message.body;
    try {
      const recorded = await recordExhausted(db, id);
      log.error("notifications.dead_letter", { notification: id, request, recorded });
      if (recorded) consumed.failed += 1;
      message.ack();
    } catch (error) {
      const facts = { notification: id, request, error: describeError(error) };
      log.error("notifications.dead_letter_crashed", facts);
      consumed.retried += 1;
      message.retry(after(backoff(message.attempts)));
    }
  }
  return consumed;
}

const after = (ms: number): QueueRetryOptions => ({ delaySeconds: Math.ceil(ms / 1000) });

/**
 * Whether the row must not be sent any more: a later one replaces it, its test drive was moved or cancelled after the
 * reminder was written, it is a reset for an address without an account, or a link for an address that does not wait for
 * verification any more.
 */
function isObsolete(row: Row): boolean {
  if (row.replacedBy !== null) return true;
  if (row.kind === "email_verification") return !(row.isActive && isAwaited(row));
  if (row.kind === "password_reset") return row.userId === null;
  if (row.kind !== "booking_reminder") return false;
  return row.bookingStatus !== "APPROVED" || row.startAt !== factsOf(row, "booking_reminder").startAt;
}

const previousStartOf = (row: Row): number | undefined =>
  row.bookingId === null ? undefined : factsOf(row, "staff_booking").previousStartAt;

/** Whether the user of the row has not verified the address that the mail goes to. */
const isAwaited = ({ recipient, pendingEmail, email, emailVerifiedAt }: Row): boolean =>
  recipient === pendingEmail || (recipient === email && emailVerifiedAt === null);
