import fc from "fast-check";
import { expect, test } from "vitest";
import { formatInstant } from "../../src/shared/showroom-time.ts";
import { answer, call, car, iso, person, slot } from "../support/world.ts";

test("an instant is written as ISO 8601 in UTC without its fraction", () => {
  expect(formatInstant(Date.parse("2026-02-03T04:05:06.789Z"))).toBe("2026-02-03T04:05:06Z");
  const times = fc.date({
    min: new Date("1900-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(times, (time) => formatInstant(time.getTime()) === `${time.toISOString().slice(0, 19)}Z`),
  );
});

test("a request with thousands of unknown members is answered with twenty faults, and a small body", async () => {
  const query = Array.from({ length: 1500 }, (_, index) => `unknown${index}=1`).join("&");
  const refused = await call("GET", `/api/cars/?${query}`);
  const text = await refused.text();
  expect(refused.status).toBe(400);
  expect(JSON.parse(text).errors).toHaveLength(20);
  expect(text.length).toBeLessThan(4000);
});

test("an id may be written in capitals", async () => {
  const [{ token }, id] = [await person(), (await car()).toUpperCase()];
  expect((await call("GET", `/api/cars/${id}/`)).status).toBe(200);
  const json = { car: id, start_at: iso(slot(2)) };
  expect((await call("POST", "/api/bookings/", { token, json })).status).toBe(201);
});

test.each(["/api/auth/me/?x=1", "/api/cars/01936f7e-8a3b-7c4d-9e5f-123456789abc/?x=1"])(
  "an unknown parameter is refused by an operation without parameters: %s",
  async (path) => {
    const { token } = await person();
    const refused = await answer(call("GET", path, { token }));
    expect(refused.body.errors).toEqual([
      { field: "x", code: "unknown_field", message: "Unknown; allowed are none" },
    ]);
  },
);

test("a missing amount is reported as required", async () => {
  const admin = await person("ADMIN");
  const json = {
    username: `m-${crypto.randomUUID().slice(0, 8)}`,
    password: "a quiet engine",
    commission_rate: 1,
  };
  const refused = await answer(call("POST", "/api/staff/", { token: admin.token, json }));
  expect(refused.body.errors).toEqual([{ field: "salary", code: "required", message: "Required" }]);
});
