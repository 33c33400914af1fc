/** What salespeople and the showroom read about test drives, from the fact to the mail. */
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { notifications, users } from "../../src/db/schema.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { mailbox, tools } from "../support/outbox.ts";
import { daily, openShowroom, salesperson, work } from "../support/showroom.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");

type Person = Awaited<ReturnType<typeof person>>;

/** A drive in a showroom that assigns; its mails so far are delivered. */
async function driven(people = 1) {
  const room = await openShowroom(admin, {}, { email: "mitte@example.com" });
  for (let n = 0; n < people; n += 1) await salesperson(admin, room);
  const customer = await person("CUSTOMER", { firstName: "Ann", lastName: "Arbor", phone: "+49 30 1" });
  const carId = await car({ showroomId: room });
  const json = { car: carId, start_at: iso(slot(3, 2)) };
  const { status, body } = await answer(call("POST", "/api/bookings/", { token: customer.token, json }));
  expect(status).toBe(201);
  const [owner] = await db.select().from(users).where(eq(users.id, body.salesperson));
  if (!owner) throw new Error("no salesperson");
  const first = await mailsAbout(body.id);
  return { room, customer, carId, id: body.id as string, sam: owner, first };
}

/** Delivers what is pending about a booking, and returns it. */
async function mailsAbout(bookingId: string) {
  const { sent, send } = mailbox();
  const rows = await db
    .select()
    .from(notifications)
    .where(eq(notifications.bookingId, bookingId))
    .orderBy(notifications.id);
  for (const { id, status } of rows) if (status === "PENDING") await deliver(id, tools(send));
  return sent;
}

/** Recipient and subject, up to the name of the car, of mails. */
const heads = (mails: EmailMessageBuilder[]) =>
  mails.map(({ to, subject }) => `${to} ${/^[^:]+/.exec(subject)?.[0]}`).sort();

const change = async (who: Person, id: string, verb: string, json?: object) => {
  const { status } = await call("PATCH", `/api/bookings/${id}/${verb}/`, { token: who.token, json });
  expect(status).toBe(200);
};

describe("the salesperson of a drive", () => {
  test("learns how to reach its customer, who answers to a reply, and the customer who awaits them", async () => {
    const { first, sam, customer } = await driven();
    const [toCustomer, toStaff] = first;
    expect(heads(first)).toEqual(
      [`${customer.email} We have your request`, `${sam.email} New test drive`].sort(),
    );
    expect(toStaff?.replyTo).toBe(customer.email);
    for (const text of [
      "Customer: Ann Arbor",
      "Phone: +49 30 1",
      `E-mail: ${customer.email} (not confirmed)`,
    ])
      expect(toStaff?.text).toContain(text);
    expect(toCustomer?.replyTo).toBe(env.EMAIL_STAFF);
    // They have no name yet.
    expect(toCustomer?.text).not.toContain("Your contact");
  });

  test("is named to the customer as they are when the mail is sent", async () => {
    const { id, room, sam } = await driven();
    await db.update(users).set({ firstName: "Sam", lastName: "Sommer" }).where(eq(users.id, sam.id));
    await change(admin, id, "approve");
    const sue = await person("SALES", { firstName: "Sue", lastName: "Summers" });
    await work(admin, sue, daily(room));
    await change(admin, id, "assign", { salesperson: sue.id });
    const confirmed = (await mailsAbout(id)).find(({ subject }) => subject.startsWith("Confirmed"));
    expect(confirmed?.text).toContain("Your contact: Sue Summers");
  });

  test.each([
    ["cancel", "Cancelled test drive", "A colleague cancelled it."],
    ["decline", "Declined test drive", "A colleague declined it."],
  ])(
    "is notified when a colleague does this: %s; and not when they do it themselves",
    async (verb, head, text) => {
      const { id, sam } = await driven();
      await change(admin, id, verb, { reason: "Snow" });
      const mail = (await mailsAbout(id)).find(({ to }) => to === sam.email);
      expect([mail?.subject.startsWith(head), mail?.text?.includes(text)]).toEqual([true, true]);
      expect(mail?.text).toContain("The reason:\n> Snow");
      const room = await openShowroom(admin);
      const sue = await salesperson(admin, room);
      const carId = await car({ showroomId: room });
      const json = { car: carId, start_at: iso(slot(3, 2)) };
      const { body } = await answer(call("POST", "/api/bookings/", { token: (await person()).token, json }));
      await mailsAbout(body.id);
      await change(sue, body.id, verb);
      expect((await mailsAbout(body.id)).map(({ to }) => to)).not.toContain(sue.email);
    },
  );

  test("is notified of a move; when it goes to a colleague, both are notified, and nobody else", async () => {
    const { id, sam, customer, room } = await driven(2);
    await change(customer, id, "reschedule", { start_at: iso(slot(3, 3)) });
    expect(heads(await mailsAbout(id))).toEqual(
      [`${customer.email} New time for your test drive`, `${sam.email} Moved test drive`].sort(),
    );
    const json = { from: iso(slot(3, 5)), to: iso(slot(3, 6)) };
    const away = await call("POST", `/api/staff/${sam.id}/absences/`, { token: admin.token, json });
    expect(away.status).toBe(201);
    await change(customer, id, "reschedule", { start_at: iso(slot(3, 5)) });
    const { body } = await answer(call("GET", `/api/bookings/${id}/`, { token: admin.token }));
    const [sue] = await db.select().from(users).where(eq(users.id, body.salesperson));
    expect([sue?.id === sam.id, body.showroom]).toEqual([false, room]);
    const mails = await mailsAbout(id);
    expect(heads(mails)).toEqual(
      [
        `${customer.email} New time for your test drive`,
        `${sue?.email} Reassigned test drive`,
        `${sam.email} Reassigned test drive`,
      ].sort(),
    );
    const taken = mails.find(({ to }) => to === sam.email);
    expect(taken?.text).toContain("A test drive is no longer yours");
    expect(taken?.replyTo).toBe(env.EMAIL_STAFF);
    expect(taken?.text).not.toContain("Arbor");
    expect(mails.find(({ to }) => to === sue?.email)?.text).toContain("A test drive is yours now");
  });

  test("is notified when the car leaves the stock, and when the account of the customer is closed", async () => {
    const gone = await driven();
    expect((await call("DELETE", `/api/cars/${gone.carId}/`, { token: admin.token })).status).toBe(204);
    const mail = (await mailsAbout(gone.id)).find(({ to }) => to === gone.sam.email);
    expect(mail?.text).toContain("The car is no longer for sale.");
    const closed = await driven();
    const json = { is_active: false };
    const path = `/api/users/${closed.customer.id}/`;
    expect((await call("PATCH", path, { token: admin.token, json })).status).toBe(200);
    const mails = await mailsAbout(closed.id);
    expect(heads(mails)).toEqual([`${closed.sam.email} Cancelled test drive`]);
    expect(mails[0]?.text).toContain("The account of the customer was closed.");
  });

  test("is notified when new hours of the showroom cancel the drive", async () => {
    const { id, sam, room, customer } = await driven();
    const path = `/api/showrooms/${room}/?cancel_outside=true&reason=Works`;
    const closed = await answer(call("PATCH", path, { token: admin.token, json: { hours: {} } }));
    expect([closed.status, closed.body.errors]).toEqual([200, undefined]);
    expect(heads(await mailsAbout(id))).toEqual(
      [`${customer.email} Cancelled`, `${sam.email} Cancelled test drive`].sort(),
    );
  });
});

describe("the address of the showroom", () => {
  test("is notified of a drive whose salesperson has left and for which nobody is free; they are not notified", async () => {
    const { id, sam } = await driven();
    const json = { is_active: false };
    const left = await answer(call("PATCH", `/api/staff/${sam.id}/`, { token: admin.token, json }));
    expect(left.body.bookings_unassigned).toEqual([id]);
    const mails = await mailsAbout(id);
    expect(heads(mails)).toEqual(["mitte@example.com Unassigned test drive"]);
    expect(mails[0]?.text).toContain("Nobody drives along yet");
    // Nothing but the mail from when the drive was theirs.
    expect(await db.$count(notifications, eq(notifications.userId, sam.id))).toBe(1);
  });

  test("gets the mail of a salesperson without an address, with their name", async () => {
    const { id, room } = await driven();
    const sue = await person("SALES", { email: null, emailKey: null, firstName: "Sue", lastName: "Summers" });
    await work(admin, sue, daily(room));
    await change(admin, id, "assign", { salesperson: sue.id });
    const toShowroom = (await mailsAbout(id)).find(({ to }) => to === "mitte@example.com");
    expect(toShowroom?.text).toContain("Salesperson: Sue Summers");
    expect(toShowroom?.text).toContain("A test drive has another salesperson");
  });
});

test("a mail to a salesperson who has left since is not sent", async () => {
  const room = await openShowroom(admin);
  const sam = await salesperson(admin, room);
  const json = { car: await car({ showroomId: room }), start_at: iso(slot(3, 2)) };
  const { body } = await answer(call("POST", "/api/bookings/", { token: (await person()).token, json }));
  await db.update(users).set({ isActive: false }).where(eq(users.id, sam.id));
  expect((await mailsAbout(body.id)).map(({ to }) => to)).not.toContain(sam.email);
  const rows = await db.select().from(notifications).where(eq(notifications.bookingId, body.id));
  expect(rows.find(({ userId }) => userId === sam.id)).toMatchObject({ status: "FAILED" });
});
