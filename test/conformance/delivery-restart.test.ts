/** Workers that are really killed: the process of the runtime ends in the middle of its deliveries, three times. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../../tools/server/server.ts";

const FACTS = 400;
const HOUR_MS = 3_600_000;

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

/** How many notifications of bookings have each status. */
async function counts(): Promise<Record<string, number>> {
  const { results } = await server.db
    .prepare("SELECT status, count(*) AS n FROM notifications WHERE booking_id IS NOT NULL GROUP BY status")
    .all<{ status: string; n: number }>();
  return Object.fromEntries(results.map(({ status, n }) => [status, n]));
}

test("every fact is delivered although the runtime is killed repeatedly and loses its queue each time", async () => {
  const { user } = await server.customer("patient");
  const carId = await server.car("KILLED1");
  const bookings = Array.from({ length: FACTS / 2 }, () => crypto.randomUUID());
  const now = Date.now();
  // Far enough ahead that the cron writes no reminders of its own. A reminder does not replace an earlier mail.
  const firstStart = Math.ceil(now / HOUR_MS) * HOUR_MS + 48 * HOUR_MS;
  await server.db.batch([
    // Without a verified address they get a few mails a day only.
    server.db.prepare("UPDATE users SET email_verified_at = ?2 WHERE id = ?1").bind(user.id, now),
    server.db
      .prepare(
        `INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, status, created_at, updated_at)
       SELECT value, ?2, ?3, ?4 + key * 3600000, ?4 + (key + 1) * 3600000, 'APPROVED', 0, 0 FROM json_each(?1)`,
      )
      .bind(JSON.stringify(bookings), carId, user.id, firstStart),
    server.db
      .prepare(
        `INSERT INTO notifications (id, kind, recipient, user_id, booking_id, facts, created_at, next_attempt_at)
       SELECT lower(hex(randomblob(16))), k.value, 'patient@example.com', ?2, b.value,
         json_object('startAt', ?3 + b.key * 3600000, 'endAt', ?3 + (b.key + 1) * 3600000, 'sequence', k.key,
           'status', 'APPROVED'), ?4, 0
       FROM json_each(?1) b, json_each('["booking_approved", "booking_reminder"]') k ORDER BY k.key`,
      )
      .bind(JSON.stringify(bookings), user.id, firstStart, now),
  ]);
  const runCron = async () => {
    // A Worker that died still holds a lease. This ends the lease.
    await server.db.prepare("UPDATE notifications SET next_attempt_at = 0 WHERE status = 'PENDING'").run();
    await server.cron();
  };

  let sent = 0;
  for (let kills = 0; kills < 3; kills += 1) {
    await runCron();
    const before = sent;
    await expect
      .poll(async () => (await counts())["SENT"] ?? 0, { interval: 20, timeout: 60_000 })
      .toBeGreaterThan(before);
    await server.kill();
    sent = (await counts())["SENT"] ?? 0;
    expect(sent).toBeLessThan(FACTS);
  }
  await runCron();
  await expect.poll(counts, { interval: 200, timeout: 120_000 }).toEqual({ SENT: FACTS });
  const outOfOrder = await server.db
    .prepare(
      `SELECT count(*) AS n FROM notifications a JOIN notifications b ON b.booking_id = a.booking_id
     WHERE a.kind = 'booking_approved' AND b.kind = 'booking_reminder' AND a.sent_at > b.sent_at`,
    )
    .first<{ n: number }>();
  expect(outOfOrder?.n).toBe(0);
  const tries = await server.db.prepare("SELECT sum(attempts - 1) AS again FROM notifications").first<{
    again: number;
  }>();
  // At most one delivery was under way in each process that was killed.
  expect(tries?.again).toBeLessThanOrEqual(3);
}, 300_000);
