/** The Worker's configuration: read from its variables once, and refused as a whole when one of them is wrong. */
import { z } from "zod";
import { currencies } from "./shared/money.ts";
import { isTimeZone } from "./shared/showroom-time.ts";

/** Cloudflare's location hints of Durable Objects. */
export const REGIONS = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const satisfies DurableObjectLocationHint[];

/** Domains that nobody can own (RFC 2606, RFC 6761): the placeholders of wrangler.toml, and a developer's machine. */
const RESERVED = /(^|\.)(example|example\.(com|net|org)|invalid|local|localhost|test)$/i;

/** Whether links and mail can reach a host from outside. */
const isPublic = (host: string) => host.includes(".") && !RESERVED.test(host) && !/^[\d.]+$/.test(host);

/** Every variable and secret, with its form and meaning. docs/configuration.md is generated from it. */
export const variables = z.object({
  ENVIRONMENT: z.enum(["development", "staging", "production"]).describe("Which kind of deployment this is"),
  PUBLIC_URL: z
    .url()
    .transform((url) => url.replace(/\/+$/, ""))
    .describe("Where clients reach this API; links in e-mails and problem types begin with it"),
  REGION: z
    .enum(REGIONS)
    .describe(
      "Where the Durable Object of a car is created, beside D1 and R2. It stays where it was created",
    ),
  SHOWROOM_NAME: z.string().min(1).describe("The name that customers read in e-mails and calendar files"),
  SHOWROOM_TIME_ZONE: z
    .string()
    .refine(isTimeZone, "not an IANA time zone")
    .describe("IANA time zone of the showroom: local days and slots are in it"),
  BOOKING_HORIZON_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3650)
    .describe("How many days ahead a test drive may be booked"),
  MAX_ACTIVE_BOOKINGS: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(5)
    .describe("How many active bookings a customer may have at the same time"),
  MAX_ACTIVE_BOOKINGS_UNVERIFIED: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(2)
    .describe("The same for a customer whose e-mail address is not verified"),
  EMAIL_VERIFICATION: z
    .enum(["optional", "required"])
    .default("optional")
    .describe("`required`: a customer can book only with a verified e-mail address"),
  MAX_MAILS_PER_DAY: z.coerce
    .number()
    .int()
    .min(10)
    .max(1_000_000)
    .default(5000)
    .describe(
      "How many mails may be sent on one day (UTC); the rest waits, password resets and verifications last",
    ),
  DEFAULT_CURRENCY: z
    .string()
    .refine((code) => currencies.has(code), "not an ISO 4217 code")
    .describe("ISO 4217 code of prices that name no currency"),
  EMAIL_FROM: z.email().describe("Sender of every e-mail; its domain must be onboarded to the mail service"),
  EMAIL_STAFF: z.email().describe("Mailbox of the sales team: gets requests and replies"),
  IMPORTED_PASSWORDS: z
    .enum(["on", "off"])
    .default("off")
    .describe(
      "`on`: passwords that the Django import brought sign in; each login then takes an eighth longer",
    ),
  RATE_LIMITS: z.enum(["on", "off"]).describe("`off` is for load tests on a developer's machine"),
  PUBLIC_FRESHNESS_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3600)
    .describe(
      "Maximum age in seconds of an answer to an anonymous reader of the stock, in all caches together; 0 for no cache",
    ),
  CORS_ORIGINS: z
    .string()
    .transform((list) =>
      list
        .split(",")
        .map((origin) => origin.trim())
        .filter(Boolean),
    )
    .describe("Web origins that may call from a browser, separated by commas; `*` for all"),
  // RFC 7518, section 3.2, requires a key that is at least as long as the hash.
  JWT_SECRET: z.string().min(32).describe("Secret: signs access tokens. At least 32 random characters"),
  JWT_SECRET_PREVIOUS: z
    .string()
    .min(32)
    .optional()
    .describe("Secret: the previous JWT_SECRET, while it is being replaced; its tokens stay valid"),
});

/** Refuses what is right on a developer's machine only: links that lead nowhere, and mail from nobody. */
const deployable = variables.superRefine((v, context) => {
  if (v.ENVIRONMENT === "development") return;
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: "custom", path: [name], message });
  if (!v.PUBLIC_URL.startsWith("https://")) refuse("PUBLIC_URL", "not https");
  if (!isPublic(new URL(v.PUBLIC_URL).hostname)) refuse("PUBLIC_URL", "not a public address");
  for (const name of ["EMAIL_FROM", "EMAIL_STAFF"] as const)
    if (!isPublic(v[name].slice(v[name].indexOf("@") + 1))) refuse(name, "not at a public domain");
});

const configuration = deployable.transform((v) => ({
  environment: v.ENVIRONMENT,
  publicUrl: v.PUBLIC_URL,
  region: v.REGION,
  /** What a showroom has as long as its row does not say it. */
  showroom: {
    name: v.SHOWROOM_NAME,
    timeZone: v.SHOWROOM_TIME_ZONE,
    horizonDays: v.BOOKING_HORIZON_DAYS,
  },
  emailVerificationRequired: v.EMAIL_VERIFICATION === "required",
  /** How many active bookings a customer may have, with and without a verified address. 0: they cannot book. */
  activeBookings: {
    most: v.MAX_ACTIVE_BOOKINGS,
    mostUnverified:
      v.EMAIL_VERIFICATION === "required"
        ? 0
        : Math.min(v.MAX_ACTIVE_BOOKINGS, v.MAX_ACTIVE_BOOKINGS_UNVERIFIED),
  },
  maxMailsPerDay: v.MAX_MAILS_PER_DAY,
  defaultCurrency: v.DEFAULT_CURRENCY,
  email: { from: v.EMAIL_FROM, staff: v.EMAIL_STAFF },
  publicFreshnessSeconds: v.PUBLIC_FRESHNESS_SECONDS,
  importedPasswords: v.IMPORTED_PASSWORDS === "on",
  rateLimits: v.RATE_LIMITS === "on",
  corsOrigins: v.CORS_ORIGINS as readonly string[],
  /** Signs new tokens. */
  jwtSecret: v.JWT_SECRET,
  /** Verify tokens: the current secret, and the previous one while it is being replaced. */
  jwtSecrets: [v.JWT_SECRET, v.JWT_SECRET_PREVIOUS].filter((secret) => secret !== undefined),
}));

/** The checked configuration. */
export type Config = Readonly<z.output<typeof configuration>>;

/** Raised when a variable is missing or wrong. The message names variables, never their values. */
export class Misconfigured extends Error {}

const checked = new WeakMap<object, Config>();

/**
 * Reads the configuration from the Worker's bindings.
 * @throws {Misconfigured} when a variable or secret is missing or wrong; the Worker then answers every request with 503
 */
export function readConfig(env: Env): Config {
  const known = checked.get(env);
  if (known) return known;
  const parsed = configuration.safeParse(env);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Misconfigured(faults.join("; "));
  }
  checked.set(env, parsed.data);
  return parsed.data;
}
