import { describe, expect, test } from "vitest";
import { takePlace } from "../../src/cars/upload-places.ts";

const HOUR = 3_600_000;
let clock = 0;
/** A time at which all places are free. */
const later = () => {
  clock += HOUR;
  return clock;
};

describe("the places for uploads", () => {
  test("are two for one user and three in all", () => {
    const now = later();
    expect([takePlace("sam", now), takePlace("sam", now)]).not.toContain(undefined);
    expect(takePlace("sam", now)).toBeUndefined();
    expect(takePlace("sue", now)).toBeDefined();
    expect(takePlace("ann", now)).toBeUndefined();
  });

  test("are free again when they are given back, once each", () => {
    const now = later();
    const [first, second] = [takePlace("sam", now), takePlace("sam", now)];
    first?.();
    first?.();
    expect(takePlace("sam", now)).toBeDefined();
    expect(takePlace("sam", now)).toBeUndefined();
    second?.();
    expect(takePlace("sam", now)).toBeDefined();
  });

  test("are free again after some minutes, even when their requests never end", () => {
    const now = later();
    for (const user of ["sam", "sue", "ann"]) expect(takePlace(user, now)).toBeDefined();
    expect(takePlace("sam", now + 60_000)).toBeUndefined();
    expect(takePlace("sam", now + 5 * 60_000)).toBeDefined();
  });
});
