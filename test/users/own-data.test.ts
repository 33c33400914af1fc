import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { getTableColumns } from "drizzle-orm/utils";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { hashPassword } from "../../src/auth/passwords.ts";
import {
  bookings,
  commissions,
  emailVerifications,
  idempotencyKeys,
  notifications,
  passwordResets,
  sales,
  sessions,
  users,
} from "../../src/db/schema.ts";
import type { Deps } from "../../src/deps.ts";
import { exportSchema } from "../../src/users/schemas.ts";
import { EXPORT_PAGE } from "../../src/users/store.ts";
import { eraseUser } from "../../src/users/use-cases.ts";
import { HOUR_MS, queueOf, session } from "../support/outbox.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const PASSWORD = "a quiet engine";
/** One hash for all, because hashing takes a quarter of a second. */
const hash = hashPassword(PASSWORD);

/** A customer whose every field contains the marker: a void sale, drives that are over and coming, mails sent and not. */
async function marked(marker: string) {
  const [seller, admin, carId, coming] = [
    await person("SALES"),
    await person("ADMIN"),
    await car(),
    await car(),
  ];
  const username = `user-${marker}`;
  const customer = await person("CUSTOMER", {
    username,
    usernameKey: username.toLowerCase(),
    email: `${marker}@example.com`,
    emailKey: `${marker}@example.com`.toLowerCase(),
    pendingEmail: `new-${marker}@example.com`,
    firstName: `First ${marker}`,
    lastName: `Last ${marker}`,
    phone: marker,
    passwordHash: await hash,
  });
  const post = (path: string, token: string, json: object) =>
    answer(call("POST", path, { token, json, headers: { "Idempotency-Key": crypto.randomUUID() } }));
  const booked = await post("/api/bookings/", customer.token, {
    car: coming,
    start_at: iso(slot(2)),
    notes: `notes ${marker}`,
  });
  expect(booked.status).toBe(201);
  const past = { carId: coming, customerId: customer.id, notes: marker, reason: marker };
  await booking({ ...past, startAt: slot(-3), status: "CANCELLED" });
  await booking({ ...past, startAt: slot(-2), status: "APPROVED" });
  const sell = (remarks: string) =>
    post("/api/sales/", seller.token, {
      car: carId,
      customer: customer.id,
      sale_price: 100,
      payment_method: "CASH",
      remarks,
    });
  const sold = await sell(`first ${marker}`);
  const voided = await answer(
    call("POST", `/api/sales/${sold.body.id}/void/`, { token: admin.token, json: { reason: marker } }),
  );
  expect(voided.status).toBe(200);
  expect((await sell(`second ${marker}`)).status).toBe(201);
  const token = { userId: customer.id, createdAt: 1, expiresAt: 2 };
  await db.insert(passwordResets).values({ tokenHash: crypto.randomUUID(), ...token });
  await db
    .insert(emailVerifications)
    .values({ tokenHash: crypto.randomUUID(), email: `new-${marker}@example.com`, ...token });
  const mail = {
    kind: "booking_declined" as const,
    recipient: `${marker}@example.com`,
    userId: customer.id,
    bookingId: String(booked.body.id),
    facts: { reason: marker },
    createdAt: 1,
    nextAttemptAt: Date.now() + HOUR_MS,
  };
  await db.insert(notifications).values([
    { ...mail, id: crypto.randomUUID() },
    { ...mail, id: crypto.randomUUID(), status: "FAILED", lastError: `no mailbox ${marker}` },
    { ...mail, id: crypto.randomUUID(), status: "SENT", sentAt: 1, lastError: marker },
  ]);
  return { customer, coming, bookingId: String(booked.body.id), seller, admin };
}

/** Every place in the database whose text contains the marker in any case, as `table.column`. */
async function placesOf(marker: string): Promise<string[]> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'",
  ).all<{ name: string }>();
  expect(tables.length).toBeGreaterThan(15);
  const places = new Set<string>();
  for (const { name } of tables) {
    const { results } = await env.DB.prepare(`SELECT * FROM "${name}"`).all();
    for (const row of results)
      for (const [column, value] of Object.entries(row)) {
        const text = Array.isArray(value) ? Buffer.from(value).toString("latin1") : String(value);
        if (text.toLowerCase().includes(marker.toLowerCase())) places.add(`${name}.${column}`);
      }
  }
  return [...places].sort();
}

const erase = (token: string, password: string, bindings: object = {}) =>
  answer(
    Promise.resolve(
      createApp().fetch(
        new Request("http://dealership.test/api/auth/me/", {
          method: "DELETE",
          headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
          body: JSON.stringify({ password }),
        }),
        { ...env, ...bindings },
        { waitUntil: (work: Promise<unknown>) => work, passThroughOnException() {}, props: {} } as never,
      ),
    ),
  );

const newMarker = () => crypto.randomUUID().replaceAll("-", "");

describe("the erasure of a customer's own data", () => {
  test("leaves nothing of them in any table, object or queue message", async () => {
    const marker = newMarker();
    const { customer } = await marked(marker);
    expect(await placesOf(marker)).toEqual(
      [
        "bookings.notes",
        "bookings.reason",
        "email_verifications.email",
        "idempotency_keys.body",
        "notifications.facts",
        "notifications.last_error",
        "notifications.recipient",
        "sales.remarks",
        "sales.void_reason",
        ...["email", "email_key", "first_name", "last_name", "pending_email", "phone"].map(
          (c) => `users.${c}`,
        ),
        "users.username",
        "users.username_key",
      ].sort(),
    );
    const { ids, queue } = queueOf();
    expect((await erase(customer.token, PASSWORD, { NOTIFICATIONS: queue })).status).toBe(204);
    expect(await placesOf(marker)).toEqual([]);
    const { objects } = await env.PHOTOS.list({ include: ["customMetadata", "httpMetadata"] });
    expect(JSON.stringify(objects).toLowerCase()).not.toContain(marker);
    expect(ids).toHaveLength(1);
    expect(await db.$count(notifications, eq(notifications.id, ids[0] ?? ""))).toBe(1);
  });

  test("keeps bookings, sales and commissions without free texts, and cancels the coming drives", async () => {
    const { customer, coming, bookingId, seller } = await marked(newMarker());
    const before = await db.select().from(sales).where(eq(sales.customerId, customer.id));
    expect((await erase(customer.token, PASSWORD)).status).toBe(204);
    const [user] = await db.select().from(users).where(eq(users.id, customer.id));
    expect(user).toMatchObject({ username: `erased-${customer.id}`, isActive: false, email: null });
    expect(user?.erasedAt).toBeGreaterThan(0);
    const drives = await db.select().from(bookings).where(eq(bookings.customerId, customer.id));
    expect(drives.map(({ status }) => status).sort()).toEqual(["APPROVED", "CANCELLED", "CANCELLED"]);
    expect(drives.find(({ id }) => id === bookingId)).toMatchObject({ status: "CANCELLED", sequence: 1 });
    const kept = await db.select().from(sales).where(eq(sales.customerId, customer.id));
    expect(kept).toEqual(
      before.map((sale) => ({ ...sale, remarks: "", voidReason: sale.voidReason === null ? null : "" })),
    );
    // Each of the two sales, and the reversal of the void one.
    expect(await db.$count(commissions, eq(commissions.salespersonId, seller.id))).toBe(3);
    expect(await db.$count(sessions, eq(sessions.userId, customer.id))).toBe(0);

    // The car's coordinator had the drive and its notes in memory.
    const other = await person();
    const json = { car: coming, start_at: iso(slot(2)) };
    expect((await call("POST", "/api/bookings/", { token: other.token, json })).status).toBe(201);
    const past = drives.find(({ status }) => status === "APPROVED")?.id;
    const done = await answer(call("PATCH", `/api/bookings/${past}/complete/`, { token: seller.token }));
    expect([done.status, done.body.notes]).toEqual([200, ""]);
  });

  test("needs the password, and is answered 401 when repeated or when the user logs in again", async () => {
    const { customer } = await marked(newMarker());
    const wrong = await erase(customer.token, "a wrong engine");
    expect([wrong.status, wrong.body.errors[0]]).toMatchObject([400, { field: "password", code: "wrong" }]);
    expect((await call("GET", "/api/auth/me/", { token: customer.token })).status).toBe(200);
    expect((await erase(customer.token, PASSWORD)).status).toBe(204);
    expect((await erase(customer.token, PASSWORD)).status).toBe(401);
    for (const username of [customer.username, `${customer.email}`, `erased-${customer.id}`])
      expect(
        (await call("POST", "/api/auth/login/", { json: { username, password: PASSWORD } })).status,
      ).toBe(401);
  });

  test("frees the username and the address, and cannot be taken back", async () => {
    const { customer, admin } = await marked(newMarker());
    const [{ username, email }] = (await db
      .select()
      .from(users)
      .where(eq(users.id, customer.id))) as never as [{ username: string; email: string }];
    await erase(customer.token, PASSWORD);
    const path = `/api/users/${customer.id}/`;
    expect((await call("PATCH", path, { token: admin.token, json: { is_active: true } })).status).toBe(404);
    expect((await call("GET", path, { token: admin.token })).status).toBe(404);
    const json = { username, email, password: "another quiet engine" };
    expect((await call("POST", "/api/auth/register/", { json })).status).toBe(201);
    const sale = { car: await car(), customer: customer.id, sale_price: 1, payment_method: "CASH" };
    expect((await call("POST", "/api/sales/", { token: admin.token, json: sale })).status).toBe(400);
  });

  test("happens once when it is sent twice at the same time, with one mail to the sales team", async () => {
    const { customer } = await marked(newMarker());
    const both = await Promise.all([erase(customer.token, PASSWORD), erase(customer.token, PASSWORD)]);
    expect(both.map(({ status }) => status).sort()).toEqual([204, 401]);
    const digests = await db
      .select()
      .from(notifications)
      .where(eq(notifications.kind, "staff_user_deactivated"));
    const own = digests.filter(({ facts }) => facts["userId"] === customer.id);
    expect(own.map(({ facts }) => [facts["by"], facts["erased"]])).toEqual([[null, 1]]);
  });
});

describe("the erasure by an administrator", () => {
  const deps = (): Deps =>
    ({
      env: { ...env, NOTIFICATIONS: queueOf().queue },
      config: { email: { staff: env.EMAIL_STAFF } },
      db: session(),
      now: Date.now(),
      requestId: "test",
      afterwards: () => {},
      stockChanged: () => {},
      purge: () => {},
    }) as unknown as Deps;

  test("is refused for a staff member until the employment has ended", async () => {
    const [admin, seller] = [await person("ADMIN"), await person("SALES")];
    expect(await eraseUser(deps(), admin.caller, seller.id)).toMatchObject({
      ok: false,
      refusal: { code: "forbidden", detail: expect.stringContaining("employment") },
    });
    await call("PATCH", `/api/users/${seller.id}/`, { token: admin.token, json: { is_active: false } });
    expect(await eraseUser(deps(), admin.caller, seller.id)).toMatchObject({ ok: true });
    const [row] = await db.select().from(users).where(eq(users.id, seller.id));
    expect(row?.username).toBe(`erased-${seller.id}`);
  });

  test("of an unknown or an erased user is not found", async () => {
    const [admin, customer] = [await person("ADMIN"), await person()];
    expect(await eraseUser(deps(), admin.caller, customer.id)).toMatchObject({ ok: true });
    for (const id of [customer.id, crypto.randomUUID()])
      expect(await eraseUser(deps(), admin.caller, id)).toMatchObject({ refusal: { code: "not_found" } });
  });
});

describe("the export of a user's own data", () => {
  const exported = (token: string, query = "") =>
    answer(call("GET", `/api/auth/me/export/${query}`, { token }));

  test("is a file of all that is stored about a customer, and of nothing else", async () => {
    const marker = newMarker();
    const { customer, bookingId } = await marked(marker);
    await marked(newMarker());
    const { status, body, headers } = await exported(customer.token);
    expect(status).toBe(200);
    expect(headers.get("Content-Disposition")).toBe('attachment; filename="personal-data.json"');
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(exportSchema.parse(body)).toEqual(body);
    expect(body).toMatchObject({
      account: { id: customer.id, pending_email: `new-${marker}@example.com`, last_name: `Last ${marker}` },
      employment: null,
      commissions: [],
      next: null,
    });
    expect(body.bookings[0]).toMatchObject({ id: bookingId, notes: `notes ${marker}` });
    expect(body.bookings).toHaveLength(3);
    expect(body.purchases.map(({ remarks }: { remarks: string }) => remarks)).toEqual([
      `second ${marker}`,
      `first ${marker}`,
    ]);
    expect(body.notifications.map(({ facts }: { facts: object }) => facts)).toContainEqual({
      reason: marker,
    });
    expect(body.sessions).toHaveLength(1);
    expect(JSON.stringify(body)).not.toContain("scrypt");
    expect(Object.keys(body.purchases[0])).not.toContain("commissions");
  });

  test("names every column of a user but the hash of the password and internal ones", async () => {
    const { customer } = await marked(newMarker());
    const { account } = (await exported(customer.token)).body;
    const internal = ["usernameKey", "emailKey", "passwordHash", "isActive", "erasedAt"];
    const { email_verified: _, ...stored } = account;
    const columns = Object.entries(getTableColumns(users))
      .filter(([member]) => !internal.includes(member))
      .map(([, column]) => column.name);
    expect(Object.keys(stored).sort()).toEqual(columns.sort());
  });

  test("has the employment and the commissions of a staff member", async () => {
    const { seller } = await marked(newMarker());
    const { body } = await exported(seller.token);
    expect(body.employment).toMatchObject({ commission_rate: "2.50" });
    expect(body.commissions).toHaveLength(3);
    expect(body.purchases).toEqual([]);
  });

  test("comes in pages that together hold each row once", async () => {
    const [customer, carId] = [await person(), await car()];
    const row = { carId, customerId: customer.id, status: "CANCELLED" as const };
    for (let n = 0; n <= EXPORT_PAGE; n += 50)
      await Promise.all(Array.from({ length: 50 }, (_, i) => booking({ ...row, startAt: slot(1) + n + i })));
    const seen: string[] = [];
    let query: string | undefined = "";
    for (let pages = 0; query !== undefined; pages += 1) {
      expect(pages).toBeLessThan(3);
      const { body } = await exported(customer.token, query);
      seen.push(...body.bookings.map(({ id }: { id: string }) => id));
      query = body.next === null ? undefined : new URL(body.next).search;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(await db.$count(bookings, eq(bookings.customerId, customer.id)));
  });
});

test("an erasure deletes the stored answers about the user, and only these", async () => {
  const { customer } = await marked(newMarker());
  const row = { fingerprint: "f", status: 201, createdAt: Date.now() };
  const [own, other] = [crypto.randomUUID(), crypto.randomUUID()];
  await db.insert(idempotencyKeys).values([
    { ...row, id: own, body: JSON.stringify({ customer: customer.id }) },
    { ...row, id: other, body: JSON.stringify({ customer: crypto.randomUUID() }) },
  ]);
  await erase(customer.token, PASSWORD);
  expect(await db.$count(idempotencyKeys, eq(idempotencyKeys.id, own))).toBe(0);
  expect(await db.$count(idempotencyKeys, eq(idempotencyKeys.id, other))).toBe(1);
});
