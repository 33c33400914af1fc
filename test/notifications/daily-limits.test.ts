import { env } from "cloudflare:workers";
import { eq, inArray } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { afterEach, describe, expect, test, vi } from "vitest";
import { runCron } from "../../src/cron.ts";
import { mailCounts, notifications } from "../../src/db/schema.ts";
import {
  dayOf,
  endOf,
  RESET_MAILS_PER_DAY,
  readerOf,
  UNVERIFIED_MAILS_PER_DAY,
} from "../../src/notifications/daily-limits.ts";
import { type DeliveryTools, deliver, deliverInOrder } from "../../src/notifications/deliver.ts";
import type { BookingKind, Notice } from "../../src/outbox/notices.ts";
import { foldCase } from "../../src/shared/text.ts";
import { booked, HOUR_MS, mailbox, noticeOf, notify, queueOf, rowOf, tools } from "../support/outbox.ts";
import { db, person } from "../support/world.ts";

/** The noon of a day that no other test uses. */
let lastDay = dayOf(Date.parse("2030-01-01"));
const nextNoon = (): number => {
  lastDay += 10;
  return endOf(lastDay - 1) + 12 * HOUR_MS;
};

const countOf = async (now: number, reader = "*"): Promise<number> =>
  (
    await db
      .select()
      .from(mailCounts)
      .where(eq(mailCounts.day, dayOf(now)))
  ).find((row) => row.reader === reader)?.n ?? 0;

type Reader = Awaited<ReturnType<typeof person>>;

const emailed = (email: string) => ({ email, emailKey: foldCase(email) });
const verified = (): Promise<Reader> => person("CUSTOMER", { emailVerifiedAt: 1 });
const reset = ({ id }: Reader): Notice => ({ kind: "password_reset", to: { userId: id }, facts: {} });

/** Writes a notification of each of so many bookings, so that none replaces another. */
async function received(customer: Reader, count: number, now: number): Promise<string[]> {
  const made = await booked();
  const bookings = Array.from({ length: count }, () => uuidv7());
  await env.DB.prepare(
    `INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, status, created_at, updated_at)
     SELECT value, ?2, ?3, 0, 3600000, 'CANCELLED', 0, 0 FROM json_each(?1)`,
  )
    .bind(JSON.stringify(bookings), made.carId, customer.id)
    .run();
  return notify(
    bookings.map((bookingId) => noticeOf("booking_received", { ...made, customer, bookingId })),
    now,
  );
}

const deliverAll = async (ids: string[], using: DeliveryTools) => {
  for (const id of ids) await deliver(id, using);
};

const statusesOf = async (ids: string[]) =>
  Object.fromEntries(
    (
      await env.DB.prepare(
        "SELECT status, count(*) AS n FROM notifications WHERE id IN (SELECT value FROM json_each(?)) GROUP BY status",
      )
        .bind(JSON.stringify(ids))
        .all<{ status: string; n: number }>()
    ).results.map(({ status, n }) => [status, n]),
  );

describe("an address that is not verified", () => {
  test("gets five mails a day; the sixth is recorded as failed, without an attempt to send it", async () => {
    const now = nextNoon();
    const ids = await received(await person(), 6, now);
    const { sent, send } = mailbox();
    await deliverAll(ids, tools(send, now));
    expect(sent).toHaveLength(UNVERIFIED_MAILS_PER_DAY);
    expect(await rowOf(ids[5] ?? "")).toMatchObject({
      status: "FAILED",
      attempts: 0,
      lastError: "not sent: 5 mails were sent to this address on this day (UTC)",
    });
    expect(await countOf(now)).toBe(5);
  });

  test("gets five more on the next day", async () => {
    const now = nextNoon();
    const customer = await person();
    await deliverAll(await received(customer, 5, now), tools(mailbox().send, now));
    const { sent, send } = mailbox();
    const tomorrow = endOf(dayOf(now));
    await deliverAll(await received(customer, 5, tomorrow), tools(send, tomorrow));
    expect(sent).toHaveLength(5);
  });

  test("is the same for all accounts that have it, however they spell it", async () => {
    const now = nextNoon();
    const [one, other] = [
      await person("CUSTOMER", emailed("Victim@example.com")),
      await person("CUSTOMER", emailed("victim@EXAMPLE.com")),
    ];
    const ids = [...(await received(one, 3, now)), ...(await received(other, 3, now))];
    const { sent, send } = mailbox();
    await deliverAll(ids, tools(send, now));
    expect(sent).toHaveLength(5);
    expect(await countOf(now, await readerOf("victim@example.com"))).toBe(5);
  });

  test("is also the new address of a verified account, while its change waits for verification", async () => {
    const now = nextNoon();
    const customer = await person("CUSTOMER", { emailVerifiedAt: 1, pendingEmail: "pending@example.com" });
    const ids = await received(customer, 6, now);
    await db
      .update(notifications)
      .set({ recipient: "pending@example.com" })
      .where(inArray(notifications.id, ids));
    const { sent, send } = mailbox();
    await deliverAll(ids, tools(send, now));
    expect(sent).toHaveLength(5);
  });

  test("gets no more than five by any number of concurrent consumers", async () => {
    const now = nextNoon();
    const ids = await received(await person(), 12, now);
    const { sent, send } = mailbox();
    await Promise.all(ids.map((id) => deliver(id, tools(send, now))));
    expect(sent).toHaveLength(5);
    expect(await countOf(now)).toBe(5);
  });

  test("gets mails that could not be sent before: failed attempts do not count", async () => {
    const now = nextNoon();
    const ids = await received(await person(), 5, now);
    await deliverAll(ids, tools(mailbox(5).send, now));
    expect(await countOf(now)).toBe(0);
    const { sent, send } = mailbox();
    await deliverAll(ids, tools(send, now + HOUR_MS));
    expect(sent).toHaveLength(5);
    expect(await countOf(now)).toBe(5);
  });

  test("gets mails after others that were replaced: these do not count", async () => {
    const now = nextNoon();
    const made = await booked();
    const kinds: BookingKind[] = [
      "booking_received",
      ...Array<BookingKind>(8).fill("booking_rescheduled"),
      "booking_approved",
    ];
    const [first = ""] = await notify(
      kinds.map((kind, sequence) => noticeOf(kind, made, { sequence, previousStartAt: made.startAt })),
      now,
    );
    const { sent, send } = mailbox();
    await deliverInOrder(first, tools(send, now));
    expect(sent.map(({ subject }) => subject.split(":")[0])).toEqual(["Confirmed at a new time"]);
    expect(await countOf(now, await readerOf(made.customer.email))).toBe(1);
    expect(await countOf(now)).toBe(1);
  });

  test("is none of a verified account, nor the mailbox of the sales team", async () => {
    const now = nextNoon();
    const made = await booked();
    const ids = await received(await verified(), 8, now);
    for (let n = 0; n < 8; n += 1) {
      const [id = ""] = await notify([noticeOf("staff_booking", made)], now);
      await deliver(id, tools(mailbox().send, now));
    }
    const { sent, send } = mailbox();
    await deliverAll(ids, tools(send, now));
    expect(sent).toHaveLength(8);
    expect(await countOf(now)).toBe(16);
  });
});

test("an address gets twenty password reset mails a day, also when it is verified", async () => {
  const now = nextNoon();
  const customer = await verified();
  const ids = await notify(
    Array.from({ length: 21 }, () => reset(customer)),
    now,
  );
  const { sent, send } = mailbox();
  await deliverAll(ids, tools(send, now));
  expect(sent).toHaveLength(RESET_MAILS_PER_DAY);
  expect(await statusesOf(ids)).toEqual({ SENT: 20, FAILED: 1 });
});

describe("the limit of all mails of a day", () => {
  const limited = (send: DeliveryTools["send"], now: number): DeliveryTools => {
    const usual = tools(send, now);
    return { ...usual, config: { ...usual.config, maxMailsPerDay: 10 } };
  };
  const errors = vi.spyOn(console, "error");
  afterEach(() => errors.mockClear());
  const reported = () =>
    errors.mock.calls
      .map(([line]) => JSON.parse(String(line)))
      .filter(({ event }) => event === "notifications.daily_limit_reached");

  test("lets all but account mails wait for the next day, when nine tenths are sent", async () => {
    const now = nextNoon();
    const ids = await received(await verified(), 12, now);
    const { sent, send } = mailbox();
    await deliverAll(ids, limited(send, now));
    expect(sent).toHaveLength(9);
    for (const id of ids.slice(9))
      expect(await rowOf(id)).toMatchObject({
        status: "PENDING",
        attempts: 0,
        nextAttemptAt: endOf(dayOf(now)),
        lastError: expect.stringContaining("daily limit"),
      });
    expect(reported()).toEqual([expect.objectContaining({ limit: 10, accountMails: false })]);
  });

  test("leaves the last tenth to account mails, which then wait too", async () => {
    const now = nextNoon();
    const customer = await verified();
    await deliverAll(await received(customer, 10, now), limited(mailbox().send, now));
    const resets = await notify([reset(customer), reset(customer), reset(customer)], now);
    const { sent, send } = mailbox();
    await deliverAll(resets, limited(send, now));
    expect(sent).toHaveLength(1);
    expect(await statusesOf(resets)).toEqual({ SENT: 1, PENDING: 2 });
    expect(await countOf(now)).toBe(10);
    expect(reported().map(({ accountMails }) => accountMails)).toEqual([false, true]);
  });

  test("is kept by concurrent consumers", async () => {
    const now = nextNoon();
    const ids = await received(await verified(), 20, now);
    const { sent, send } = mailbox();
    await Promise.all(ids.map((id) => deliver(id, limited(send, now))));
    expect(sent).toHaveLength(9);
    expect(reported()).toHaveLength(1);
  });

  test("neither uses the queue nor the cron until the next day, when all are sent", async () => {
    const now = nextNoon();
    const ids = await received(await verified(), 12, now);
    await deliverAll(ids, limited(mailbox().send, now));
    const waiting = ids.slice(9);
    const queuedAt = async (at: number) => {
      const { ids: queued, queue } = queueOf();
      await runCron(queue, env.PHOTOS, limited(mailbox().send, at));
      return waiting.filter((id) => queued.includes(id));
    };
    const midnight = endOf(dayOf(now));
    expect(await queuedAt(now + 5 * 60_000)).toEqual([]);
    expect(await queuedAt(midnight - 1)).toEqual([]);
    expect(await queuedAt(midnight + 60_000)).toEqual(waiting);
    const { sent, send } = mailbox();
    await deliverAll(waiting, limited(send, midnight + 60_000));
    expect(sent).toHaveLength(3);
    expect(await rowOf(waiting[0] ?? "")).toMatchObject({ status: "SENT", attempts: 1, lastError: null });
  });

  test("does not keep an obsolete notification", async () => {
    const now = nextNoon();
    await deliverAll(await received(await verified(), 9, now), limited(mailbox().send, now));
    const made = await booked();
    const [first = "", second = ""] = await notify(
      [noticeOf("booking_received", made), noticeOf("booking_approved", made)],
      now,
    );
    await deliverInOrder(first, limited(mailbox().send, now));
    expect(await rowOf(first)).toBeUndefined();
    expect(await rowOf(second)).toMatchObject({ status: "PENDING", nextAttemptAt: endOf(dayOf(now)) });
    expect(await countOf(now)).toBe(9);
  });
});

test("a mail costs two round trips, and three when its address has a limit of its own", async () => {
  const now = nextNoon();
  const costOf = async (id: string) => {
    const using = tools(mailbox().send, now);
    expect(await deliver(id, using)).toMatchObject({ outcome: "sent" });
    return using.db.cost();
  };
  const [first = "", free = ""] = await received(await verified(), 2, now);
  const [opening = "", limited = ""] = await received(await person(), 2, now);
  await costOf(first);
  await costOf(opening);
  expect([await costOf(free), await costOf(limited)]).toMatchObject([
    { trips: 2, rowsWritten: 4 },
    { trips: 3, rowsWritten: 5 },
  ]);
});
