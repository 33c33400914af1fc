/** Who calls, and who writes. */
import type { Role } from "./enums.ts";

/** A person with a session. Plain data. */
export type Caller = Readonly<{ id: string; role: Role; sessionId: string }>;

/** Who the access token says is calling, and which roles may. Whether it is still true, only the database knows. */
export type ClaimedCaller = Caller & { readonly allowedRoles: readonly Role[] };

declare const VERIFIED: unique symbol;

/** A caller of whom the database said, during this request, that they are signed in and have this role. */
export type VerifiedCaller = Caller & { readonly [VERIFIED]: true };

/** Marks a caller as verified. To be called only where the database has just said so. */
export const markVerified = (caller: Caller): VerifiedCaller => caller as VerifiedCaller;

/**
 * Who a write is made for: a person, of whom the transaction itself checks that they are signed in; `anonymous`, for
 * what anybody may do; or `system`, for the cron and the queue.
 */
export type Actor = Caller | "anonymous" | "system";

/** Whether the caller works for the dealership. */
export const isStaff = (caller: Caller | undefined): boolean =>
  caller?.role === "ADMIN" || caller?.role === "SALES";
