/** A mail can be followed back to the request that caused it. */
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { notifications } from "../../src/db/schema.ts";
import { deliver, deliverInOrder } from "../../src/notifications/deliver.ts";
import { writerOf } from "../support/faults.ts";
import { watchLog } from "../support/logs.ts";
import { booked, mailbox, noticeOf, notify, tools } from "../support/outbox.ts";
import { car, db, person, slot } from "../support/world.ts";

test("the id of a request goes through the object of the car and the outbox into the mail's header and its log line", async () => {
  const [{ id: customerId, caller }, carId] = [await person(), await car()];
  const command = { type: "book", customerId, startAt: slot(2), notes: "" } as const;
  const made = await writerOf(carId).execute(command, { caller, requestId: "trace-42" });
  const bookingId = made.ok ? (made.booking?.id ?? "") : "";
  const rows = await db.select().from(notifications).where(eq(notifications.bookingId, bookingId));
  expect(rows.map(({ requestId }) => requestId)).toEqual(["trace-42", "trace-42"]);
  const [log, { sent, send }] = [watchLog(), mailbox()];
  for (const { id } of rows) await deliver(id, tools(send));
  expect(sent.map(({ headers }) => headers?.["X-Request-Id"])).toEqual(["trace-42", "trace-42"]);
  const lines = log.lines("notifications.sent");
  log.end();
  expect(lines).toEqual(
    rows.map(({ id }) => expect.objectContaining({ notification: id, request: "trace-42" })),
  );
});

test("a mail that is sent in the delivery of an earlier one names its own request", async () => {
  const made = await booked();
  const [first = ""] = await notify([noticeOf("booking_reminder", made)], Date.now());
  const [second = ""] = await notify([noticeOf("booking_approved", made)], Date.now());
  await db.update(notifications).set({ requestId: "trace-43" }).where(eq(notifications.id, second));
  const { sent, send } = mailbox();
  await deliverInOrder(first, tools(send));
  expect(sent.at(-1)?.headers).toEqual({ "X-Notification-Id": second, "X-Request-Id": "trace-43" });
});
