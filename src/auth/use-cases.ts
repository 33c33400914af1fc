/** The use cases of accounts. */
import { and, eq, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import { users } from "../db/schema.ts";
import { build, statementOf } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import type { Notice } from "../outbox/notices.ts";
import { enqueue, outboxStatement, outgoing, resetNotice } from "../outbox/outbox.ts";
import type { ClaimedCaller, VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { logSecurity } from "../shared/security-log.ts";
import { foldCase } from "../shared/text.ts";
import { claimAddress, isTaken, spendVerificationToken, verificationNotice } from "./email-verification.ts";
import { type CallingUser, confirmPassword, countWrong, findLogin, readCallingUser } from "./guesses.ts";
import { findUserByResetToken, spendResetToken, voidResetTokens } from "./password-resets.ts";
import { checkPassword, type PasswordOwner } from "./password-rules.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";
import { endSessionOf, endSessions, renewSession, startSession } from "./sessions.ts";
import {
  type AddressChange,
  accountBody,
  addressTaken,
  insertUser,
  newUserRow,
  type ProfileChange,
  type User,
  updateProfile,
  userBody,
  userById,
  writingUser,
  wrongPassword,
} from "./users.ts";
import { readAs } from "./verification.ts";

type Account = ReturnType<typeof accountBody>;
type UserBody = ReturnType<typeof userBody>;

/** Whether one more mail may go to an address now. */
export type MayMail = (address: string) => Promise<boolean>;

/**
 * Creates a customer account, and mails a link to verify its address. Where verification is required, nothing shows
 * whether the address has an account already: the account is created all the same, without a way to verify the address,
 * and the mail says so to the owner. A username with @ could not be given twice, so there is none.
 */
export async function register(
  deps: Deps,
  input: Parameters<typeof newUserRow>[0],
  key: IdempotencyKey | undefined,
  mayMail: MayMail,
): Promise<Result<Account>> {
  const { db, config, now } = deps;
  const { email } = input;
  if (config.emailVerificationRequired) {
    if (foldCase(input.username).includes("@"))
      return refuseField("username", "invalid_format", "Choose a name without @; the e-mail signs in, too");
  } else if (email && (await isTaken(db, email))) return addressTaken();
  const weak = await checkPassword(deps, input.password, input);
  if (!weak.ok) return weak;
  const user = await newUserRow(input, now);
  const body = accountBody(user);
  const notices = outgoing(email && (await mayMail(email)) ? [verificationNotice(user.id, email)] : []);
  const stored = await writingUser(
    db.commit("anonymous", "user.register", `user:${user.id}`, [
      insertUser(user),
      outboxStatement(notices, now, deps.requestId),
      ...storeAnswer(key, { status: 201, body }, now),
    ]),
  );
  if (!stored.ok) return stored;
  enqueueAfterwards(deps, notices);
  return ok(body);
}

/**
 * Starts a session for a username or e-mail and a password. The cost is the same when the user does not exist.
 * @param address the client's, as rate limits count it
 */
export async function login(deps: Deps, name: string, password: string, address: string) {
  const { db, config, now } = deps;
  const found = await findLogin(deps, name, address);
  if (!found.ok) return found;
  const { user, addressHash, count, isKnown } = found.value;
  const how = { imported: config.importedPasswords, isPreferred: isKnown };
  const verdict = await verifyPassword(password, user?.passwordHash, how);
  if (!user?.isActive || verdict === "wrong") {
    await countWrong(deps, count);
    logSecurity("login_failed", { request: deps.requestId, user: user?.id });
    return refuse("invalid_credentials");
  }
  const newHash = verdict === "stale" ? await hashPassword(password, isKnown) : undefined;
  const verified = { verifiedHash: user.passwordHash, newHash, login: { addressHash, count } };
  const tokens = await startSession(db, user, verified, config.jwtSecret, now);
  const facts = { request: deps.requestId, user: user.id, role: user.role };
  logSecurity(tokens ? "login_succeeded" : "login_failed", facts);
  return tokens ? ok({ ...tokens, user: userBody(user) }) : refuse("invalid_credentials");
}

/** Exchanges a refresh token for a new pair of tokens. */
export async function refresh({ db, config, now, requestId }: Deps, token: string) {
  const tokens = await renewSession(db, token, config.jwtSecrets, now, requestId);
  return tokens ? ok(tokens) : refuse("invalid_refresh_token");
}

/** Ends the session of a refresh token. */
export const logout = ({ db, now }: Deps, token: string): Promise<void> => endSessionOf(db, token, now);

/** Returns the calling user. One round trip. */
export async function getMe(deps: Deps, claimed: ClaimedCaller): Promise<Result<UserBody>> {
  const user = await callingUser(deps, claimed);
  return user.ok ? ok(userBody(user.value.user)) : user;
}

/**
 * Changes the calling user's names, phone or e-mail. A new address needs the password, waits until it is verified, and
 * is announced to the present one.
 */
export async function updateMe(
  deps: Deps,
  claimed: ClaimedCaller,
  change: ProfileChange,
  mayMail: MayMail,
): Promise<Result<UserBody>> {
  const found = await readCallingUser(deps, claimed);
  if (!found.ok) return found;
  const { caller, user } = found.value;
  const { db, now } = deps;
  const checked = await checkAddressChange(deps, found.value, change);
  if (!checked.ok) return checked;
  const readdress = checked.value;
  const { id } = caller;
  const notices = outgoing(readdress ? await noticesOf(user, readdress.address, mayMail) : []);
  const stored = await writingUser(
    db.commit(caller, "user.update", `user:${id}`, [
      // First, because it reads the present address.
      outboxStatement(notices, now, deps.requestId),
      updateProfile(id, change, readdress, now),
      userById({ id }),
      ...(readdress?.address === null ? [voidResetTokens(id, now)] : []),
    ]),
  );
  if (!stored.ok) return stored;
  if (readdress) logSecurity("email_change_requested", { request: deps.requestId, user: id });
  enqueueAfterwards(deps, notices);
  const [, , [updated]] = stored.value;
  return updated ? ok(userBody(updated)) : refuse("invalid_token");
}

/** Checks a change of address. `undefined` when the input has none: sending back the present address is no change. */
async function checkAddressChange(
  deps: Deps,
  calling: CallingUser,
  { email, current_password: password }: ProfileChange,
): Promise<Result<AddressChange | undefined>> {
  const { user } = calling;
  if (email === undefined || (email && foldCase(email)) === user.emailKey) return ok(undefined);
  if (password === undefined)
    return refuseField("current_password", "required", "A change of the e-mail address needs your password");
  const confirmed = await confirmPassword(deps, calling, password);
  if (!confirmed.ok) return confirmed;
  // Otherwise the name would stay, and keep the address from its next owner.
  if (email === null && user.usernameKey === user.emailKey)
    return refuseField("email", "is_username", "This address is your username: replace it by another one");
  if (email !== null && !deps.config.emailVerificationRequired && (await isTaken(deps.db, email, user.id)))
    return addressTaken();
  return ok({ address: email, verifiedHash: user.passwordHash });
}

/** The notices of a change of address: to the present address, and to the new one if it may get a mail now. */
async function noticesOf({ id }: User, address: string | null, mayMail: MayMail): Promise<Notice[]> {
  const isRemoval = address === null;
  return [
    { kind: "email_changed", to: { userId: id }, facts: { isRemoval } },
    ...(isRemoval || !(await mayMail(address)) ? [] : [verificationNotice(id, address)]),
  ];
}

/** Verifies the address that a token was mailed to; a pending change of address takes effect. */
export async function verifyEmail(deps: Deps, token: string): Promise<Result<undefined>> {
  const { db, now, requestId } = deps;
  switch (await spendVerificationToken(db, token, now, requestId)) {
    case "verified":
      return ok(undefined);
    case "taken":
      return refuseField("token", "taken", "Another account has verified this e-mail address");
    case "invalid":
      return invalidMailedToken();
  }
}

/** Mails the link again that verifies the calling user's pending or unverified address. */
export async function resendVerification(
  deps: Deps,
  claimed: ClaimedCaller,
  mayMail: MayMail,
): Promise<Result<undefined>> {
  const found = await callingUser(deps, claimed);
  if (!found.ok) return found;
  const { caller, user } = found.value;
  const address = user.pendingEmail ?? (user.emailVerifiedAt === null ? user.email : null);
  if (address === null || !(await mayMail(address))) return ok(undefined);
  const notices = outgoing([verificationNotice(caller.id, address)]);
  const stored = await writingUser(
    deps.db.commit(caller, "email_verification.request", `user:${caller.id}`, [
      outboxStatement(notices, deps.now, deps.requestId),
    ]),
  );
  if (!stored.ok) return stored;
  enqueueAfterwards(deps, notices);
  return ok(undefined);
}

/** Changes the calling user's password and ends their other sessions. */
export async function changePassword(
  deps: Deps,
  claimed: ClaimedCaller,
  current: string,
  replacement: string,
): Promise<Result<undefined>> {
  const found = await readCallingUser(deps, claimed);
  if (!found.ok) return found;
  const { caller, user } = found.value;
  const confirmed = await confirmPassword(deps, found.value, current);
  if (!confirmed.ok) return confirmed;
  const weak = await checkPassword(deps, replacement, ownerOf(user), "new_password");
  if (!weak.ok) return weak;
  const passwordHash = await hashPassword(replacement, true);
  const { db, now } = deps;
  try {
    // Only if the verified password is still current: another request may have changed or reset it.
    const change = build
      .update(users)
      // A pending change of the address may be a thief's.
      .set({ passwordHash, pendingEmail: null, updatedAt: now })
      .where(and(eq(users.id, caller.id), eq(users.passwordHash, user.passwordHash)))
      .returning({ id: users.id });
    const isChanged = sql`EXISTS (SELECT 1 FROM ${users} WHERE id = ${caller.id} AND password_hash = ${passwordHash})`;
    const [changed] = await db.commit(caller, "password.change", `user:${caller.id}`, [
      statementOf(change),
      endSessions(caller.id, now, { except: caller.sessionId, onlyIf: isChanged }),
      voidResetTokens(caller.id, now, isChanged),
    ]);
    if (changed?.length !== 1) return wrongPassword();
    logSecurity("password_changed", { request: deps.requestId, user: caller.id });
    return ok(undefined);
  } catch (error) {
    if (violationOf(error) === "not_signed_in") return refuse("invalid_token");
    throw error;
  }
}

/** Requests a password reset mail. The work is the same when no account has the address. */
export async function requestReset(deps: Deps, email: string): Promise<void> {
  const id = uuidv7();
  const { db, now, requestId } = deps;
  await db.commit("anonymous", "password_reset.request", "-", [resetNotice(id, email, now, requestId)]);
  logSecurity("password_reset_requested", { request: requestId });
  deps.afterwards(enqueue(deps.env.NOTIFICATIONS, [id], requestId));
}

/** Sets a new password with a mailed token, ends all sessions of its user, and verifies the address it was mailed to. */
export async function resetPassword(
  deps: Deps,
  token: string,
  replacement: string,
): Promise<Result<undefined>> {
  const { db, now } = deps;
  const user = await findUserByResetToken(db, token, now);
  if (!user) return invalidMailedToken();
  const weak = await checkPassword(deps, replacement, ownerOf(user), "new_password");
  if (!weak.ok) return weak;
  const passwordHash = await hashPassword(replacement);
  // A change of the address voids the tokens, so an open one was mailed to the present address.
  const { id, email } = user;
  const isSet = await spendResetToken(db, token, passwordHash, now, (onlyIf) =>
    email === null ? [] : claimAddress(id, email, now, onlyIf),
  );
  if (!isSet) return invalidMailedToken();
  logSecurity("password_reset", { request: deps.requestId, user: id });
  return ok(undefined);
}

const invalidMailedToken = () => refuseField("token", "invalid_token", "Unknown, used or expired");

/** Sends the ids of committed notices to the queue, after the response. */
function enqueueAfterwards(deps: Deps, notices: ReturnType<typeof outgoing>): void {
  const ids = notices.map(({ id }) => id);
  if (ids.length > 0) deps.afterwards(enqueue(deps.env.NOTIFICATIONS, ids, deps.requestId));
}

async function callingUser(
  deps: Deps,
  claimed: ClaimedCaller,
): Promise<Result<{ caller: VerifiedCaller; user: User }>> {
  const read = await readAs(deps, claimed, userById({ id: claimed.id }));
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[user]] = rows;
  return user ? ok({ caller, user }) : refuse("invalid_token");
}

const ownerOf = (user: User): PasswordOwner => accountBody(user);
