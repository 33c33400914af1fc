import { env } from "cloudflare:workers";
import { and, eq, isNull } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import {
  bookings,
  emailVerifications,
  notifications,
  passwordResets,
  sessions,
  users,
} from "../../src/db/schema.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { mailbox, noticeOf, notify, tools } from "../support/outbox.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const setActive = async (id: string, is_active: boolean, token: string) =>
  answer(call("PATCH", `/api/users/${id}/`, { token, json: { is_active } }));

/** The notifications to the sales team about the deactivation of a user. */
const digestsOf = async (userId: string) =>
  (await db.select().from(notifications).where(eq(notifications.kind, "staff_user_deactivated"))).filter(
    ({ facts }) => facts["userId"] === userId,
  );

const book = (carId: string, startAt: number, token: string) =>
  answer(call("POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(startAt) } }));

/** A customer with one booking, made through the car's coordinator, which has it in memory. */
async function booked() {
  const [customer, carId] = [await person(), await car({ make: "Škoda", model: "Octavia" })];
  const made = await book(carId, slot(2), customer.token);
  expect(made.status).toBe(201);
  return { customer, carId, bookingId: String(made.body.id) };
}

describe("a deactivation", () => {
  test("cancels the coming test drives, and ends sessions and mailed tokens", async () => {
    const [admin, { customer, bookingId }] = [await person("ADMIN"), await booked()];
    const over = { carId: await car(), customerId: customer.id, startAt: slot(-2) };
    const overId = await booking({ ...over, status: "APPROVED" });
    const token = { userId: customer.id, createdAt: 1, expiresAt: Date.now() + 1e6 };
    await db.insert(passwordResets).values({ tokenHash: crypto.randomUUID(), ...token });
    await db
      .insert(emailVerifications)
      .values({ tokenHash: crypto.randomUUID(), email: customer.email, ...token });

    const done = await setActive(customer.id, false, admin.token);
    expect([done.status, done.body]).toMatchObject([200, { id: customer.id, is_active: false }]);

    const rows = await db.select().from(bookings).where(eq(bookings.customerId, customer.id));
    expect(rows.find(({ id }) => id === bookingId)).toMatchObject({
      status: "CANCELLED",
      sequence: 1,
      reason: "The account was deactivated",
    });
    expect(rows.find(({ id }) => id === overId)).toMatchObject({ status: "APPROVED", sequence: 0 });
    expect((await call("GET", "/api/auth/me/", { token: customer.token })).status).toBe(401);
    for (const [table, open] of [
      [sessions, and(eq(sessions.userId, customer.id), isNull(sessions.endedAt))],
      [passwordResets, and(eq(passwordResets.userId, customer.id), isNull(passwordResets.usedAt))],
      [
        emailVerifications,
        and(eq(emailVerifications.userId, customer.id), isNull(emailVerifications.usedAt)),
      ],
    ] as const)
      expect(await db.$count(table, open)).toBe(0);
  });

  test("leaves a hold that has ended as it is", async () => {
    const [admin, customer, carId] = [await person("ADMIN"), await person(), await car()];
    const hold = { carId, customerId: customer.id, status: "PENDING" } as const;
    const ended = await booking({ ...hold, startAt: slot(2), heldUntil: Date.now() - 1 });
    const current = await booking({ ...hold, startAt: slot(3), heldUntil: Date.now() + 1e6 });
    expect((await setActive(customer.id, false, admin.token)).status).toBe(200);
    const rows = await db.select().from(bookings).where(eq(bookings.carId, carId));
    expect(Object.fromEntries(rows.map(({ id, status }) => [id, status]))).toEqual({
      [ended]: "PENDING",
      [current]: "CANCELLED",
    });
  });

  test("notifies the sales team once, of all cancelled drives, and the customer never", async () => {
    const [admin, { customer, carId }] = [await person("ADMIN"), await booked()];
    expect((await book(carId, slot(3), customer.token)).status).toBe(201);
    await setActive(customer.id, false, admin.token);
    await setActive(customer.id, false, admin.token);
    const [digest, ...others] = await digestsOf(customer.id);
    expect(others).toEqual([]);
    expect(digest).toMatchObject({ recipient: env.EMAIL_STAFF, userId: null });
    expect(digest?.facts).toMatchObject({
      by: admin.username,
      drives: [{ startAt: slot(2) }, { car: "2024 Škoda Octavia", startAt: slot(3) }],
    });
    const toCustomer = await db.select().from(notifications).where(eq(notifications.userId, customer.id));
    expect(toCustomer.map(({ kind }) => kind)).not.toContain("booking_cancelled");
  });

  test("sends the sales team a mail that names the user, the administrator and each drive", async () => {
    const { customer, carId, bookingId, startAt } = { ...(await booked()), startAt: slot(2) };
    const admin = await person("ADMIN");
    const [waiting = ""] = await notify([
      noticeOf("booking_approved", { customer, carId, bookingId, startAt }),
    ]);
    await db
      .update(notifications)
      .set({ nextAttemptAt: Date.now() + 1e7 })
      .where(eq(notifications.userId, customer.id));
    await setActive(customer.id, false, admin.token);
    const [digest] = await digestsOf(customer.id);
    // Deactivation enqueues it; the test takes the row back, to send it to a mailbox of its own.
    await db
      .update(notifications)
      .set({ status: "PENDING", sentAt: null, attempts: 0, nextAttemptAt: 0 })
      .where(eq(notifications.id, digest?.id ?? ""));
    const { sent, send } = mailbox();
    expect((await deliver(digest?.id ?? "", tools(send))).outcome).toBe("sent");
    const [mail] = sent;
    expect(mail?.to).toBe(env.EMAIL_STAFF);
    for (const text of [customer.username, admin.username, "2024 Škoda Octavia"])
      expect(mail?.text).toContain(text);
    expect(await db.$count(notifications, eq(notifications.id, waiting)), "mails that wait").toBe(0);
  });

  test("of a staff member works as well, and the last active administrator stays", async () => {
    const [first, second, seller] = [await person("ADMIN"), await person("ADMIN"), await person("SALES")];
    const others = await db
      .select()
      .from(users)
      .where(and(eq(users.role, "ADMIN"), eq(users.isActive, true)));
    for (const { id } of others)
      if (id !== first.id && id !== second.id)
        expect((await setActive(id, false, first.token)).status).toBe(200);
    expect((await setActive(seller.id, false, first.token)).body.is_active).toBe(false);
    expect((await call("GET", "/api/auth/me/", { token: seller.token })).status).toBe(401);

    const both = await Promise.all([
      setActive(first.id, false, first.token),
      setActive(second.id, false, second.token),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.body.code).toBe("last_admin");
  });

  test("can be taken back; the test drives stay cancelled", async () => {
    const [admin, { customer, bookingId }] = [await person("ADMIN"), await booked()];
    await setActive(customer.id, false, admin.token);
    expect((await setActive(customer.id, true, admin.token)).body.is_active).toBe(true);
    const seen = await answer(call("GET", `/api/users/${customer.id}/`, { token: admin.token }));
    expect(seen.body).toMatchObject({ username: customer.username, is_active: true });
    const [row] = await db.select().from(bookings).where(eq(bookings.id, bookingId));
    expect(row?.status).toBe("CANCELLED");
    expect((await call("GET", "/api/auth/me/", { token: customer.token })).status, "sessions").toBe(401);
  });

  test("of an unknown user is not found", async () => {
    const admin = await person("ADMIN");
    expect((await setActive(crypto.randomUUID(), false, admin.token)).status).toBe(404);
  });
});

describe("the coordinator of a car whose customer was deactivated", () => {
  test("books the freed slot, and neither approves nor moves the cancelled drive, from warm memory", async () => {
    const [admin, other, seller] = [await person("ADMIN"), await person(), await person("SALES")];
    const change = (id: string, verb: string, json?: object) =>
      answer(call("PATCH", `/api/bookings/${id}/${verb}/`, { token: seller.token, json }));
    for (const first of ["book", "approve", "move", "stay"] as const) {
      const { customer, carId, bookingId } = await booked();
      await setActive(customer.id, false, admin.token);
      const given = {
        book: () => book(carId, slot(2), other.token),
        approve: () => change(bookingId, "approve"),
        move: () => change(bookingId, "reschedule", { start_at: iso(slot(4)) }),
        stay: () => change(bookingId, "reschedule", { start_at: iso(slot(2)) }),
      };
      const { status, body } = await given[first]();
      expect([first, status, body.code]).toEqual(
        first === "book" ? [first, 201, undefined] : [first, 409, "illegal_transition"],
      );
      const [row] = await db.select().from(bookings).where(eq(bookings.id, bookingId));
      expect(row).toMatchObject({ status: "CANCELLED", sequence: 1, startAt: slot(2) });
    }
  });

  test("agrees with the database when both happen at once, in every order", async () => {
    const [admin, seller] = [await person("ADMIN"), await person("SALES")];
    const seen = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      const [{ customer, carId, bookingId }, other] = [await booked(), await person()];
      const soon = () => scheduler.wait(Math.random() * 6);
      const [closed, approved, taken, again] = await Promise.all([
        soon().then(() => setActive(customer.id, false, admin.token)),
        soon().then(() =>
          answer(call("PATCH", `/api/bookings/${bookingId}/approve/`, { token: seller.token })),
        ),
        soon().then(() => book(carId, slot(2), other.token)),
        soon().then(() => book(carId, slot(3), customer.token)),
      ]);
      expect(closed.status).toBe(200);
      expect([200, 409]).toContain(approved.status);
      expect([201, 409]).toContain(taken.status);
      expect([201, 401]).toContain(again.status);
      seen.add(`${approved.status} ${taken.status} ${again.status}`);

      const rows = await db.select().from(bookings).where(eq(bookings.carId, carId));
      const own = rows.filter(({ customerId }) => customerId === customer.id);
      expect(own).toHaveLength(again.status === 201 ? 2 : 1);
      for (const { status } of own) expect(status).toBe("CANCELLED");
      const [first] = own.filter(({ id }) => id === bookingId);
      expect(first?.sequence).toBe(approved.status === 200 ? 2 : 1);
      expect(rows.filter(({ customerId }) => customerId === other.id)).toHaveLength(
        taken.status === 201 ? 1 : 0,
      );
      const late = await book(carId, slot(2), other.token);
      expect(late.status).toBe(taken.status === 201 ? 409 : 201);
    }
    expect(seen.size, "different orders").toBeGreaterThan(1);
  });
});
