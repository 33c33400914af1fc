/**
 * From the queue to the mailbox. Idempotent by notification id: each row is claimed, sent, and marked, so that a
 * message that comes twice sends once. Rows of one booking go out in the order of the facts.
 */
import { and, eq, sql } from "drizzle-orm";
import type { BookingFacts } from "../bookings/notices.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import { bookings, cars, notifications, users } from "../db/schema.ts";
import { describeError, log } from "../log.ts";
import { bookingMail } from "./messages.ts";
import type { Delivery } from "./outbox.ts";

/** What became of a delivery. Only `later` asks for the message to come again. */
export type DeliveryOutcome = "sent" | "nothing_to_do" | "later";

/** What delivering depends on. */
export type DeliveryTools = { db: Database; config: Config; send: SendEmail["send"]; now: () => number };

/** For how long one consumer has a notification to itself. Longer than any send takes. */
const LEASE_MS = 60_000;
/** The wait after the first failure; it doubles with each further one. */
const RETRY_BASE_MS = 5_000;
const RETRY_MAX_MS = 60 * 60 * 1000;

/** How long to wait after so many failed attempts. */
export const backoff = (attempts: number): number =>
  Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (attempts - 1));

/** Delivers one notification, if it is still to be delivered and its turn has come. */
export async function deliver(
  id: string,
  { db, config, send, now }: DeliveryTools,
): Promise<DeliveryOutcome> {
  const claimed = await claim(db, id, now());
  if (!claimed) {
    const row = await db
      .select({ status: notifications.status })
      .from(notifications)
      .where(eq(notifications.id, id))
      .get();
    // Still waiting: an earlier message of the same booking is not out yet, or another consumer is at it.
    return row?.status === "PENDING" ? "later" : "nothing_to_do";
  }
  try {
    const subject = await subjectOf(db, id);
    if (!subject) throw new Error("the notification's booking is gone");
    const mail = bookingMail({
      kind: claimed.kind,
      showroom: config.showroom,
      customer: subject.firstName || subject.username,
      car: `${subject.year} ${subject.make} ${subject.model}`,
      carUrl: `${config.publicUrl}/api/cars/${subject.carId}/`,
      ...(claimed.facts as BookingFacts),
    });
    await send({
      from: { email: config.email.from, name: config.showroom.name },
      to: claimed.recipient,
      ...mail,
    });
  } catch (error) {
    const lastError = describeError(error).slice(0, 500);
    log.warn("notifications.send_failed", { notification: id, attempts: claimed.attempts, error: lastError });
    await db
      .update(notifications)
      .set({ lastError, nextAttemptAt: now() + backoff(claimed.attempts) })
      .where(eq(notifications.id, id));
    return "later";
  }
  await db
    .update(notifications)
    .set({ status: "SENT", sentAt: now(), lastError: null })
    .where(eq(notifications.id, id));
  log.info("notifications.sent", { notification: id, kind: claimed.kind });
  return "sent";
}

/** Takes a notification for one attempt, unless it is done, not due, or an earlier one of its booking waits. */
async function claim(db: Database, id: string, now: number) {
  const [row] = await db
    .update(notifications)
    .set({ attempts: sql`${notifications.attempts} + 1`, nextAttemptAt: now + LEASE_MS })
    .where(
      and(
        eq(notifications.id, id),
        eq(notifications.status, "PENDING"),
        sql`${notifications.nextAttemptAt} <= ${now}`,
        sql`NOT EXISTS (
          SELECT 1 FROM notifications earlier
          WHERE earlier.booking_id = ${notifications.bookingId} AND earlier.recipient = ${notifications.recipient}
            AND earlier.status = 'PENDING' AND earlier.rowid < "notifications".rowid)`,
      ),
    )
    .returning();
  return row;
}

/** The car and customer that a notification about a booking speaks of. */
const subjectOf = (db: Database, id: string) =>
  db
    .select({
      carId: cars.id,
      make: cars.make,
      model: cars.model,
      year: cars.year,
      firstName: users.firstName,
      username: users.username,
    })
    .from(notifications)
    .innerJoin(bookings, eq(bookings.id, notifications.bookingId))
    .innerJoin(cars, eq(cars.id, bookings.carId))
    .innerJoin(users, eq(users.id, bookings.customerId))
    .where(eq(notifications.id, id))
    .get();

/** The queue's consumer: delivers each message of a batch, and asks for what failed to come again. */
export async function consume(batch: MessageBatch<Delivery>, tools: DeliveryTools): Promise<void> {
  for (const message of batch.messages) {
    try {
      const outcome = await deliver(message.body.notificationId, tools);
      if (outcome === "later") message.retry({ delaySeconds: Math.ceil(backoff(message.attempts) / 1000) });
      else message.ack();
    } catch (error) {
      log.error("notifications.delivery_crashed", { error: describeError(error) });
      message.retry();
    }
  }
}

/** The dead-letter queue's consumer: what was given up on is recorded on its row, from where it can be replayed. */
export async function bury(batch: MessageBatch<Delivery>, db: Database): Promise<void> {
  for (const message of batch.messages) {
    const id = message.body.notificationId;
    await db
      .update(notifications)
      .set({ status: "FAILED" })
      .where(and(eq(notifications.id, id), eq(notifications.status, "PENDING")));
    log.error("notifications.given_up", { notification: id });
    message.ack();
  }
}
