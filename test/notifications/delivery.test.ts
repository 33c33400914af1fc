import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openDatabase } from "../../src/db/client.ts";
import { notifications } from "../../src/db/schema.ts";
import { backoff, bury, consume, deliver } from "../../src/notifications/deliver.ts";
import { bookingMail } from "../../src/notifications/messages.ts";
import { type Delivery, outboxStatement, outgoing, sweepOutbox } from "../../src/notifications/outbox.ts";
import { booking, car, db, person, slot } from "../support/world.ts";

type Sent = { to: string; subject: string; text: string; html: string };

const session = () => openDatabase(env.DB, "first-primary");

/** A mailbox that records, and fails as often as asked. */
function mailbox(failures = 0) {
  const sent: Sent[] = [];
  let left = failures;
  const send = (async (mail: Sent) => {
    if (left-- > 0) throw new Error("the mail server is away");
    sent.push(mail);
    return { messageId: "1" };
  }) as unknown as SendEmail["send"];
  return { sent, send };
}

const tools = (send: SendEmail["send"], now = Date.now()) => ({
  db: session(),
  config: readConfig(env),
  send,
  now: () => now,
});

/** A booking with notices of the given kinds in its outbox; returns their ids, in order. */
async function outboxOf(kinds: Array<"booking_received" | "booking_approved" | "booking_cancelled">) {
  const customer = await person("CUSTOMER", { firstName: "Ann" });
  const carId = await car({ make: "Škoda", model: "Octavia" });
  const startAt = slot(2);
  const bookingId = await booking({ carId, customerId: customer.id, startAt });
  const notices = outgoing(
    kinds.map((kind) => ({
      kind,
      to: { userId: customer.id },
      bookingId,
      facts: { startAt, endAt: startAt + 3_600_000, sequence: 0, status: "PENDING" },
    })),
  );
  await session().commit([outboxStatement(notices, Date.now())]);
  return { ids: notices.map(({ id }) => id), customer };
}

const statusOf = async (id: string) =>
  (await db.select().from(notifications).where(eq(notifications.id, id)).get())?.status;

describe("delivering a notification", () => {
  test("sends it to the customer and marks it", async () => {
    const { ids, customer } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox();
    expect(await deliver(ids[0] ?? "", tools(send))).toBe("sent");
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ to: customer.email });
    expect(sent[0]?.text).toContain("Hello Ann");
    expect(sent[0]?.text).toContain("Škoda Octavia");
    expect(await statusOf(ids[0] ?? "")).toBe("SENT");
  });

  test("sends once, however often and at once the queue asks", async () => {
    const { ids } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox();
    await Promise.all(Array.from({ length: 10 }, () => deliver(ids[0] ?? "", tools(send))));
    await deliver(ids[0] ?? "", tools(send));
    expect(sent).toHaveLength(1);
  });

  test("keeps the order of a booking's facts: a later one waits for the earlier", async () => {
    const { ids } = await outboxOf(["booking_received", "booking_approved"]);
    const [first = "", second = ""] = ids;
    const { sent, send } = mailbox();
    expect(await deliver(second, tools(send))).toBe("later");
    expect(await deliver(first, tools(send))).toBe("sent");
    expect(await deliver(second, tools(send))).toBe("sent");
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["We have your request", "Confirmed"]);
  });

  test("is tried again after a failure, not before its time, and the error is recorded", async () => {
    const { ids } = await outboxOf(["booking_received"]);
    const id = ids[0] ?? "";
    const { sent, send } = mailbox(1);
    const now = Date.now();
    expect(await deliver(id, tools(send, now))).toBe("later");
    const row = await db.select().from(notifications).where(eq(notifications.id, id)).get();
    expect(row).toMatchObject({
      status: "PENDING",
      attempts: 1,
      lastError: "Error: the mail server is away",
    });
    expect(await deliver(id, tools(send, now + 1))).toBe("later");
    expect(sent).toHaveLength(0);
    expect(await deliver(id, tools(send, now + backoff(1)))).toBe("sent");
  });

  test("of an unknown id does nothing", async () => {
    expect(await deliver(crypto.randomUUID(), tools(mailbox().send))).toBe("nothing_to_do");
  });
});

describe("the queue", () => {
  const batchOf = (queue: string, ids: string[]) =>
    createMessageBatch<Delivery>(
      queue,
      ids.map((notificationId) => ({
        id: notificationId,
        timestamp: 0,
        attempts: 1,
        body: { notificationId },
      })),
    );

  test("acknowledges what was sent and asks for the rest again", async () => {
    const good = await outboxOf(["booking_received"]);
    const bad = await outboxOf(["booking_received"]);
    const batch = batchOf("dealership-notifications", [...good.ids, ...bad.ids]);
    const sent: string[] = [];
    const send = (async (mail: Sent) => {
      if (mail.to === bad.customer.email) throw new Error("no such mailbox");
      sent.push(mail.to);
    }) as unknown as SendEmail["send"];
    await consume(batch, tools(send));
    const result = await getQueueResult(batch, createExecutionContext());
    expect(result.explicitAcks).toEqual(good.ids);
    expect(result.retryMessages.map(({ msgId }) => msgId)).toEqual(bad.ids);
  });

  test("what it gave up on is recorded as failed, and does not hold up what comes after it", async () => {
    const { ids } = await outboxOf(["booking_received", "booking_approved"]);
    const [first = "", second = ""] = ids;
    await bury(batchOf("dealership-notifications-dead", [first]), session());
    expect(await statusOf(first)).toBe("FAILED");
    expect(await deliver(second, tools(mailbox().send))).toBe("sent");
  });

  test("that is away loses nothing: the sweep queues what is late", async () => {
    const { ids } = await outboxOf(["booking_received"]);
    const queued: string[] = [];
    const queue = {
      sendBatch: async (messages: Array<{ body: Delivery }>) => {
        queued.push(...messages.map(({ body }) => body.notificationId));
      },
    } as unknown as Queue<Delivery>;
    await sweepOutbox(session(), queue, Date.now());
    expect(queued).not.toContain(ids[0]);
    await sweepOutbox(session(), queue, Date.now() + 60_000);
    expect(queued).toContain(ids[0]);
    expect(
      await db
        .select()
        .from(notifications)
        .where(and(eq(notifications.id, ids[0] ?? ""), eq(notifications.status, "PENDING"))),
    ).toHaveLength(1);
  });
});

describe("an e-mail", () => {
  const hostile = `"><script>alert(1)</script>\r\nBcc: everybody@example.com`;
  const mail = bookingMail({
    kind: "booking_received",
    showroom: { name: hostile, timeZone: "Europe/Berlin" },
    customer: hostile,
    car: hostile,
    carUrl: "https://dealership.example/api/cars/1/",
    startAt: Date.parse("2026-12-01T08:00:00Z"),
    endAt: Date.parse("2026-12-01T09:00:00Z"),
  });

  test("tells the time as the showroom's clocks do", () => {
    expect(mail.text).toContain("Tuesday, 1 December 2026 at 09:00 to 10:00".replace(" at ", ", "));
    expect(mail.html).toContain("Tuesday, 1 December 2026");
  });

  test("shows what people typed as text and lets none of it become a header", () => {
    expect(mail.html).not.toContain("<script>");
    expect(mail.subject).not.toMatch(/[\r\n]/);
    expect(mail.text).not.toMatch(/^Bcc:/m);
  });
});
