/** What the Worker is configured with: read from the environment once, checked whole, and refused when wrong. */
import { z } from "zod";
import { currencies } from "./shared/money.ts";

const isTimeZone = (name: string) => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

export const variables = z.object({
  ENVIRONMENT: z.enum(["development", "staging", "production"]),
  PUBLIC_URL: z.url().transform((url) => url.replace(/\/+$/, "")),
  SHOWROOM_NAME: z.string().min(1),
  SHOWROOM_TIME_ZONE: z.string().refine(isTimeZone, "not an IANA time zone"),
  BOOKING_HORIZON_DAYS: z.coerce.number().int().min(1).max(3650),
  DEFAULT_CURRENCY: z.string().refine((code) => currencies.has(code), "not an ISO 4217 code"),
  EMAIL_FROM: z.email(),
  EMAIL_STAFF: z.email(),
  RATE_LIMITS: z.enum(["on", "off"]),
  PUBLIC_FRESHNESS_SECONDS: z.coerce.number().int().min(0).max(3600),
  // 32 characters of randomness are what HS256 asks for (RFC 7518, section 3.2).
  JWT_SECRET: z.string().min(32),
  JWT_SECRET_PREVIOUS: z.string().min(32).optional(),
  CORS_ORIGINS: z.string().transform((list) =>
    list
      .split(",")
      .map((origin) => origin.trim())
      .filter(Boolean),
  ),
});

/** The checked configuration. */
export type Config = Readonly<{
  environment: "development" | "staging" | "production";
  /** Where clients reach this API, without a trailing slash. */
  publicUrl: string;
  showroom: { name: string; timeZone: string };
  /** How far ahead a test drive may be booked. */
  bookingHorizonDays: number;
  defaultCurrency: string;
  email: { from: string; staff: string };
  /** How old an answer to an anonymous reader may be: see http/freshness.ts. 0 keeps nothing. */
  publicFreshnessSeconds: number;
  /** Whether guesses are damped. */
  rateLimits: boolean;
  /** Signs tokens. */
  jwtSecret: string;
  /** Those whose tokens are good: the present one, and while it is being replaced the one before. */
  jwtSecrets: readonly string[];
  /** Web origins that may call from a browser; `*` is all. */
  corsOrigins: readonly string[];
}>;

/** Raised when a variable is missing or wrong. Its message names variables, never their values. */
export class Misconfigured extends Error {}

const checked = new WeakMap<object, Config>();

/**
 * Reads the configuration out of the Worker's bindings.
 * @throws {Misconfigured} when a variable or secret is missing or wrong: the Worker then answers nothing but 503.
 */
export function readConfig(env: Env): Config {
  const known = checked.get(env);
  if (known) return known;
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Misconfigured(faults.join("; "));
  }
  const v = parsed.data;
  const config: Config = {
    environment: v.ENVIRONMENT,
    publicUrl: v.PUBLIC_URL,
    showroom: { name: v.SHOWROOM_NAME, timeZone: v.SHOWROOM_TIME_ZONE },
    bookingHorizonDays: v.BOOKING_HORIZON_DAYS,
    defaultCurrency: v.DEFAULT_CURRENCY,
    email: { from: v.EMAIL_FROM, staff: v.EMAIL_STAFF },
    publicFreshnessSeconds: v.PUBLIC_FRESHNESS_SECONDS,
    rateLimits: v.RATE_LIMITS === "on",
    jwtSecret: v.JWT_SECRET,
    jwtSecrets: v.JWT_SECRET_PREVIOUS ? [v.JWT_SECRET, v.JWT_SECRET_PREVIOUS] : [v.JWT_SECRET],
    corsOrigins: v.CORS_ORIGINS,
  };
  checked.set(env, config);
  return config;
}
