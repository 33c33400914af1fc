import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import type { Database } from "../../src/db/client.ts";
import { notifications, passwordResets, sales, users } from "../../src/db/schema.ts";
import {
  backoff,
  consume,
  type DeliveryTools,
  deliver,
  deliverInOrder,
  handleDeadLetters,
} from "../../src/notifications/deliver.ts";
import { MAX_ATTEMPTS } from "../../src/notifications/delivery-store.ts";
import type { BookingFacts, BookingKind } from "../../src/outbox/notices.ts";
import type { Delivery } from "../../src/outbox/outbox.ts";
import { DependencyDown } from "../../src/shared/dependency-down.ts";
import { sha256 } from "../../src/shared/digest.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import { formatDay } from "../../src/shared/showroom-time.ts";
import wrangler from "../../wrangler.toml?raw";
import {
  booked,
  HOUR_MS,
  mailbox,
  noticeOf,
  notify,
  outboxOf,
  refusal,
  rowOf,
  session,
  statusOf,
  tools,
} from "../support/outbox.ts";
import { car, db, person, slot, ZONE } from "../support/world.ts";

const LEASE_MS = 60_000;

/** A Worker that has claimed a notification and hangs in sending it, until it fails. */
async function atWork(id: string, now: number) {
  const before = (await rowOf(id))?.attempts ?? 0;
  let reject = (_: Error) => {};
  const sending = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  const delivery = deliver(
    id,
    tools(() => sending, now),
  );
  await expect.poll(async () => (await rowOf(id))?.attempts).toBe(before + 1);
  return {
    fail: async (error: Error) => {
      reject(error);
      await delivery;
    },
  };
}

/** A mailbox during whose first mail something else happens. */
function interrupted(send: DeliveryTools["send"], during: () => Promise<unknown>): DeliveryTools["send"] {
  let begun = false;
  return async (mail) => {
    const isFirst = !begun;
    begun = true;
    if (isFirst) await during();
    return send(mail);
  };
}

describe("a notification", () => {
  test("is sent to the customer and recorded as sent", async () => {
    const { first, customer } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox();
    expect(await deliver(first, tools(send))).toMatchObject({ outcome: "sent" });
    expect(sent).toMatchObject([
      {
        to: customer.email,
        from: { email: env.EMAIL_FROM, name: env.SHOWROOM_NAME },
        replyTo: env.EMAIL_STAFF,
        headers: { "X-Notification-Id": first },
        attachments: [{ filename: "test-drive.ics", type: "text/calendar" }],
      },
    ]);
    expect(sent[0]?.text).toContain("Hello Ann");
    expect(sent[0]?.text).toContain("Škoda Octavia");
    expect(await rowOf(first)).toMatchObject({ status: "SENT", attempts: 1, lastError: null });
  });

  test("is accepted by the platform's own mail binding, with its attachment", async () => {
    const { first } = await outboxOf(["booking_received"]);
    expect(
      await deliver(
        first,
        tools((mail) => env.EMAIL.send(mail)),
      ),
    ).toMatchObject({ outcome: "sent" });
  });

  test("is sent once for any number of concurrent queue messages", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox();
    await Promise.all(Array.from({ length: 10 }, () => deliver(first, tools(send))));
    await deliver(first, tools(send));
    expect(sent).toHaveLength(1);
  });

  test("that is written while an earlier one of the same booking is sent waits, and is sent directly after it", async () => {
    const made = await booked();
    const [first = ""] = await notify([noticeOf("booking_received", made)]);
    const { sent, send } = mailbox();
    const now = Date.now();
    let second = "";
    const slow = interrupted(send, async () => {
      [second = ""] = await notify([noticeOf("booking_approved", made)], now);
      expect(await deliver(second, tools(send, now))).toEqual({ outcome: "waiting" });
    });
    expect(await deliverInOrder(first, tools(slow, now))).toEqual({ outcome: "sent", next: second });
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["We have your request", "Confirmed"]);
    expect(await statusOf(second)).toBe("SENT");
  });

  test("waits for an earlier one, and replaces it, also when the customer has changed their address", async () => {
    const made = await booked();
    const [first = ""] = await notify([noticeOf("booking_received", made)]);
    await db
      .update(users)
      .set({ email: "new@example.com", emailKey: `new-${first}` })
      .where(eq(users.id, made.customer.id));
    const [second = ""] = await notify([noticeOf("booking_approved", made)]);
    const { sent, send } = mailbox();
    expect(await deliver(second, tools(send))).toEqual({ outcome: "waiting" });
    await deliverInOrder(first, tools(send));
    expect(sent.map(({ to }) => to)).toEqual(["new@example.com"]);
  });

  test("to the staff does not wait for one to the customer, nor the reverse", async () => {
    const { second } = await outboxOf(["booking_received", "staff_booking"]);
    const { sent, send } = mailbox();
    expect(await deliver(second, tools(send))).toMatchObject({ outcome: "sent" });
    expect(sent).toMatchObject([{ to: env.EMAIL_STAFF }]);
    expect(sent[0]?.attachments).toBeUndefined();
  });

  test("is tried again after a failure, when the back-off ends, and the error is recorded", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox(1);
    const now = Date.now();
    expect(await deliver(first, tools(send, now))).toEqual({ outcome: "again", afterMs: backoff(1) });
    expect(await rowOf(first)).toMatchObject({
      status: "PENDING",
      attempts: 1,
      lastError: "Error: the mail server is away",
    });
    expect(await deliver(first, tools(send, now + 1))).toEqual({ outcome: "waiting" });
    expect(sent).toHaveLength(0);
    expect(await deliver(first, tools(send, now + backoff(1)))).toMatchObject({ outcome: "sent" });
  });

  test.each(["E_RECIPIENT_SUPPRESSED", "E_RECIPIENT_NOT_ALLOWED", "E_VALIDATION_ERROR"])(
    "that the mail service refuses with %s is recorded as failed, and the next one is delivered",
    async (code) => {
      const made = await booked();
      const [first = ""] = await notify([noticeOf("booking_received", made)]);
      const { sent, send } = mailbox(1, refusal(code));
      const now = Date.now();
      let second = "";
      const slow = interrupted(send, async () => {
        [second = ""] = await notify([noticeOf("booking_approved", made)], now);
      });
      expect(await deliverInOrder(first, tools(slow, now))).toEqual({ outcome: "failed", next: second });
      expect(await rowOf(first)).toMatchObject({
        status: "FAILED",
        attempts: 1,
        lastError: expect.stringContaining(code),
      });
      expect(sent).toHaveLength(1);
      expect(await statusOf(second)).toBe("SENT");
    },
  );

  test.each([
    "E_RATE_LIMIT_EXCEEDED",
    "E_DAILY_LIMIT_EXCEEDED",
    "E_DELIVERY_FAILED",
    "E_INTERNAL_SERVER_ERROR",
    "E_SENDER_NOT_VERIFIED",
  ])("that the mail service cannot accept now, for %s, is tried again", async (code) => {
    const { first } = await outboxOf(["booking_received"]);
    const { send } = mailbox(1, refusal(code));
    expect(await deliver(first, tools(send))).toMatchObject({ outcome: "again" });
    expect(await statusOf(first)).toBe("PENDING");
  });

  test("is tried for most of a day and is then recorded as failed", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox(MAX_ATTEMPTS);
    const start = Date.now();
    let now = start;
    for (let tries = 1; tries <= MAX_ATTEMPTS; tries += 1) {
      const attempt = await deliver(first, tools(send, now));
      expect(attempt.outcome).toBe("again");
      now += "afterMs" in attempt ? attempt.afterMs : 0;
    }
    expect((now - start) / 3_600_000).toBeGreaterThan(20);
    // The queue's messages are kept for a day at least.
    expect((now - start) / 3_600_000).toBeLessThan(24);
    expect(await statusOf(first)).toBe("PENDING");
    expect(await deliver(first, tools(send, now))).toMatchObject({ outcome: "failed" });
    expect(await rowOf(first)).toMatchObject({
      status: "FAILED",
      attempts: MAX_ATTEMPTS,
      lastError: "Error: the mail server is away",
    });
    expect(sent).toHaveLength(0);
  });

  test("whose Worker died is left for the length of the lease, and then delivered", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const now = Date.now();
    // A send that never comes back, as in a Worker that is gone.
    void deliver(
      first,
      tools(() => new Promise(() => {}), now),
    );
    await expect.poll(async () => (await rowOf(first))?.attempts).toBe(1);
    const { sent, send } = mailbox();
    expect(await deliver(first, tools(send, now + LEASE_MS - 1))).toEqual({ outcome: "waiting" });
    expect(await deliver(first, tools(send, now + LEASE_MS))).toMatchObject({ outcome: "sent" });
    expect(sent).toHaveLength(1);
  });

  test("whose slow Worker lost its lease keeps the record of the next consumer", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const now = Date.now();
    const slow = await atWork(first, now);
    await deliver(first, tools(mailbox().send, now + LEASE_MS));
    await slow.fail(refusal("E_RECIPIENT_SUPPRESSED"));
    expect(await statusOf(first)).toBe("SENT");
  });

  test("whose slow Worker lost its lease keeps the lease of the next consumer", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const now = Date.now();
    const slow = await atWork(first, now);
    const successor = await atWork(first, now + LEASE_MS);
    await slow.fail(new Error("the mail server is away"));
    expect(await deliver(first, tools(mailbox().send, now + LEASE_MS + 1))).toEqual({ outcome: "waiting" });
    await successor.fail(new Error("the mail server is away"));
    expect(await rowOf(first)).toMatchObject({ attempts: 2, nextAttemptAt: now + LEASE_MS + backoff(2) });
  });

  test("that was sent is recorded although the database fails once", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const { sent, send } = mailbox();
    const working = tools(send);
    let failures = 0;
    const stumbling = (...write: Parameters<Database["commit"]>) =>
      sent.length > 0 && failures++ === 0
        ? Promise.reject(new DependencyDown("D1", "lost"))
        : working.db.commit(...write);
    const db: Database = { ...working.db, commit: stumbling as Database["commit"] };
    expect(await deliver(first, { ...working, db })).toMatchObject({ outcome: "sent" });
    expect(failures).toBeGreaterThan(0);
    expect(await statusOf(first)).toBe("SENT");
  });

  test("with an unknown id has no effect", async () => {
    expect(await deliver(crypto.randomUUID(), tools(mailbox().send))).toEqual({ outcome: "nothing_to_do" });
  });

  test("to the staff contains the customer's notes", async () => {
    const made = await booked({ notes: "with a child seat\nand a dog" });
    const [id = ""] = await notify([noticeOf("staff_booking", made)]);
    const { sent, send } = mailbox();
    await deliver(id, tools(send));
    expect(sent[0]?.text).toContain("> with a child seat\n> and a dog");
  });

  test("about a sale contains car, price and contract", async () => {
    const [customer, seller, carId] = [await person(), await person("SALES"), await car({ model: "Supra" })];
    const saleId = uuidv7();
    const sale = { carId, customerId: customer.id, salespersonId: seller.id, salePriceCents: 1_234_567 };
    const now = Date.now();
    await db
      .insert(sales)
      .values({ id: saleId, ...sale, currency: "EUR", paymentMethod: "CASH", saleAt: now, createdAt: now });
    const [id = ""] = await notify([
      {
        kind: "sale_confirmed",
        to: { userId: customer.id },
        saleId,
        facts: { price: 1_234_567, currency: "EUR", contractNumber: "C-77" },
      },
    ]);
    const { sent, send } = mailbox();
    expect(await deliver(id, tools(send))).toMatchObject({ outcome: "sent" });
    expect(sent[0]?.text).toMatch(/Car: 2024 Toyota Supra\nPrice: EUR.12,345\.67\nContract: C-77/);
    expect(sent[0]?.attachments).toBeUndefined();
  });
});

describe("of several unsent notifications of one booking to one reader, only the latest is sent", () => {
  const at = (days: number) => ({ startAt: slot(days), endAt: slot(days) + HOUR_MS });
  const dayOf = (days: number) => formatDay(slot(days), ZONE);
  const moved = (from: number, to: number, sequence: number, status: BookingStatus = "PENDING") => ({
    ...at(to),
    previousStartAt: slot(from),
    sequence,
    status,
  });

  /** Delivers the notices of one booking, of which none could be sent before, and returns the mails. */
  async function deliveredTogether(notices: [BookingKind, Partial<BookingFacts>][]) {
    const made = await booked({ startAt: slot(2) });
    const ids = await notify(notices.map(([kind, facts]) => noticeOf(kind, made, facts)));
    const { sent, send } = mailbox();
    await deliverInOrder(ids[0] ?? "", tools(send));
    const kept = await db.select().from(notifications).where(eq(notifications.bookingId, made.bookingId));
    return { sent, text: sent[0]?.text ?? "", ids, kept };
  }
  const calendarOf = (mail: EmailMessageBuilder | undefined) =>
    new TextDecoder().decode(mail?.attachments?.[0]?.content as Uint8Array);

  test("received, approved and moved: the move, with the last sequence, and the others are deleted", async () => {
    const { sent, text, ids, kept } = await deliveredTogether([
      ["booking_received", { sequence: 0 }],
      ["booking_approved", { sequence: 1, status: "APPROVED" }],
      ["booking_rescheduled", moved(2, 4, 2, "APPROVED")],
    ]);
    expect(sent).toHaveLength(1);
    expect(text).toContain(`New time: ${dayOf(4)}`);
    expect(text).toContain(`Before: ${dayOf(2)}`);
    expect(text).toContain("The new time is confirmed");
    expect(calendarOf(sent[0])).toContain("SEQUENCE:2\r\n");
    expect(kept).toMatchObject([{ id: ids[2], status: "SENT", attempts: 1 }]);
  });

  test("moved twice: the time before is the one of the last mail, not one that nobody read", async () => {
    const { text } = await deliveredTogether([
      ["booking_rescheduled", moved(2, 3, 1)],
      ["booking_rescheduled", moved(3, 4, 2)],
    ]);
    expect(text).toContain(`New time: ${dayOf(4)}`);
    expect(text).toContain(`Before: ${dayOf(2)}`);
  });

  test("moved there and back: the mail says so", async () => {
    const { text } = await deliveredTogether([
      ["booking_rescheduled", moved(2, 3, 1)],
      ["booking_rescheduled", moved(3, 2, 2)],
    ]);
    expect(text).toContain(`New time: ${dayOf(2)}`);
    expect(text).toContain(`Before: ${dayOf(3)}`);
  });

  test("moved and approved: the approval has both times", async () => {
    const { sent, text } = await deliveredTogether([
      ["booking_rescheduled", moved(2, 4, 1)],
      ["booking_approved", { ...at(4), sequence: 2, status: "APPROVED" }],
    ]);
    expect(sent[0]?.subject).toContain("Confirmed at a new time");
    expect(text).toContain(`New time: ${dayOf(4)}`);
    expect(text).toContain(`Before: ${dayOf(2)}`);
  });

  test.each(["booking_cancelled", "booking_declined"] as const)(
    "moved and then %s: the mail has the time that the customer knew",
    async (kind) => {
      const status = kind === "booking_declined" ? "DECLINED" : "CANCELLED";
      const { sent, text } = await deliveredTogether([
        ["booking_rescheduled", moved(2, 4, 1)],
        [kind, { ...at(4), sequence: 2, status }],
      ]);
      expect(sent).toHaveLength(1);
      expect(text).toContain(`When: ${dayOf(4)}`);
      expect(text).toContain(`Before: ${dayOf(2)}`);
      expect(calendarOf(sent[0])).toContain("METHOD:CANCEL");
    },
  );

  test("new and moved, for staff who have read neither: the test drive is new", async () => {
    const { sent, text } = await deliveredTogether([
      ["staff_booking", {}],
      ["staff_booking", moved(2, 3, 1)],
      ["staff_booking", moved(3, 4, 2)],
    ]);
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["New test drive"]);
    expect(text).toContain(`When: ${dayOf(4)}`);
    expect(text).not.toContain("Before");
  });

  test("moved twice, for staff who know the booking: it was moved from where they know it", async () => {
    const { sent, text } = await deliveredTogether([
      ["staff_booking", moved(2, 3, 1)],
      ["staff_booking", moved(3, 4, 2)],
    ]);
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Moved test drive"]);
    expect(text).toContain(`Before: ${dayOf(2)}`);
  });

  test("but a reminder replaces nothing, because it does not say what changed", async () => {
    const made = await booked({ startAt: slot(2), status: "APPROVED" });
    const facts = { sequence: 1, status: "APPROVED" } as const;
    const [first = ""] = await notify([
      noticeOf("booking_approved", made, facts),
      noticeOf("booking_reminder", made, facts),
    ]);
    const { sent, send } = mailbox();
    await deliverInOrder(first, tools(send));
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Confirmed", "Reminder"]);
  });

  test("and a reminder is replaced by a later fact", async () => {
    const made = await booked({ startAt: slot(2), status: "APPROVED" });
    const [first = ""] = await notify([
      noticeOf("booking_reminder", made, { status: "APPROVED" }),
      noticeOf("booking_rescheduled", made, moved(3, 2, 2, "APPROVED")),
    ]);
    const { sent, send } = mailbox();
    await deliverInOrder(first, tools(send));
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["New time for your test drive"]);
  });

  test("and a mail that may not be sent yet is replaced when its time comes", async () => {
    const made = await booked();
    const now = Date.now();
    const [first = ""] = await notify([noticeOf("booking_received", made)], now);
    const { sent, send } = mailbox(1);
    await deliver(first, tools(send, now));
    await notify([noticeOf("booking_approved", made)], now);
    await deliverInOrder(first, tools(send, now + backoff(1)));
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Confirmed"]);
    expect(await rowOf(first)).toBeUndefined();
  });
});

describe("a password reset", () => {
  const asked = async (customer: { id: string }) =>
    (await notify([{ kind: "password_reset", to: { userId: customer.id }, facts: {} }]))[0] ?? "";

  test("mails a token that is valid for half an hour, and stores only its hash", async () => {
    const customer = await person();
    const id = await asked(customer);
    const { sent, send } = mailbox();
    const now = Date.now();
    expect(await deliver(id, tools(send, now))).toMatchObject({ outcome: "sent" });
    const [row] = await db.select().from(passwordResets).where(eq(passwordResets.userId, customer.id));
    expect(row).toMatchObject({ createdAt: now, expiresAt: now + 30 * 60_000, usedAt: null });
    const token = /reset-password#token=([\w-]{43})$/m.exec(sent[0]?.text ?? "")?.[1] ?? "";
    expect(await sha256(token)).toBe(row?.tokenHash);
    expect(sent[0]?.text).toContain(`Or with this code: ${token}`);
    expect(JSON.stringify(await rowOf(id))).not.toContain(token);
  });

  test("is not sent to a former address of the account, nor to a deactivated account", async () => {
    for (const change of [{ email: null, emailKey: null }, { isActive: false }]) {
      const customer = await person();
      const id = await asked(customer);
      await db.update(users).set(change).where(eq(users.id, customer.id));
      const { sent, send } = mailbox();
      expect(await deliver(id, tools(send))).toMatchObject({ outcome: "failed" });
      expect(sent).toHaveLength(0);
    }
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
  const consumed = async (ids: string[], using: Parameters<typeof tools>) => {
    const batch = batchOf("dealership-notifications", ids);
    await consume(batch, tools(...using));
    return getQueueResult(batch, createExecutionContext());
  };

  test("acknowledges sent notifications and retries failed ones", async () => {
    const good = await outboxOf(["booking_received"]);
    const bad = await outboxOf(["booking_received"]);
    const result = await consumed(
      [good.first, bad.first],
      [
        async (mail) => {
          if (mail.to === bad.customer.email) throw new Error("no answer");
        },
      ],
    );
    expect(result.explicitAcks).toEqual([good.first]);
    expect(result.retryMessages.map(({ msgId }) => msgId)).toEqual([bad.first]);
  });

  test("does not use a message's retries while its notification waits for an earlier one", async () => {
    const made = await booked();
    const [first = ""] = await notify([noticeOf("booking_received", made)]);
    const { sent, send } = mailbox(1);
    const now = Date.now();
    const failed = await consumed([first], [send, now]);
    expect(failed.retryMessages.map(({ msgId }) => msgId)).toEqual([first]);
    const [second = ""] = await notify([noticeOf("booking_approved", made)], now);
    const away = await consumed([second, second], [send, now]);
    expect(away.explicitAcks).toEqual([second, second]);
    await consumed([first], [send, now + backoff(1)]);
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Confirmed"]);
  });

  test("retries a message when the database is down", async () => {
    const { first } = await outboxOf(["booking_received"]);
    const batch = batchOf("dealership-notifications", [first]);
    const db: Database = { ...session(), commit: () => Promise.reject(new DependencyDown("D1", "away")) };
    await consume(batch, { ...tools(mailbox().send), db });
    const result = await getQueueResult(batch, createExecutionContext());
    expect(result.retryMessages.map(({ msgId }) => msgId)).toEqual([first]);
    expect(await statusOf(first)).toBe("PENDING");
  });

  test("delivers a message as often as a notification may be tried, then moves it to the dead-letter queue", () => {
    const consumers = wrangler.split(/^\[\[(?:env\.\w+\.)?queues\.consumers\]\]$/m).slice(1);
    const main = consumers.filter((block) => !/^queue = ".*-dead"$/m.test(block));
    // Production and staging.
    expect([consumers.length, main.length]).toEqual([4, 2]);
    for (const block of main) {
      const [, queue] = /^queue = "(.*)"$/m.exec(block) ?? [];
      expect(block, queue).toContain(`\nmax_retries = ${MAX_ATTEMPTS - 1}\n`);
      // As many consumers as the mail service's rate limit allows.
      expect(block, queue).toMatch(/\nmax_concurrency = [2-5]\n/);
      expect(block, queue).toContain(`\ndead_letter_queue = "${queue}-dead"\n`);
    }
  });

  test("records a notification without attempts left as failed when its message is a dead letter", async () => {
    const made = await booked();
    const [first = ""] = await notify([noticeOf("booking_received", made)]);
    const { send } = mailbox(MAX_ATTEMPTS);
    let now = Date.now();
    for (let tries = 1; tries <= MAX_ATTEMPTS; tries += 1, now += 3_600_000)
      await deliver(first, tools(send, now));
    await handleDeadLetters(batchOf("dealership-notifications-dead", [first]), session());
    expect(await rowOf(first)).toMatchObject({
      status: "FAILED",
      lastError: "Error: the mail server is away",
    });
    const [second = ""] = await notify([noticeOf("booking_approved", made)]);
    expect(await deliver(second, tools(mailbox().send))).toMatchObject({ outcome: "sent" });
  });

  test("leaves a dead letter's notification unchanged when it has attempts left or was sent", async () => {
    const made = await booked();
    const [first = ""] = await notify([noticeOf("booking_received", made)]);
    await deliver(first, tools(mailbox().send));
    const [second = ""] = await notify([noticeOf("booking_approved", made)]);
    const batch = batchOf("dealership-notifications-dead", [first, second]);
    await handleDeadLetters(batch, session());
    expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toEqual([first, second]);
    expect([await statusOf(first), await statusOf(second)]).toEqual(["SENT", "PENDING"]);
  });
});
