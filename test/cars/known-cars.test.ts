import { expect, test } from "vitest";
import { isKnownCar, rememberCar } from "../../src/cars/known-cars.ts";

test("a car is known once it was seen in the database, and at most 10,000 are remembered", () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => `car-${index}`);
  expect(isKnownCar("car-0")).toBe(false);
  for (const id of ids) rememberCar(id);
  expect(ids.every(isKnownCar)).toBe(true);
  rememberCar("one more");
  expect(isKnownCar("one more")).toBe(true);
  expect(isKnownCar("car-0")).toBe(false);
});
