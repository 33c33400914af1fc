import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

const tomorrow = () => new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);

describe("over HTTP", () => {
  test("a customer registers and gets an approved test drive and every e-mail", async () => {
    const carId = await server.car("JOURNEY1");
    const shopper = await server.customer("shopper");

    const list = await server.call("GET", "/api/cars/?make=toyota&fuel_type=HYBRID");
    expect(list.body.results.map((car: { id: string }) => car.id)).toContain(carId);

    const slots = await server.call("GET", `/api/cars/${carId}/available-slots/?date=${tomorrow()}`);
    expect(slots.body).toHaveLength(8);

    const booked = await server.call("POST", "/api/bookings/", {
      token: shopper.access,
      json: { car: carId, start_at: slots.body[0].start_at },
    });
    expect([booked.status, booked.body.status]).toEqual([201, "PENDING"]);
    const mine = await server.call("GET", "/api/bookings/me", { token: shopper.access });
    expect(mine.body.results).toEqual([booked.body]);

    await server.customer("seller");
    await server.db.prepare("UPDATE users SET role = 'SALES' WHERE username = 'seller'").run();
    const seller = await server.call("POST", "/api/auth/login", {
      json: { username: "seller", password: PASSWORD },
    });
    const approved = await server.call("PATCH", `/api/bookings/${booked.body.id}/approve/`, {
      token: seller.body.access,
    });
    expect([approved.status, approved.body.status]).toEqual([200, "APPROVED"]);

    const notified = () =>
      server.db
        .prepare(
          "SELECT kind, status FROM notifications WHERE recipient = 'shopper@example.com' ORDER BY rowid",
        )
        .all();
    await expect
      .poll(async () => (await notified()).results, { timeout: 30_000, interval: 500 })
      .toEqual([
        { kind: "email_verification", status: "SENT" },
        { kind: "booking_received", status: "SENT" },
        { kind: "booking_approved", status: "SENT" },
      ]);
  });

  test("fifty customers who book one slot get one 201 and 49 times 409, although the Durable Object is evicted while they book", async () => {
    const carId = await server.car("RUSH2");
    const { access } = await server.customer("rusher-2");
    const slots = await server.call("GET", `/api/cars/${carId}/available-slots/?date=${tomorrow()}`);
    const json = { car: carId, start_at: slots.body[3].start_at };
    const rush = Array.from({ length: 50 }, (_, index) => {
      const sent = server.call("POST", "/api/bookings/", { token: access, json });
      if (index % 10 === 5) server.evict(carId).catch(() => {});
      return sent;
    });
    const statuses = (await Promise.all(rush)).map(({ status }) => status).sort();
    expect(statuses).toEqual([201, ...Array(49).fill(409)]);
  });
});
