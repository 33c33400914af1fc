import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { car, person } from "../support/world.ts";

const BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000";

/** The states at which the sessions of one request begin. */
async function startsOf(init: RequestInit, path = "/api/cars/"): Promise<string[]> {
  const starts: string[] = [];
  const DB = new Proxy(env.DB, {
    get: (d1, name) =>
      name === "withSession"
        ? (start: string) => {
            starts.push(start);
            return d1.withSession("first-primary");
          }
        : Reflect.get(d1, name),
  });
  const context = createExecutionContext();
  await createApp().fetch(new Request(`http://dealership.test${path}`, init), { ...env, DB }, context);
  await waitOnExecutionContext(context);
  return starts;
}

test("a public read begins at any replica", async () => {
  expect(await startsOf({})).toEqual(["first-unconstrained"]);
});

test("a public read of a customer begins at any replica, as that of anybody", async () => {
  const { token } = await person();
  expect(await startsOf({ headers: { Authorization: `Bearer ${token}` } })).toEqual(["first-unconstrained"]);
});

test("a private read, and any read of staff, begins at the primary database", async () => {
  const [customer, seller] = [await person(), await person("SALES")];
  const as = ({ token }: { token: string }) => ({ headers: { Authorization: `Bearer ${token}` } });
  expect(await startsOf(as(customer), "/api/bookings/me/")).toEqual(["first-primary"]);
  expect(await startsOf(as(seller))).toEqual(["first-primary"]);
});

test("a write begins at the primary database", async () => {
  const body = JSON.stringify({ username: "nobody", password: "a quiet engine" });
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  expect(await startsOf(init, "/api/auth/login/")).toEqual(["first-primary"]);
});

test("a public read with a bookmark begins at the state that the bookmark names", async () => {
  expect(await startsOf({ headers: { "X-D1-Bookmark": BOOKMARK } })).toEqual([BOOKMARK]);
});

test("a private read begins at the primary database whatever its bookmark, which could hide a logout", async () => {
  const { token } = await person("SALES");
  const headers = { Authorization: `Bearer ${token}`, "X-D1-Bookmark": BOOKMARK };
  for (const path of ["/api/cars/", "/api/auth/me/"])
    expect(new Set(await startsOf({ headers }, path))).toEqual(new Set(["first-primary"]));
  const body = JSON.stringify({ username: "nobody", password: "a quiet engine" });
  const init = { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
  expect(await startsOf(init, "/api/auth/login/")).toEqual(["first-primary"]);
});

test("the response of a write by the coordinator has the bookmark of the coordinator's session", async () => {
  const [{ token }, id] = [await person("SALES"), await car()];
  const coordinator = {
    execute: async () => ({ ok: true, committed: true, bookmark: "the-coordinators-own" }),
  };
  const bindings = { ...env, CAR_COORDINATOR: { getByName: () => coordinator } } as unknown as Env;
  const request = new Request(`http://dealership.test/api/cars/${id}/`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${token}` },
  });
  const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
  const removed = await createApp().fetch(request, bindings, context);
  expect([removed.status, removed.headers.get("X-D1-Bookmark")]).toEqual([204, "the-coordinators-own"]);
});
