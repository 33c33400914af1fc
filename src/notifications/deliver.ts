/**
 * From the queue to the mailbox.
 *
 * The row decides, the queue only wakes: whoever comes with an id (a queue message, a copy of it, the sweep) claims
 * the row, sends, and records. What follows from that:
 *
 * - **Once.** A claim takes the row for `LEASE_MS` and counts an attempt, in one statement. Who finds it claimed, done
 *   or not due leaves it alone. Twice is told only what was sent by a Worker that died before it could record it: a
 *   mailbox and a database cannot be written in one step, and telling twice is better than not at all.
 * - **In order.** Of one booking's notifications to one reader only the earliest waiting one can be claimed. One that
 *   waits its turn is acknowledged at once, which costs none of its queue message's retries: whoever finishes the
 *   earlier one delivers it next, and should they die in between, the sweep comes.
 * - **Not lost.** A message that made an attempt in vain asks the queue to come again after the back-off. Every other
 *   row that should be out and is not (its message was never queued, was lost, or was acknowledged while somebody else
 *   was at it, who then died) is late by its own `next_attempt_at`, and the sweep takes it up.
 * - **Not for ever.** The row counts its attempts, whoever makes them, and is not claimed again after `MAX_ATTEMPTS`.
 *   The queue's `max_retries` is one less, so that a message alone with its row ends in the dead-letter queue just
 *   then, where `bury` records the failure; a row that was exhausted by several messages is recorded as failed by the
 *   next that comes. `bury` leaves alone what still has attempts: its message died of something else, such as a
 *   database that was away, and the sweep goes on with the row.
 * - **Not in vain.** What the mail service says will never work is recorded as failed at once.
 *
 * What failed holds up nothing that comes after it, and can be replayed.
 */
import { and, eq, sql } from "drizzle-orm";
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import { notifications } from "../db/schema.ts";
import type { Delivery } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import { compose, Undeliverable } from "./compose.ts";
import {
  claim,
  forget,
  MAX_ATTEMPTS,
  type Row,
  recordFailed,
  recordSent,
  recordVain,
} from "./delivery-store.ts";

/** What delivering depends on. */
export type DeliveryTools = {
  db: Database;
  config: Config;
  send: (mail: EmailMessageBuilder) => Promise<unknown>;
  now: () => number;
};

/**
 * What became of one try. `next`: the notification whose turn it now is. `waiting`: not its turn, not its time, or
 * somebody else is at it.
 */
export type Attempt =
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
const REFUSED_FOR_GOOD = new Set([
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
export async function deliver(id: string, tools: DeliveryTools): Promise<Attempt> {
  const { db, now } = tools;
  const { claimed, row } = await claim(db, id, now());
  if (row?.status !== "PENDING") return { outcome: "nothing_to_do" };
  if (!claimed) {
    if (row.attempts < MAX_ATTEMPTS || row.nextAttemptAt > now()) return { outcome: "waiting" };
    log.error("notifications.given_up", { notification: id, attempts: row.attempts });
    return { outcome: "failed", next: await recordFailed(db, row, row.lastError ?? "gave up") };
  }
  if (isObsolete(row)) {
    // Nobody needs to know what was not sent; the row of a reminder would stand in the way of another one.
    log.info("notifications.obsolete", { notification: id, kind: row.kind });
    return { outcome: "nothing_to_do", next: await forget(db, row) };
  }
  try {
    await tools.send(await compose(row, tools.config, db, now()));
  } catch (error) {
    const code = codeOf(error);
    const forGood = error instanceof Undeliverable || (code !== undefined && REFUSED_FOR_GOOD.has(code));
    const lastError = `${code ? `${code}: ` : ""}${describeError(error)}`.slice(0, 500);
    // The service's own words may hold the address: they are for the row, not for the log.
    const { attempts } = row;
    log.warn("notifications.send_failed", { notification: id, attempts, code, for_good: forGood });
    if (forGood) return { outcome: "failed", next: await recordFailed(db, row, lastError) };
    const afterMs = row.attempts < MAX_ATTEMPTS ? backoff(row.attempts) : 0;
    await recordVain(db, row, lastError, now() + afterMs);
    return { outcome: "again", afterMs };
  }
  const next = await recordSent(db, row, now());
  log.info("notifications.sent", { notification: id, kind: row.kind });
  return { outcome: "sent", next };
}

/** Delivers a notification, and after it those that waited for it. Tells what became of the first. */
export async function deliverInOrder(id: string, tools: DeliveryTools): Promise<Attempt> {
  const first = await deliver(id, tools);
  try {
    for (let last = first; "next" in last && last.next !== undefined; )
      last = await deliver(last.next, tools);
  } catch (error) {
    log.error("notifications.delivery_crashed", { error: describeError(error) });
  }
  return first;
}

/** The queue's consumer: delivers each message of a batch, and asks for what was tried in vain to come again. */
export async function consume(batch: MessageBatch<Delivery>, tools: DeliveryTools): Promise<void> {
  for (const message of batch.messages) {
    try {
      const attempt = await deliverInOrder(message.body.notificationId, tools);
      if (attempt.outcome === "again") message.retry(after(attempt.afterMs));
      else message.ack();
    } catch (error) {
      log.error("notifications.delivery_crashed", { error: describeError(error) });
      message.retry(after(backoff(message.attempts)));
    }
  }
}

/** The dead-letter queue's consumer: what has no attempts left is recorded on its row, from where it can be replayed. */
export async function bury(batch: MessageBatch<Delivery>, db: Database): Promise<void> {
  for (const message of batch.messages) {
    const id = message.body.notificationId;
    try {
      const given = await db
        .update(notifications)
        .set({ status: "FAILED", lastError: sql`coalesce(${notifications.lastError}, 'gave up')` })
        .where(
          and(
            eq(notifications.id, id),
            eq(notifications.status, "PENDING"),
            sql`${notifications.attempts} >= ${MAX_ATTEMPTS}`,
          ),
        )
        .returning({ id: notifications.id });
      log.error("notifications.dead_letter", { notification: id, recorded: given.length > 0 });
      message.ack();
    } catch (error) {
      log.error("notifications.bury_crashed", { error: describeError(error) });
      message.retry(after(backoff(message.attempts)));
    }
  }
}

const after = (ms: number): QueueRetryOptions => ({ delaySeconds: Math.ceil(ms / 1000) });

/** A reminder of a test drive that was moved or called off since, or a reset asked for an address without an account. */
const isObsolete = ({ kind, facts, userId, bookingStatus, startAt }: Row): boolean =>
  (kind === "booking_reminder" && (bookingStatus !== "APPROVED" || startAt !== facts["startAt"])) ||
  (kind === "password_reset" && userId === null);
