import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { runCron } from "../../src/cron.ts";
import { bookings, notifications, users } from "../../src/db/schema.ts";
import worker from "../../src/index.ts";
import { deliver, deliverInOrder } from "../../src/notifications/deliver.ts";
import { REMIND_BEFORE_MS, writeReminders } from "../../src/outbox/reminders.ts";
import {
  booked,
  HOUR_MS,
  mailbox,
  noticeOf,
  notify,
  queueOf,
  rowOf,
  session,
  tools,
} from "../support/outbox.ts";
import { db, slot } from "../support/world.ts";

const remindersOf = (bookingId: string) =>
  db
    .select()
    .from(notifications)
    .where(and(eq(notifications.bookingId, bookingId), eq(notifications.kind, "booking_reminder")));

const approved = () => booked({ startAt: slot(3), status: "APPROVED" });

/** An approved booking with its reminder waiting. */
async function reminded() {
  const made = await approved();
  const now = made.startAt - REMIND_BEFORE_MS;
  await writeReminders(session(), now);
  const [reminder] = await remindersOf(made.bookingId);
  return { ...made, now, id: reminder?.id ?? "" };
}

const change = (bookingId: string, to: Partial<typeof bookings.$inferInsert>) =>
  db.update(bookings).set(to).where(eq(bookings.id, bookingId));

describe("the reminder of a test drive", () => {
  test("is written one day before the start, not earlier, and queued", async () => {
    const { bookingId, startAt, customer } = await approved();
    const { ids, queue } = queueOf();
    const { send } = mailbox();
    await runCron(queue, env.PHOTOS, tools(send, startAt - REMIND_BEFORE_MS - 1));
    expect(await remindersOf(bookingId)).toEqual([]);
    await runCron(queue, env.PHOTOS, tools(send, startAt - REMIND_BEFORE_MS));
    const [reminder] = await remindersOf(bookingId);
    expect(reminder).toMatchObject({
      recipient: customer.email,
      userId: customer.id,
      status: "PENDING",
      facts: { startAt, endAt: startAt + HOUR_MS, sequence: 0, status: "APPROVED" },
    });
    expect(reminder?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(reminder?.id.replace("-", "").slice(0, 12) ?? "", 16)).toBe(
      startAt - REMIND_BEFORE_MS,
    );
    expect(ids).toContain(reminder?.id);
  });

  test("is written once when runs of the cron overlap", async () => {
    const { bookingId, startAt } = await approved();
    const now = startAt - REMIND_BEFORE_MS + 1;
    await Promise.all(Array.from({ length: 8 }, () => writeReminders(session(), now)));
    await writeReminders(session(), now + 60_000);
    expect(await remindersOf(bookingId)).toHaveLength(1);
  });

  test("cannot be stored twice", async () => {
    const { bookingId, id } = await reminded();
    const row = await rowOf(id);
    if (!row) throw new Error("no reminder");
    await expect(db.insert(notifications).values({ ...row, id: crypto.randomUUID() })).rejects.toThrow();
    expect(await remindersOf(bookingId)).toHaveLength(1);
  });

  test("is still written after the cron was down, but not after the start", async () => {
    const late = await approved();
    await writeReminders(session(), late.startAt - HOUR_MS);
    expect(await remindersOf(late.bookingId)).toHaveLength(1);
    const begun = await booked({ startAt: slot(3, 2), status: "APPROVED" });
    await writeReminders(session(), begun.startAt);
    expect(await remindersOf(begun.bookingId)).toEqual([]);
  });

  test.each(["PENDING", "DECLINED", "CANCELLED", "COMPLETED", "NO_SHOW"] as const)(
    "is not written for a booking that is %s",
    async (status) => {
      const { bookingId, startAt } = await booked({ startAt: slot(3), status });
      await writeReminders(session(), startAt - HOUR_MS);
      expect(await remindersOf(bookingId)).toEqual([]);
    },
  );

  test("is not written when the customer was notified within that day, or has no address", async () => {
    const [fresh, mute] = [await approved(), await approved()];
    await change(fresh.bookingId, { updatedAt: fresh.startAt - REMIND_BEFORE_MS + 1 });
    await db.update(users).set({ email: null, emailKey: null }).where(eq(users.id, mute.customer.id));
    await writeReminders(session(), fresh.startAt - HOUR_MS);
    expect(await remindersOf(fresh.bookingId)).toEqual([]);
    expect(await remindersOf(mute.bookingId)).toEqual([]);
  });

  test("is sent as an e-mail with the calendar file", async () => {
    const { id, now } = await reminded();
    const { sent, send } = mailbox();
    expect(await deliver(id, tools(send, now))).toMatchObject({ outcome: "sent" });
    expect(sent[0]?.subject).toMatch(/^Reminder: your test drive on /);
    expect(sent[0]?.attachments).toHaveLength(1);
  });

  test("is dropped when the booking is cancelled, and the next notification is delivered", async () => {
    const made = await reminded();
    await change(made.bookingId, { status: "CANCELLED" });
    const [cancelled = ""] = await notify([noticeOf("booking_cancelled", made)], made.now);
    const { sent, send } = mailbox();
    expect(await deliverInOrder(made.id, tools(send, made.now))).toEqual({
      outcome: "nothing_to_do",
      next: cancelled,
    });
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Cancelled"]);
    expect(await remindersOf(made.bookingId)).toEqual([]);
  });

  test("is dropped when the booking is moved, and written again for the new start", async () => {
    const made = await reminded();
    const startAt = slot(5);
    await change(made.bookingId, { startAt, endAt: startAt + HOUR_MS, status: "APPROVED", sequence: 1 });
    const { sent, send } = mailbox();
    await deliver(made.id, tools(send, made.now));
    expect(sent).toEqual([]);
    await writeReminders(session(), startAt - REMIND_BEFORE_MS);
    const [again] = await remindersOf(made.bookingId);
    await deliver(again?.id ?? "", tools(send, startAt - HOUR_MS));
    expect(sent).toHaveLength(1);
    // Back at a start of which the customer was reminded already: once is enough.
    await change(made.bookingId, { startAt: slot(6), endAt: slot(6) + HOUR_MS });
    await change(made.bookingId, { startAt, endAt: startAt + HOUR_MS });
    await writeReminders(session(), startAt - HOUR_MS);
    expect(await remindersOf(made.bookingId)).toHaveLength(1);
  });

  test("that could not be sent before the start is recorded as failed and never sent", async () => {
    const { id, startAt } = await reminded();
    const { sent, send } = mailbox();
    expect(await deliver(id, tools(send, startAt))).toMatchObject({ outcome: "failed" });
    expect(sent).toEqual([]);
    expect((await rowOf(id))?.lastError).toContain("had begun");
  });
});

describe("the cron", () => {
  test("queues late notifications, except those that wait for an earlier one", async () => {
    const made = await booked();
    const now = Date.now();
    const [first = "", second = ""] = await notify(
      [noticeOf("booking_received", made), noticeOf("booking_approved", made)],
      now,
    );
    const [early, later] = [queueOf(), queueOf()];
    await runCron(early.queue, env.PHOTOS, tools(mailbox().send, now));
    expect(early.ids).not.toContain(first);
    await runCron(later.queue, env.PHOTOS, tools(mailbox().send, now + 60_000));
    expect(later.ids).toContain(first);
    expect(later.ids).not.toContain(second);
  });

  test("delivers by itself while the queue is down", async () => {
    const made = await booked();
    const now = Date.now();
    const ids = await notify([noticeOf("booking_received", made), noticeOf("booking_approved", made)], now);
    const { sent, send } = mailbox();
    await runCron(queueOf(false).queue, env.PHOTOS, tools(send, now + 60_000));
    // The second replaces the first.
    expect(sent.filter(({ to }) => to === made.customer.email)).toHaveLength(1);
    expect((await Promise.all(ids.map(rowOf))).map((row) => row?.status)).toEqual([undefined, "SENT"]);
  });

  test("runs as scheduled handler, and its queued notifications reach the mailbox", async () => {
    const startAt = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS + 20 * HOUR_MS;
    const { bookingId } = await booked({ startAt, status: "APPROVED" });
    await change(bookingId, { updatedAt: startAt - 30 * HOUR_MS });
    const controller = createScheduledController({ scheduledTime: Date.now(), cron: "* * * * *" });
    await worker.scheduled(controller, env);
    // The queue of the test has a consumer: the Worker itself.
    await expect
      .poll(async () => (await remindersOf(bookingId)).map(({ status }) => status), { timeout: 10_000 })
      .toEqual(["SENT"]);
  });
});
