import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commissionOn } from "../../src/sales/commission.ts";

/** Decimal arithmetic by hand, on digits: the product as text, cut and rounded half to even. */
function byHand(priceCents: number, rate: number): string {
  const digits = (BigInt(priceCents) * BigInt(rate)).toString().padStart(5, "0");
  const whole = digits.slice(0, -4);
  const rest = digits.slice(-4);
  const isOdd = "13579".includes(whole.at(-1) ?? "0");
  const up = rest > "5000" || (rest === "5000" && isOdd);
  return (BigInt(whole) + (up ? 1n : 0n)).toString();
}

describe("a commission", () => {
  test.each([
    [2_599_000, 250, 64_975],
    // 0.125 and 0.375 of a cent's hundred: halves go to the even cent.
    [50, 100, 0],
    [150, 100, 2],
    [250, 100, 2],
    [350, 100, 4],
    [51, 100, 1],
    [0, 250, 0],
    [999_999_999_999, 10_000, 999_999_999_999],
  ])("on %i cents at %i hundredths of a percent is %i cents", (price, rate, cents) => {
    expect(commissionOn(price, rate)).toBe(cents);
  });

  test("equals exact decimal arithmetic for 10,000 random prices and rates, and so do their sums", () => {
    let sum = 0n;
    let sumByHand = 0n;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999_999_999 }),
        fc.integer({ min: 0, max: 10_000 }),
        (price, rate) => {
          const amount = commissionOn(price, rate);
          sum += BigInt(amount);
          sumByHand += BigInt(byHand(price, rate));
          expect(String(amount)).toBe(byHand(price, rate));
          expect(Number.isSafeInteger(amount)).toBe(true);
        },
      ),
      { numRuns: 10_000 },
    );
    expect(sum).toBe(sumByHand);
  });
});
