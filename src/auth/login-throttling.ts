/**
 * Login throttling: rate limits on guesses at a secret. They count per address, and per account and address, so that
 * guesses of another person do not lock out the owner. A third limit counts an account from all addresses, within ten
 * seconds only. The platform counts per location and approximately. The numbers are in wrangler.toml.
 */
import type { Context } from "hono";
import { clientAddress } from "../http/client-address.ts";
import type { AppEnv } from "../http/context.ts";
import { Problem } from "../http/problems.ts";
import { foldCase } from "../shared/text.ts";

/** The window of each limit in seconds, as in wrangler.toml. */
const WINDOW = { ADDRESS_LIMIT: 60, ACCOUNT_LIMIT: 60, ACCOUNT_BURST_LIMIT: 10, MAIL_LIMIT: 60 } as const;

type Limit = keyof typeof WINDOW;

async function isWithin(c: Context<AppEnv>, limit: Limit, key: string): Promise<boolean> {
  return !c.get("config").rateLimits || (await c.env[limit].limit({ key })).success;
}

async function limit(c: Context<AppEnv>, name: Limit, key: string): Promise<void> {
  if (await isWithin(c, name, key)) return;
  throw new Problem("too_many_requests", undefined, { headers: { "Retry-After": String(WINDOW[name]) } });
}

/**
 * Counts a request against its address.
 * @throws `too_many_requests`
 */
export const limitAddress = (c: Context<AppEnv>, action: string): Promise<void> =>
  limit(c, "ADDRESS_LIMIT", `${action} ${clientAddress(c)}`);

/**
 * Counts a guess at an account's secret.
 * @param account the name in the request; the account need not exist
 * @throws `too_many_requests`
 */
export async function limitGuesses(c: Context<AppEnv>, action: string, account: string): Promise<void> {
  const name = foldCase(account.trim());
  await limitAddress(c, action);
  await limit(c, "ACCOUNT_LIMIT", `${action} ${name} ${clientAddress(c)}`);
  await limit(c, "ACCOUNT_BURST_LIMIT", `${action} ${name}`);
}

/**
 * Counts a request whose answer shows whether a username or an e-mail address is taken.
 * @throws `too_many_requests`
 */
export const limitNameChecks = (c: Context<AppEnv>): Promise<void> =>
  limit(c, "ACCOUNT_LIMIT", `names ${clientAddress(c)}`);

/** Whether one more mail may go to this address now. The limit keeps strangers from filling a mailbox. */
export const mayMail = (c: Context<AppEnv>, email: string): Promise<boolean> =>
  isWithin(c, "MAIL_LIMIT", foldCase(email.trim()));
