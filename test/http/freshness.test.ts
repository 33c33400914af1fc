import { expect, test } from "vitest";
import {
  freshSeconds,
  isShareable,
  PHOTO_CACHE_CONTROL,
  sharedCacheControl,
} from "../../src/http/freshness.ts";

const secondsOf = (header: string, name: string): number =>
  Number(new RegExp(`${name}=(\\d+)`).exec(header)?.[1]);

test.each([1, 5, 6, 30, 299, 300, 3600])(
  "with a promise of %i seconds no cache gives an older answer",
  (promised) => {
    const fresh = freshSeconds(promised);
    for (const spent of [0, fresh]) {
      const header = sharedCacheControl(fresh - spent, promised);
      const left = secondsOf(header, "max-age");
      expect(spent + left + secondsOf(header, "stale-while-revalidate")).toBe(promised);
      expect(spent + left + secondsOf(header, "stale-if-error")).toBe(Math.max(promised, 300));
    }
  },
);

test("a promise of 30 seconds is five fresh ones, and the rest while the next answer is fetched", () => {
  expect(sharedCacheControl(freshSeconds(30), 30)).toBe(
    "public, max-age=5, stale-while-revalidate=25, stale-if-error=295",
  );
});

test("a header lets an answer be shared only when it says so", () => {
  const shareable = (header?: string) => isShareable(new Headers(header ? { "Cache-Control": header } : {}));
  expect([sharedCacheControl(5, 30), PHOTO_CACHE_CONTROL].map(shareable)).toEqual([true, true]);
  expect([undefined, "no-store", "private, no-cache", "private, max-age=5"].map(shareable)).toEqual(
    Array(4).fill(false),
  );
});
