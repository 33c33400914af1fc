import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { runCron } from "../src/cron.ts";
import {
  carPhotos,
  cars,
  emailVerifications,
  idempotencyKeys,
  notifications,
  passwordResets,
  sales,
  sessions,
  users,
} from "../src/db/schema.ts";
import { DAY_MS } from "../src/shared/showroom-time.ts";
import { HOUR_MS, mailbox, queueOf, tools } from "./support/outbox.ts";
import { booking, car, db, person, slot } from "./support/world.ts";

/** Whether the answer to a keyed request of so many hours ago is still there after a run. */
async function isKept(hours: number): Promise<boolean> {
  const [id, now] = [crypto.randomUUID(), Date.now()];
  const row = { id, fingerprint: "f", status: 201, body: "{}" };
  await db.insert(idempotencyKeys).values({ ...row, createdAt: now - hours * HOUR_MS });
  await runCron(queueOf().queue, env.PHOTOS, tools(mailbox().send, now));
  return (await db.$count(idempotencyKeys, eq(idempotencyKeys.id, id))) === 1;
}

test("a run keeps the answer to a keyed request for a day, and deletes it afterwards", async () => {
  expect(await isKept(23)).toBe(true);
  expect(await isKept(25)).toBe(false);
});

/** A moment `days` from now within the hour in which old accounts and photos are deleted. */
const night = (days: number): number => Math.floor(Date.now() / DAY_MS + days) * DAY_MS + 2.5 * HOUR_MS;

const runAt = (now: number) => runCron(queueOf().queue, env.PHOTOS, tools(mailbox().send, now));

describe("an account without a verified address", () => {
  /** A customer who has never signed in. */
  async function stranger(more: Partial<typeof users.$inferInsert> = {}): Promise<string> {
    const { id } = await person("CUSTOMER", more);
    await db.delete(sessions).where(eq(sessions.userId, id));
    return id;
  }
  const isThere = async (id: string) => (await db.$count(users, eq(users.id, id))) === 1;

  test("is deleted, with its tokens and mails, in a night more than 30 days later", async () => {
    const id = await stranger();
    const token = { tokenHash: crypto.randomUUID(), userId: id, createdAt: 1, expiresAt: night(400) };
    await db.insert(passwordResets).values(token);
    await db.insert(emailVerifications).values({ ...token, email: "a@example.com" });
    const mail = { kind: "password_reset" as const, recipient: "a@example.com", userId: id, facts: {} };
    await db.insert(notifications).values({
      id: crypto.randomUUID(),
      ...mail,
      status: "SENT",
      sentAt: 1,
      createdAt: 1,
      nextAttemptAt: 1,
    });
    await runAt(night(29));
    await runAt(night(32) + 12 * HOUR_MS);
    expect(await isThere(id)).toBe(true);
    await runAt(night(32));
    expect(await isThere(id)).toBe(false);
    expect(await db.$count(notifications, eq(notifications.userId, id))).toBe(0);
  });

  test("stays when it is verified, erased, of staff, or has a session, a booking or a purchase", async () => {
    const carId = await car();
    const verified = await stranger({ emailVerifiedAt: 1 });
    const erased = await stranger({ erasedAt: 1 });
    const { id: seller } = await person("SALES");
    await db.delete(sessions).where(eq(sessions.userId, seller));
    const { id: signedIn } = await person();
    await db
      .update(sessions)
      .set({ expiresAt: night(400) })
      .where(eq(sessions.userId, signedIn));
    const booker = await stranger();
    await booking({ carId, customerId: booker, startAt: slot(2), status: "CANCELLED" });
    const buyer = await stranger();
    await db.insert(sales).values({
      id: crypto.randomUUID(),
      carId,
      customerId: buyer,
      salespersonId: seller,
      salePriceCents: 1,
      currency: "EUR",
      paymentMethod: "CASH",
      saleAt: 1,
      createdAt: 1,
    });
    await runAt(night(32));
    for (const id of [verified, erased, seller, signedIn, booker, buyer])
      expect(await isThere(id)).toBe(true);
  });
});

test("the photos of a car are deleted, with their objects, in a night 90 days after the car was removed", async () => {
  const photosOf = (carId: string) => db.$count(carPhotos, eq(carPhotos.carId, carId));
  const withPhoto = async (more: Parameters<typeof car>[0]) => {
    const [carId, key] = [await car(more), crypto.randomUUID()];
    const size = { contentType: "image/webp", width: 1, height: 1, sortOrder: 0, createdAt: 1 };
    const row = { id: crypto.randomUUID(), carId, key, thumbnailKey: `${key}-small`, isPrimary: true };
    await db.insert(carPhotos).values({ ...row, ...size });
    for (const name of [key, `${key}-small`]) await env.PHOTOS.put(name, "bytes");
    return { carId, key };
  };
  const [removed, inStock] = [await withPhoto({ status: "REMOVED" }), await withPhoto({})];
  await runAt(night(89));
  expect(await photosOf(removed.carId)).toBe(1);
  await runAt(night(92));
  expect(await photosOf(removed.carId)).toBe(0);
  const [row] = await db.select().from(cars).where(eq(cars.id, removed.carId));
  expect(row?.version).toBe(2);
  expect(await env.PHOTOS.head(removed.key)).not.toBeNull();
  await runAt(night(92) + 2 * HOUR_MS);
  for (const name of [removed.key, `${removed.key}-small`]) expect(await env.PHOTOS.head(name)).toBeNull();
  expect(await photosOf(inStock.carId)).toBe(1);
  expect(await env.PHOTOS.head(inStock.key)).not.toBeNull();
});
