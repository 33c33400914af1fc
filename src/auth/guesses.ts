/**
 * Wrong passwords, counted by account, source and day in the database. An account accepts at most 100 a day from each
 * source (NIST SP 800-63B, section 5.2.2). An address from which the user has signed in lately is a source of its own,
 * and all others together are one. So strangers who use up their share do not lock out the owner.
 */
import { query } from "../db/query.ts";
import type { Query, Statement } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import type { Caller, ClaimedCaller, VerifiedCaller } from "../shared/callers.ts";
import { sha256 } from "../shared/digest.ts";
import { RATE_LIMITS } from "../shared/rate-limits.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import { DAY_MS } from "../shared/showroom-time.ts";
import { foldCase } from "../shared/text.ts";
import { verifyPassword } from "./passwords.ts";
import { type User, userById, userByName, wrongPassword } from "./users.ts";
import { readAs } from "./verification.ts";

/** How many wrong passwords an account accepts from one source on one day (UTC). */
export const MAX_WRONG_PER_DAY = 100;

/** How many sessions of a user are searched for the address, newest first. It bounds the cost of a login. */
const MAX_SESSIONS = 100;

/** The source of all addresses from which the user has no session. */
const UNKNOWN = "";

/** Where wrong passwords are counted. `account`: the user's id, or a hash of a name that nobody has. */
export type GuessCount = { account: string; source: string; day: number };

/** An attempt to sign in. `addressHash`: what a session remembers of the client's address. */
export type LoginAttempt = {
  user: User | undefined;
  addressHash: string | undefined;
  count: GuessCount;
  isKnown: boolean;
};

const dayOf = (now: number): number => Math.floor(now / DAY_MS);

/** The queries for a login: the user, the places where they signed in, and today's wrong passwords. */
export function loginQueries(name: string, nameHash: string, unverified: 0 | 1, now: number) {
  const user = userByName({ key: name, unverified });
  return [
    user,
    query<{ hash: string | null }>`SELECT address_hash AS hash FROM sessions
      WHERE user_id = (SELECT id FROM (${user})) ORDER BY rowid DESC LIMIT ${MAX_SESSIONS}`,
    query<{ source: string; n: number }>`SELECT source, n FROM failed_logins
      WHERE account = coalesce((SELECT id FROM (${user})), ${nameHash}) AND day = ${dayOf(now)}`,
  ] as const;
}

/**
 * Finds who signs in, and refuses when too many passwords were wrong today. One round trip for every name.
 * @param address the client's, as rate limits count it
 * @returns `too_many_requests` until the next day
 */
export async function findLogin(deps: Deps, name: string, address: string): Promise<Result<LoginAttempt>> {
  const { db, config, now } = deps;
  const key = foldCase(name.trim());
  // Where verification is required, an unverified address signs in nobody: whether it does would show that the address
  // has no other account.
  const unverified = config.emailVerificationRequired ? 0 : 1;
  const nameHash = await sha256(`name ${key}`);
  const [[user], places, counts] = await db.ask(...loginQueries(key, nameHash, unverified, now));
  const addressHash = user && (await sha256(`${user.id} ${address}`));
  const isKnown = addressHash !== undefined && places.some(({ hash }) => hash === addressHash);
  const source = isKnown ? addressHash : UNKNOWN;
  const count = { account: user?.id ?? nameHash, source, day: dayOf(now) };
  const wrong = counts.find((counted) => counted.source === source)?.n ?? 0;
  if (wrong >= MAX_WRONG_PER_DAY) return tooMany(now);
  // Several guesses at once could all pass the check above. A known address is slow enough by its own limit.
  if (!isKnown && !(await deps.isWithin("ACCOUNT_BURST_LIMIT", `login ${count.account}`)))
    return limitedBy("ACCOUNT_BURST_LIMIT");
  return ok({ user, addressHash, count, isKnown });
}

/**
 * Whether a password is the one of a user whom an equal request has created. Otherwise it counts as a wrong one, because a
 * repetition must not be a way to guess without being counted.
 */
export async function isPasswordOf(
  deps: Deps,
  { id, username }: { id: string; username: string },
  password: string,
  address: string,
): Promise<Result<boolean>> {
  const found = await findLogin(deps, username, address);
  if (!found.ok) return found;
  const { user, count } = found.value;
  const how = { imported: deps.config.importedPasswords };
  const isRight = (await verifyPassword(password, user?.passwordHash, how)) !== "wrong";
  if (isRight && user?.id === id) return ok(true);
  await countWrong(deps, count);
  logSecurity("login_failed", { request: deps.requestId, user: user?.id });
  return ok(false);
}

/** A verified caller, their row, and how often their password was wrong in this session today. */
export type CallingUser = { caller: VerifiedCaller; user: User; wrong: number };

const ownCount = ({ id, sessionId }: Caller, now: number): GuessCount => ({
  account: id,
  source: `session ${sessionId}`,
  day: dayOf(now),
});

/** Reads the calling user for a change that `confirmPassword` may have to confirm. One round trip. */
export async function readCallingUser(deps: Deps, claimed: ClaimedCaller): Promise<Result<CallingUser>> {
  const { account, source, day } = ownCount(claimed, deps.now);
  const counted = query<{ n: number }>`SELECT n FROM failed_logins
    WHERE account = ${account} AND day = ${day} AND source = ${source}`;
  const read = await readAs(deps, claimed, userById({ id: claimed.id }), counted);
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[user], [wrong]] = rows;
  return user ? ok({ caller, user, wrong: wrong?.n ?? 0 }) : refuse("invalid_token");
}

/**
 * Verifies the password of a caller who is signed in. Wrong ones are counted by session, so that a stolen access token
 * allows few guesses and does not lock the owner out elsewhere.
 * @param field the member that has the password
 */
export async function confirmPassword(
  deps: Deps,
  { caller, user, wrong }: CallingUser,
  password: string,
  field?: string,
): Promise<Result<undefined>> {
  if (wrong >= MAX_WRONG_PER_DAY) return tooMany(deps.now);
  if (!(await deps.isWithin("ACCOUNT_LIMIT", `own ${caller.id} ${caller.sessionId}`)))
    return limitedBy("ACCOUNT_LIMIT");
  const how = { imported: deps.config.importedPasswords, isPreferred: true };
  if ((await verifyPassword(password, user.passwordHash, how)) !== "wrong") return ok(undefined);
  await countWrong(deps, ownCount(caller, deps.now));
  logSecurity("confirmation_failed", { request: deps.requestId, user: caller.id });
  return wrongPassword(field);
}

/** Counts a wrong password. */
export async function countWrong({ db }: Deps, { account, source, day }: GuessCount): Promise<void> {
  await db.commit("anonymous", "password.wrong", "-", [
    {
      sql: `INSERT INTO failed_logins (account, source, day, n) VALUES (?, ?, ?, 1)
        ON CONFLICT (account, source, day) DO UPDATE SET n = n + 1`,
      params: [account, source, day],
    },
  ]);
}

/** The condition that a source may still be right: so a password that was guessed too late starts no session. */
export const mayBeRight = ({ account, source, day }: GuessCount): Query =>
  query`NOT EXISTS (SELECT 1 FROM failed_logins
    WHERE account = ${account} AND source = ${source} AND day = ${day} AND n >= ${MAX_WRONG_PER_DAY})`;

/** The statement that forgets the wrong passwords of a source after a right one. */
export const forgetWrong = ({ account, source }: GuessCount, onlyIf: Query): Statement =>
  query`DELETE FROM failed_logins WHERE account = ${account} AND source = ${source} AND ${onlyIf}`;

const limitedBy = (limit: "ACCOUNT_LIMIT" | "ACCOUNT_BURST_LIMIT") =>
  refuse("too_many_requests", { policy: RATE_LIMITS[limit].policy, retryAfter: RATE_LIMITS[limit].seconds });

const tooMany = (now: number) =>
  refuse("too_many_requests", {
    policy: "wrong-passwords",
    detail: `${MAX_WRONG_PER_DAY} wrong passwords today; a link by e-mail sets a new one`,
    retryAfter: Math.ceil(((dayOf(now) + 1) * DAY_MS - now) / 1000),
  });
