/** What readers see while answers are kept: the one freshness promise, held against a real server. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../../tools/server/server.ts";

/** For a sixth of it an answer is kept in memory: long enough that nothing ends by itself while a test goes on. */
const PROMISE_SECONDS = 18;
const KEPT_SECONDS = 3;

let server: Server;
let seller: string;

beforeAll(async () => {
  server = await startServer({ PUBLIC_FRESHNESS_SECONDS: String(PROMISE_SECONDS) });
  const { user } = await server.customer("sam");
  await server.db.prepare("UPDATE users SET role = 'SALES' WHERE id = ?").bind(user.id).run();
  seller = (await server.signIn("sam")).access;
});
afterAll(() => server.close());

const colorOf = async (id: string, token?: string) => {
  const { status, body, headers } = await server.call("GET", `/api/cars/${id}/`, { token });
  expect(status).toBe(200);
  return { color: body.color, kept: headers.get("Cache-Control") };
};

test("an anonymous reader sees nothing older than promised, and staff see each change immediately", async () => {
  const id = await server.car("FRESH1");
  expect(await colorOf(id)).toEqual({
    color: "Red",
    kept: "public, max-age=2, stale-while-revalidate=15, stale-if-error=297",
  });
  const changedAt = Date.now();
  await server.db.prepare("UPDATE cars SET color = 'Blue' WHERE id = ?").bind(id).run();
  expect((await colorOf(id, seller)).color).toBe("Blue");
  expect((await colorOf(id)).color).toBe("Red");
  await new Promise((done) => setTimeout(done, changedAt + KEPT_SECONDS * 1000 - Date.now() + 50));
  expect((await colorOf(id)).color).toBe("Blue");
});

test("40 concurrent readers never see an older state after a newer one while staff change the car", async () => {
  const id = await server.car("FRESH2");
  const changes = 10;
  let stop = false;
  const seen: number[][] = [];
  const reader = async () => {
    const mileages: number[] = [];
    while (!stop) mileages.push((await server.call("GET", `/api/cars/${id}/`)).body.mileage);
    seen.push(mileages);
  };
  const readers = Array.from({ length: 40 }, reader);
  for (let mileage = 100; mileage < 100 + changes; mileage += 1) {
    const changed = await server.call("PATCH", `/api/cars/${id}/`, { token: seller, json: { mileage } });
    expect(changed.status).toBe(200);
    // Here one isolate carries out all writes, so what it kept is gone with the write.
    expect((await server.call("GET", `/api/cars/${id}/`)).body.mileage).toBe(mileage);
  }
  stop = true;
  await Promise.all(readers);
  for (const mileages of seen) expect(mileages).toEqual(mileages.toSorted((a, b) => a - b));
});
