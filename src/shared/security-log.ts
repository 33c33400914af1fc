/**
 * Security events: what an operator looks for after, or during, an attack (docs/operations/alerts.md lists them). Lines
 * name users by id, never by name or address, and hold no token.
 */
import { log } from "./log.ts";

/** Each event with the level of its line. */
export const SECURITY_EVENTS = {
  login_succeeded: "info",
  login_failed: "warn",
  /** A signed-in caller gave a wrong password to confirm a change. */
  confirmation_failed: "warn",
  refresh_reused: "error",
  password_reset_requested: "info",
  password_reset: "warn",
  password_changed: "info",
  /** A change of the address was requested, or the address removed. */
  email_change_requested: "info",
  /** An address was verified; a pending change took effect. */
  email_verified: "info",
  staff_created: "warn",
  role_changed: "warn",
  user_deactivated: "warn",
  user_reactivated: "warn",
  user_erased: "warn",
  /** The secret address of a calendar was made, or replaced. */
  calendar_feed_created: "info",
  calendar_feed_removed: "info",
  access_denied: "warn",
  rate_limited: "warn",
} as const satisfies Record<string, keyof typeof log>;

/** The name of a security event. */
export type SecurityEvent = keyof typeof SECURITY_EVENTS;

/** What a line says. `user`: whom it is about; `by`: the administrator who did it. Both are ids. */
type Facts = {
  request: string | undefined;
  user?: string | undefined;
  by?: string | undefined;
  session?: string | undefined;
  role?: string | undefined;
  operation?: string | undefined;
  code?: string | undefined;
  policy?: string | undefined;
  unwritten?: number | undefined;
};

/** Writes a security event to the log. */
export const logSecurity = (event: SecurityEvent, facts: Facts): void =>
  log[SECURITY_EVENTS[event]](`security.${event}`, facts);
