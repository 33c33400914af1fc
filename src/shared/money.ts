/**
 * Money and percentages. On the wire they are decimal strings with two digits. Inside they are whole numbers: cents, or
 * hundredths of a percent.
 */

/** 9,999,999,999.99 in cents: the largest amount, because the Django service has decimals of twelve digits. */
export const MAX_CENTS = 999_999_999_999;
/** 100.00 % in hundredths of a percent. */
export const MAX_RATE = 10_000;

/** Every ISO 4217 code that the platform knows. */
export const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

const FORM = /^\d{1,10}(\.\d{1,2})?$/;

/** Reads a decimal such as `25990` or `25990.5` as cents. Returns `undefined` for other text. */
export function parseCents(text: string): number | undefined {
  if (!FORM.test(text)) return undefined;
  const [units = "", fraction = ""] = text.split(".");
  const cents = Number(units) * 100 + Number(fraction.padEnd(2, "0"));
  return cents <= MAX_CENTS ? cents : undefined;
}

/** Writes cents as a decimal, exactly. */
export function formatCents(cents: number): string {
  const sign = cents < 0 ? "-" : "";
  const digits = String(Math.abs(cents)).padStart(3, "0");
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
