/** The commission of a salesperson, computed exactly with whole numbers. */

/** 100 % in hundredths of a percent. */
const WHOLE = 10_000n;

/**
 * The commission on a price, rounded half to even ("banker's rounding"), so that neither side gains from many
 * roundings.
 * @param priceCents whole cents
 * @param rate hundredths of a percent: 250 is 2.50 %
 * @returns whole cents
 */
export function commissionOn(priceCents: number, rate: number): number {
  const exact = BigInt(priceCents) * BigInt(rate);
  const down = exact / WHOLE;
  const twiceRest = (exact % WHOLE) * 2n;
  const roundUp = twiceRest > WHOLE || (twiceRest === WHOLE && down % 2n === 1n);
  return Number(roundUp ? down + 1n : down);
}
