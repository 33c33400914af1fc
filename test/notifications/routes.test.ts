import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { notifications, sessions, users } from "../../src/db/schema.ts";
import { pageOf } from "../../src/http/pagination.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { notificationSchema } from "../../src/notifications/schemas.ts";
import { databaseWith } from "../support/faults.ts";
import {
  booked,
  mailbox,
  noticeOf,
  notify,
  outboxOf,
  refusal,
  rowOf,
  statusOf,
  tools,
} from "../support/outbox.ts";
import { answer, call, db, person } from "../support/world.ts";

const get = (token: string | undefined, query = "") =>
  answer(call("GET", `/api/notifications/${query}`, { token }));
const replay = (token: string | undefined, id: string) =>
  answer(call("POST", `/api/notifications/${id}/replay/`, { token }));
const idsOf = (body: { results: Array<{ id: string }> }) => body.results.map(({ id }) => id);

describe("the list of notifications", () => {
  test("has each in the promised form, newest first", async () => {
    const admin = await person("ADMIN");
    const made = await outboxOf(["booking_received"]);
    const { first, bookingId, customer } = made;
    await deliver(first, tools(mailbox().send));
    const [second = ""] = await notify([noticeOf("booking_approved", made)]);
    const { status, body } = await get(admin.token, `?booking=${bookingId}`);
    expect(status).toBe(200);
    expect(pageOf(notificationSchema.strict()).parse(body).count).toBe(2);
    expect(idsOf(body)).toEqual([second, first]);
    expect(body.results[1]).toMatchObject({
      id: first,
      kind: "booking_received",
      to: customer.email,
      booking: bookingId,
      sale: null,
      status: "SENT",
      attempts: 1,
      last_error: null,
      created_at: expect.stringMatching(/Z$/),
      sent_at: expect.stringMatching(/Z$/),
    });
    expect(body.results[0]).toMatchObject({ id: second, status: "PENDING", sent_at: null });
  });

  test("can be filtered by status, kind and booking together", async () => {
    const admin = await person("ADMIN");
    const made = await outboxOf(["booking_received"]);
    const { first, bookingId } = made;
    await deliver(first, tools(mailbox(1, refusal("E_RECIPIENT_SUPPRESSED")).send));
    const [second = ""] = await notify([noticeOf("booking_approved", made)]);
    const listed = async (query: string) =>
      idsOf((await get(admin.token, `?booking=${bookingId}&${query}`)).body);
    expect(await listed("status=FAILED")).toEqual([first]);
    expect(await listed("status=PENDING")).toEqual([second]);
    expect(await listed("kind=booking_approved")).toEqual([second]);
    expect(await listed("status=SENT&kind=booking_approved")).toEqual([]);
    expect((await get(admin.token, `?sale=${crypto.randomUUID()}`)).body.count).toBe(0);
  });

  test("can be filtered for late ones, which are still pending after five minutes", async () => {
    const admin = await person("ADMIN");
    const made = await booked();
    const [old = ""] = await notify([noticeOf("booking_received", made)], Date.now() - 6 * 60_000);
    const [fresh = ""] = await notify([noticeOf("booking_approved", made)]);
    const listed = async (late: boolean) =>
      idsOf((await get(admin.token, `?booking=${made.bookingId}&late=${late}`)).body);
    expect(await listed(true)).toEqual([old]);
    expect(await listed(false)).toEqual([fresh]);
    await deliver(old, tools(mailbox().send));
    expect(await listed(true)).toEqual([]);
  });

  test.each(["status=LOST", "kind=gossip", "booking=1", "late=maybe", "late=", "user=1", "page=0"])(
    "refuses %s with the parameter named",
    async (query) => {
      const admin = await person("ADMIN");
      const { status, body } = await get(admin.token, `?${query}`);
      expect(status).toBe(400);
      expect(body.errors[0].field).toBe(query.split("=")[0]);
    },
  );

  test("and the replay are only for ADMIN", async () => {
    const { first } = await outboxOf(["booking_received"]);
    for (const [token, status] of [
      [undefined, 401],
      [(await person("CUSTOMER")).token, 403],
      [(await person("SALES")).token, 403],
    ] as const) {
      expect((await get(token)).status).toBe(status);
      expect((await replay(token, first)).status).toBe(status);
    }
  });
});

describe("replaying a notification", () => {
  const failed = async () => {
    const made = await outboxOf(["booking_received"]);
    await deliver(made.first, tools(mailbox(1, refusal("E_RECIPIENT_SUPPRESSED")).send));
    return made;
  };

  test("that failed makes it pending with all its attempts, and it is delivered", async () => {
    const admin = await person("ADMIN");
    const { first } = await failed();
    const { status, body } = await replay(admin.token, first);
    expect(status).toBe(200);
    expect(notificationSchema.parse(body)).toMatchObject({ id: first, status: "PENDING", attempts: 0 });
    // The queue of the test has a consumer: the Worker itself.
    await expect.poll(() => statusOf(first), { timeout: 10_000 }).toBe("SENT");
  });

  test("sends it to the current address of its reader", async () => {
    const admin = await person("ADMIN");
    const { first, customer } = await failed();
    const right = `right-${customer.email}`;
    await db.update(users).set({ email: right, emailKey: right }).where(eq(users.id, customer.id));
    expect((await replay(admin.token, first)).body.to).toBe(right);
  });

  test("sends one about an address to that address, not to the present one", async () => {
    const admin = await person("ADMIN");
    const customer = await person();
    const id = crypto.randomUUID();
    const failed = { kind: "email_verification", recipient: "old@example.com", status: "FAILED" };
    await env.DB.prepare(
      `INSERT INTO notifications (id, kind, recipient, user_id, facts, status, created_at, next_attempt_at)
       VALUES (?, ?, ?, ?, '{}', ?, 0, 0)`,
    )
      .bind(id, failed.kind, failed.recipient, customer.id, failed.status)
      .run();
    await replay(admin.token, id);
    expect((await rowOf(id))?.recipient).toBe("old@example.com");
  });

  test("is refused when its address was deleted and its reader has none", async () => {
    const admin = await person("ADMIN");
    const { first, customer } = await failed();
    await db.update(notifications).set({ recipient: null }).where(eq(notifications.id, first));
    await db.update(users).set({ email: null, emailKey: null }).where(eq(users.id, customer.id));
    const { status, body } = await replay(admin.token, first);
    expect([status, body.code]).toEqual([409, "recipient_deleted"]);
    expect(await rowOf(first)).toMatchObject({ status: "FAILED", recipient: null });
  });

  test("has no effect when the caller signs out while the request is on its way", async () => {
    const admin = await person("ADMIN");
    const { first } = await failed();
    const DB = databaseWith(async (batch, index) => {
      if (index === 1)
        await db.update(sessions).set({ endedAt: Date.now() }).where(eq(sessions.id, admin.caller.sessionId));
      return batch();
    });
    const context = createExecutionContext();
    const request = new Request(`http://dealership.test/api/notifications/${first}/replay`, {
      method: "POST",
      headers: { Authorization: `Bearer ${admin.token}` },
    });
    const { status, body } = await answer(
      Promise.resolve(createApp().fetch(request, { ...env, DB }, context)),
    );
    expect([status, body.code]).toEqual([401, "invalid_token"]);
    expect(await statusOf(first)).toBe("FAILED");
  });

  test("that was delivered is refused, so that nobody is notified twice", async () => {
    const admin = await person("ADMIN");
    const { first } = await outboxOf(["booking_received"]);
    await deliver(first, tools(mailbox().send));
    const { status, body } = await replay(admin.token, first);
    expect([status, body.code]).toEqual([409, "already_sent"]);
    expect(await statusOf(first)).toBe("SENT");
  });

  test("that is pending does not end the lease of its consumer", async () => {
    const admin = await person("ADMIN");
    const { first } = await outboxOf(["booking_received"]);
    const leased = { attempts: 3, nextAttemptAt: Date.now() + 60_000 };
    await db.update(notifications).set(leased).where(eq(notifications.id, first));
    expect((await replay(admin.token, first)).body).toMatchObject({ status: "PENDING", attempts: 3 });
    expect(await rowOf(first)).toMatchObject(leased);
  });

  test("twice concurrently has one effect", async () => {
    const admin = await person("ADMIN");
    const { first } = await failed();
    const answers = await Promise.all([replay(admin.token, first), replay(admin.token, first)]);
    // The second may find it delivered already.
    for (const { status } of answers) expect([200, 409]).toContain(status);
    await expect.poll(() => statusOf(first), { timeout: 10_000 }).toBe("SENT");
    expect(await rowOf(first)).toMatchObject({ attempts: 1 });
  });

  test("that does not exist is not found", async () => {
    const admin = await person("ADMIN");
    expect((await replay(admin.token, crypto.randomUUID())).status).toBe(404);
    expect((await replay(admin.token, "1")).status).toBe(404);
  });
});
