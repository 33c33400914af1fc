/**
 * Login throttling by the minute, before anything is read or hashed. How many wrong passwords an account accepts in a
 * day is counted in the database (guesses.ts).
 */
import type { Context } from "hono";
import { clientAddress } from "../http/client-address.ts";
import type { AppEnv } from "../http/context.ts";
import { limitBy } from "../http/rate-limit.ts";
import { depsOf } from "../http/request-deps.ts";
import { foldCase } from "../shared/text.ts";

/**
 * Counts a request against its address.
 * @param action requests of each action are counted together
 * @throws `too_many_requests`
 */
export const limitAddress = (c: Context<AppEnv>, action: string): Promise<void> =>
  limitBy(c, "ADDRESS_LIMIT", `${action} ${clientAddress(c)}`);

/**
 * Counts a request that hashes a password. All of them are one action, because all of them cost the same.
 * @throws `too_many_requests`
 */
export const limitHashing = (c: Context<AppEnv>): Promise<void> => limitAddress(c, "password");

/**
 * Counts a login.
 * @param name the name in the request; the account need not exist
 * @throws `too_many_requests`
 */
export async function limitLogins(c: Context<AppEnv>, name: string): Promise<void> {
  await limitHashing(c);
  await limitBy(c, "ACCOUNT_LIMIT", `login ${foldCase(name.trim())} ${clientAddress(c)}`);
}

/**
 * Counts a request whose answer shows whether a username or an e-mail address is taken.
 * @throws `too_many_requests`
 */
export const limitNameChecks = (c: Context<AppEnv>): Promise<void> =>
  limitBy(c, "ACCOUNT_LIMIT", `names ${clientAddress(c)}`);

/** Whether one more mail may go to this address now. The limit keeps strangers from filling a mailbox. */
export const mayMail = (c: Context<AppEnv>, email: string): Promise<boolean> =>
  depsOf(c).isWithin("MAIL_LIMIT", foldCase(email.trim()));
