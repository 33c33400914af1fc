/** One request can be followed by its id, over HTTP: through the object of the car, the queue and the mail. */
import { afterAll, expect, test } from "vitest";
import { type Server, startServer } from "../../tools/server/server.ts";

let server: Server;
afterAll(() => server?.close());

type Line = { event: string; request?: string; version?: string };

/** The lines of our own log. */
const lines = (): Line[] =>
  server
    .logs()
    .filter((message) => message.startsWith('{"event"'))
    .map((message) => JSON.parse(message));

test("a booking's id is in its answer, in its rows, and in the log lines of its mails, each with the Worker's version", async () => {
  server = await startServer();
  const { access } = await server.customer("traced");
  const car = await server.car("TRACED1");
  const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const slots = await server.call("GET", `/api/cars/${car}/available-slots/?date=${day}`);
  const booked = await fetch(new URL("/api/bookings/", server.url), {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${access}`,
      "X-Request-Id": "trace-of-a-booking",
    },
    body: JSON.stringify({ car, start_at: slots.body[0].start_at }),
  });
  expect([booked.status, booked.headers.get("X-Request-Id")]).toEqual([201, "trace-of-a-booking"]);
  const caused = () => lines().filter(({ request }) => request === "trace-of-a-booking");
  // To the customer and to the sales team.
  await expect
    .poll(() => caused().map(({ event }) => event), { timeout: 20_000 })
    .toEqual(["notifications.sent", "notifications.sent"]);
  const rows = await server.db
    .prepare("SELECT count(*) AS n FROM notifications WHERE request_id = 'trace-of-a-booking'")
    .first("n");
  expect(rows).toBe(2);
  const { version } = (await server.call("GET", "/healthz")).body;
  expect(version).toMatch(/./);
  expect(new Set(lines().map((line) => line.version))).toEqual(new Set([version]));
});
