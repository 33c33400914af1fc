import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { beforeEach, describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { cars } from "../../src/db/schema.ts";
import { forgetPublic } from "../../src/http/public-cache.ts";
import { databaseWith } from "../support/faults.ts";
import { booking, car, DEPLOYED, db, iso, person, slot } from "../support/world.ts";

const BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000";
const app = createApp();

/** An isolate that keeps what anybody may read, over a database whose reads are counted. */
function isolate(seconds = 360, pause: () => Promise<void> = async () => {}) {
  let reads = 0;
  const counted = databaseWith(async (batch) => {
    reads += 1;
    await pause();
    return batch();
  });
  const own = { ...env, DB: counted, PUBLIC_FRESHNESS_SECONDS: String(seconds) } as unknown as Env;
  const ask = async (path: string, init: RequestInit = {}) => {
    const ctx = createExecutionContext();
    const answer = await app.fetch(new Request(`http://dealership.test${path}`, init), own, ctx);
    const text = await answer.text();
    await waitOnExecutionContext(ctx);
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
  };
  return { ask, reads: () => reads };
}

const changeBehind = (id: string) =>
  db.update(cars).set({ color: "Green", version: 2 }).where(eq(cars.id, id));

beforeEach(forgetPublic);

test("only a response in development shows the cost of its request", async () => {
  const { ask } = isolate();
  const path = `/api/cars/${await car()}/`;
  expect((await ask(path)).headers.get("Server-Timing")).toBe(
    'd1;desc="1 round trips, 2 rows read, 0 written"',
  );
  const production = { ...env, ...DEPLOYED } as unknown as Env;
  const answer = await app.fetch(
    new Request(`http://dealership.test${path}`),
    production,
    createExecutionContext(),
  );
  expect(answer.headers.get("Server-Timing")).toBeNull();
});

describe("a public response", () => {
  test("is read once within the promised age, and its header has the remaining time", async () => {
    const { ask, reads } = isolate();
    const id = await car({ color: "Blue" });
    const first = await ask(`/api/cars/${id}/`);
    await changeBehind(id);
    const second = await ask(`/api/cars/${id}/`);
    expect(second.body).toEqual(first.body);
    expect(reads()).toBe(1);
    expect(second.headers.get("Cache-Control")).toMatch(
      /^public, max-age=(59|60), stale-while-revalidate=300, stale-if-error=300$/,
    );
    expect(second.headers.get("Vary")).toMatch(/Authorization, X-D1-Bookmark/);
  });

  test("is read again after the promised age", async () => {
    const { ask } = isolate(1);
    const id = await car({ color: "Blue" });
    await ask(`/api/cars/${id}/`);
    await changeBehind(id);
    await new Promise((done) => setTimeout(done, 1100));
    expect((await ask(`/api/cars/${id}/`)).body.color).toBe("Green");
  });

  test("is not kept when the stock changes while it is being read", async () => {
    const { ask } = isolate(360, async () => forgetPublic());
    const id = await car({ color: "Blue" });
    await ask(`/api/cars/${id}/`);
    await changeBehind(id);
    expect((await ask(`/api/cars/${id}/`)).body.color).toBe("Green");
  });

  test("is 304 from memory when the reader's copy is current", async () => {
    const { ask, reads } = isolate();
    const first = await ask("/api/cars/?page_size=1");
    const second = await ask("/api/cars/?page_size=1", {
      headers: { "If-None-Match": first.headers.get("ETag") ?? "" },
    });
    expect(second).toMatchObject({ status: 304, body: undefined });
    expect(reads()).toBe(1);
  });

  test("is from memory for a customer, too, and their token must be valid", async () => {
    const { ask, reads } = isolate();
    const [id, { token, caller }] = [await car({ color: "Blue" }), await person()];
    const as = (sent: string) => ask(`/api/cars/${id}/`, { headers: { Authorization: `Bearer ${sent}` } });
    const first = await as(token);
    await changeBehind(id);
    expect(await as(token)).toMatchObject({ status: 200, body: first.body });
    expect((await ask(`/api/cars/${id}/`)).body).toEqual(first.body);
    expect((await as(token)).headers.get("Cache-Control")).toMatch(/^private, max-age=(59|60)$/);
    expect(reads()).toBe(1);
    const { id: userId, role, sessionId } = caller;
    const expired = await signAccessToken(
      { userId, role, sessionId },
      env.JWT_SECRET,
      Date.now() - 3_600_000,
    );
    const [head, claims, signature] = token.split(".");
    for (const invalid of [expired, `${head}.${claims}.${signature?.split("").reverse().join("")}`, "x"])
      expect(await as(invalid)).toMatchObject({ status: 401, body: { code: "invalid_token" } });
    expect(reads()).toBe(1);
  });

  test("is never from memory for staff, nor for a request with a bookmark", async () => {
    const { ask } = isolate();
    const [id, { token }] = [await car({ color: "Blue" }), await person("SALES")];
    await ask(`/api/cars/${id}/`);
    await changeBehind(id);
    const asStaff = await ask(`/api/cars/${id}/`, { headers: { Authorization: `Bearer ${token}` } });
    expect(asStaff.body.color).toBe("Green");
    expect(asStaff.headers.get("Cache-Control")).toBe("private, no-cache");
    const withBookmark = await ask(`/api/cars/${id}/`, { headers: { "X-D1-Bookmark": BOOKMARK } });
    expect(withBookmark.body.color).toBe("Green");
  });

  test("answers reads alone: a write to the same URL reaches its handler", async () => {
    const { ask, reads } = isolate();
    expect((await ask("/api/cars/")).status).toBe(200);
    const write = { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } };
    expect((await ask("/api/cars/", write)).status).toBe(401);
    expect((await ask("/api/cars/", { method: "HEAD" })).status).toBe(200);
    expect(reads()).toBe(1);
  });

  test("is dropped when the same isolate changes the stock", async () => {
    const { ask } = isolate();
    const [id, { token }] = [await car({ color: "Blue" }), await person("SALES")];
    await ask(`/api/cars/${id}/`);
    await ask(`/api/cars/${id}/`, {
      method: "PATCH",
      body: JSON.stringify({ color: "Red" }),
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    });
    expect((await ask(`/api/cars/${id}/`)).body.color).toBe("Red");
  });

  test("of free slots is kept, and each command of this isolate about the car is visible at once", async () => {
    const { ask, reads } = isolate();
    const [carId, customer, seller] = [await car(), await person(), await person("SALES")];
    const free = async (init: RequestInit = {}) => {
      const path = `/api/cars/${carId}/available-slots/?date=${iso(slot(3)).slice(0, 10)}`;
      const { status, body } = await ask(path, init);
      expect(status).toBe(200);
      return body.map(({ start_at }: { start_at: string }) => Date.parse(start_at));
    };
    const send = async (method: string, path: string, { token }: { token: string }, json?: object) => {
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const sent = await ask(path, { method, headers, ...(json ? { body: JSON.stringify(json) } : {}) });
      expect(sent.status).toBeLessThan(300);
      return sent;
    };
    const all = Array.from({ length: 8 }, (_, index) => slot(3, index));
    const except = (...hours: number[]) => all.filter((_, index) => !hours.includes(index));

    expect(await free()).toEqual(all);
    const before = reads();
    expect(await free()).toEqual(all);
    expect(reads()).toBe(before);
    await booking({ carId, customerId: customer.id, startAt: slot(3, 7) });
    expect(await free(), "within the promised age").toEqual(all);
    expect(await free({ headers: { "X-D1-Bookmark": BOOKMARK } })).toEqual(except(7));
    expect(await free({ headers: { Authorization: `Bearer ${seller.token}` } })).toEqual(except(7));

    const book = (startAt: number) =>
      send("POST", "/api/bookings/", customer, { car: carId, start_at: iso(startAt) });
    const first = (await book(slot(3))).body.id;
    expect(await free()).toEqual(except(0, 7));
    await send("PATCH", `/api/bookings/${first}/reschedule/`, customer, { start_at: iso(slot(3, 1)) });
    expect(await free()).toEqual(except(1, 7));
    await send("PATCH", `/api/bookings/${first}/decline/`, seller);
    expect(await free()).toEqual(except(7));
    const second = (await book(slot(3, 2))).body.id;
    expect(await free()).toEqual(except(2, 7));
    await send("PATCH", `/api/bookings/${second}/cancel/`, customer);
    expect(await free()).toEqual(except(7));
    const { body: sale } = await send("POST", "/api/sales/", seller, {
      car: carId,
      customer: customer.id,
      sale_price: "1.00",
      payment_method: "CASH",
    });
    expect(await free()).toEqual([]);
    await send("POST", `/api/sales/${sale.id}/void/`, await person("ADMIN"), { reason: "mistake" });
    expect(await free()).toEqual(all);
  });

  test("of free slots is dropped when this isolate cancels the bookings of a user who is deactivated", async () => {
    const { ask } = isolate();
    const [carId, customer, admin] = [await car(), await person(), await person("ADMIN")];
    await booking({ carId, customerId: customer.id, startAt: slot(3) });
    const path = `/api/cars/${carId}/available-slots/?date=${iso(slot(3)).slice(0, 10)}`;
    expect((await ask(path)).body).toHaveLength(7);
    const deactivated = await ask(`/api/users/${customer.id}/`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${admin.token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ is_active: false }),
    });
    expect(deactivated.status).toBe(200);
    expect((await ask(path)).body).toHaveLength(8);
  });

  test("of free slots has an entity tag, and is 304 while they are the same", async () => {
    const { ask } = isolate(0);
    const carId = await car();
    const path = `/api/cars/${carId}/available-slots/?date=${iso(slot(3)).slice(0, 10)}`;
    const tag = (await ask(path)).headers.get("ETag") ?? "";
    const again = () => ask(path, { headers: { "If-None-Match": tag } });
    expect((await again()).status).toBe(304);
    await booking({ carId, customerId: (await person()).id, startAt: slot(3) });
    expect((await again()).status).toBe(200);
  });

  test("is not kept when the read failed or found nothing", async () => {
    let fails = true;
    const { ask } = isolate(360, async () => {
      if (fails) throw new Error("D1_ERROR: Network connection lost.");
    });
    const id = await car();
    expect((await ask(`/api/cars/${id}/`)).status).toBe(503);
    fails = false;
    expect((await ask(`/api/cars/${id}/`)).status).toBe(200);
    const unknown = crypto.randomUUID();
    expect((await ask(`/api/cars/${unknown}/`)).status).toBe(404);
    await car({ id: unknown });
    expect((await ask(`/api/cars/${unknown}/`)).status).toBe(200);
  });

  test("does not exceed its share of the isolate's memory, for any number of requests", async () => {
    const { ask, reads } = isolate();
    await ask("/api/cars/?page_size=1&max_price=1");
    for (let price = 2; price <= 1002; price += 1) await ask(`/api/cars/?page_size=1&max_price=${price}`);
    const before = reads();
    await ask("/api/cars/?page_size=1&max_price=1");
    expect(reads()).toBe(before + 1);
  });
});
