/** The sender of a request, and the author of a write. */
import type { Role } from "./enums.ts";

/** A person with a session. Plain data. */
export type Caller = Readonly<{ id: string; role: Role; sessionId: string }>;

/** The caller as the access token names them, and the roles that may call. The database has not confirmed it. */
export type ClaimedCaller = Caller & { readonly allowedRoles: readonly Role[] };

declare const VERIFIED: unique symbol;

/** A caller whom the database confirmed during this request: signed in, and with this role. */
export type VerifiedCaller = Caller & { readonly [VERIFIED]: true };

/** Marks a caller as verified. Call it only directly after the database has confirmed the caller. */
export const markVerified = (caller: Caller): VerifiedCaller => caller as VerifiedCaller;

/**
 * The author of a write: a person, whose session the transaction itself verifies; `anonymous` for public operations;
 * `system` for the cron and the queue.
 */
export type Actor = Caller | "anonymous" | "system";

/** Whether the caller works for the dealership. */
export const isStaff = (caller: Pick<Caller, "role"> | undefined): boolean =>
  caller?.role === "ADMIN" || caller?.role === "SALES";
