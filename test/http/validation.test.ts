import fc from "fast-check";
import { expect, test } from "vitest";
import { formatInstant } from "../../src/http/validation.ts";
import { call } from "../support/world.ts";

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
