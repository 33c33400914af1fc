/**
 * The rate limits that the platform counts: per location and approximately, for 10 or 60 seconds. They stop floods; what
 * must hold exactly is counted in the database. The numbers are those of wrangler.toml, which a test compares.
 */

/** Each limit: its name for clients, and the number of requests in a window. docs/operations/limits.md explains them. */
export const RATE_LIMITS = {
  REQUEST_LIMIT: { policy: "address", requests: 20_000, seconds: 60 },
  ADDRESS_LIMIT: { policy: "accounts", requests: 30, seconds: 60 },
  ACCOUNT_LIMIT: { policy: "guesses", requests: 10, seconds: 60 },
  ACCOUNT_BURST_LIMIT: { policy: "guesses-burst", requests: 20, seconds: 10 },
  MAIL_LIMIT: { policy: "mails", requests: 3, seconds: 60 },
  COSTLY_LIMIT: { policy: "costly-reads", requests: 120, seconds: 60 },
} as const;

/** The name of a rate limit, which is also the name of its binding. */
export type RateLimitName = keyof typeof RATE_LIMITS;
