/** Notifications, a mailbox and a queue for tests. */
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { readConfig } from "../../src/config.ts";
import { openDatabase } from "../../src/db/client.ts";
import { notifications } from "../../src/db/schema.ts";
import type { DeliveryTools } from "../../src/notifications/deliver.ts";
import type { BookingFacts, BookingKind, Notice } from "../../src/outbox/notices.ts";
import { type Delivery, outboxStatement, outgoing } from "../../src/outbox/outbox.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import { booking, car, db, person, slot } from "./world.ts";

export const HOUR_MS = 3_600_000;

export const session = () => openDatabase(env.DB, "first-primary");

/** A mailbox that records, and fails as often as asked with the given error. */
export function mailbox(failures = 0, error: Error = new Error("the mail server is away")) {
  const sent: EmailMessageBuilder[] = [];
  let left = failures;
  const send = async (mail: EmailMessageBuilder) => {
    if (left-- > 0) throw error;
    sent.push(mail);
  };
  return { sent, send };
}

/** The error of the mail service that carries `code`. */
export const refusal = (code: string) => Object.assign(new Error("refused by the mail service"), { code });

export const tools = (send: DeliveryTools["send"], now = Date.now()): DeliveryTools => ({
  db: session(),
  config: readConfig(env),
  send,
  now: () => now,
});

/** A queue that records the ids of its messages, or fails. */
export function queueOf(works = true) {
  const ids: string[] = [];
  const sendBatch = async (messages: Array<{ body: Delivery }>) => {
    if (!works) throw new Error("the queue is away");
    ids.push(...messages.map(({ body }) => body.notificationId));
  };
  return { ids, queue: { sendBatch } as unknown as Queue<Delivery> };
}

/** Writes notices to the outbox and returns their ids. */
export async function notify(notices: Notice[], now = Date.now()): Promise<string[]> {
  const withIds = outgoing(notices);
  await session().commit("system", "test.notify", "-", [outboxStatement(withIds, now)]);
  return withIds.map(({ id }) => id);
}

type Booked = {
  customer: Awaited<ReturnType<typeof person>>;
  carId: string;
  bookingId: string;
  startAt: number;
};

/** A customer with a booking. */
export async function booked(
  more: { startAt?: number; status?: BookingStatus; firstName?: string; notes?: string } = {},
): Promise<Booked> {
  const customer = await person("CUSTOMER", { firstName: more.firstName ?? "Ann" });
  const carId = await car({ make: "Škoda", model: "Octavia" });
  const startAt = more.startAt ?? slot(2);
  const { status = "PENDING", notes = "" } = more;
  const bookingId = await booking({ carId, customerId: customer.id, startAt, status, notes });
  return { customer, carId, bookingId, startAt };
}

/** The notice of a kind about a booking. */
export const noticeOf = (
  kind: BookingKind,
  { customer, bookingId, startAt }: Booked,
  facts: Partial<BookingFacts> = {},
): Notice => ({
  kind,
  to: kind === "staff_booking" ? { address: env.EMAIL_STAFF } : { userId: customer.id },
  bookingId,
  facts: { startAt, endAt: startAt + HOUR_MS, sequence: 0, status: "PENDING", ...facts },
});

/** A booking with notices of the given kinds in its outbox; returns their ids, in order. */
export async function outboxOf(kinds: BookingKind[], now = Date.now()) {
  const made = await booked();
  const ids = await notify(
    kinds.map((kind) => noticeOf(kind, made)),
    now,
  );
  return { ids, first: ids[0] ?? "", second: ids[1] ?? "", ...made };
}

/** A notification as it is stored. */
export const rowOf = async (id: string) =>
  db.select().from(notifications).where(eq(notifications.id, id)).get();

export const statusOf = async (id: string) => (await rowOf(id))?.status;
