/** The use cases of accounts. */
import { and, eq, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import { users } from "../db/schema.ts";
import { build, statementOf } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { enqueue, resetNotice } from "../outbox/outbox.ts";
import type { ClaimedCaller, VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { foldCase } from "../shared/text.ts";
import { findUserByResetToken, spendResetToken, voidResetTokens } from "./password-resets.ts";
import { checkPassword, type PasswordOwner } from "./password-rules.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";
import { endSessionOf, endSessions, renewSession, startSession } from "./sessions.ts";
import {
  accountBody,
  insertUser,
  newUserRow,
  type ProfileChange,
  type User,
  updateProfile,
  userBody,
  userById,
  userByName,
  writingUser,
} from "./users.ts";
import { readAs } from "./verification.ts";

type Account = ReturnType<typeof accountBody>;
type UserBody = ReturnType<typeof userBody>;

/** Creates a customer account. */
export async function register(
  deps: Deps,
  input: Parameters<typeof newUserRow>[0],
  key: IdempotencyKey | undefined,
): Promise<Result<Account>> {
  const weak = await checkPassword(deps, input.password, input);
  if (!weak.ok) return weak;
  const user = await newUserRow(input, deps.now);
  const body = accountBody(user);
  const statements = [insertUser(user), ...storeAnswer(key, { status: 201, body }, deps.now)];
  const stored = await writingUser(
    deps.db.commit("anonymous", "user.register", `user:${user.id}`, statements),
  );
  return stored.ok ? ok(body) : stored;
}

/** Starts a session for a username or e-mail and a password. The cost is the same when the user does not exist. */
export async function login(deps: Deps, name: string, password: string) {
  const { db, config, now } = deps;
  const [[user]] = await db.ask(userByName({ key: foldCase(name.trim()) }));
  const verdict = await verifyPassword(password, user?.passwordHash);
  if (!user?.isActive || verdict === "wrong") return refuse("invalid_credentials");
  const newHash = verdict === "stale" ? await hashPassword(password) : undefined;
  const hashes = { verifiedHash: user.passwordHash, newHash };
  const tokens = await startSession(db, user, hashes, config.jwtSecret, now);
  return tokens ? ok({ ...tokens, user: userBody(user) }) : refuse("invalid_credentials");
}

/** Exchanges a refresh token for a new pair of tokens. */
export async function refresh({ db, config, now }: Deps, token: string) {
  const tokens = await renewSession(db, token, config.jwtSecrets, now);
  return tokens ? ok(tokens) : refuse("invalid_refresh_token");
}

/** Ends the session of a refresh token. */
export const logout = ({ db, now }: Deps, token: string): Promise<void> => endSessionOf(db, token, now);

/** Returns the calling user. One round trip. */
export async function getMe(deps: Deps, claimed: ClaimedCaller): Promise<Result<UserBody>> {
  const user = await callingUser(deps, claimed);
  return user.ok ? ok(userBody(user.value.user)) : user;
}

/** Changes the calling user's names, phone or e-mail. */
export async function updateMe(
  deps: Deps,
  caller: VerifiedCaller,
  change: ProfileChange,
): Promise<Result<UserBody>> {
  const { id } = caller;
  const stored = await writingUser(
    deps.db.commit(caller, "user.update", `user:${id}`, [
      updateProfile(id, change, deps.now),
      userById({ id }),
    ]),
  );
  if (!stored.ok) return stored;
  const [, [user]] = stored.value;
  return user ? ok(userBody(user)) : refuse("invalid_token");
}

/** Changes the calling user's password and ends their other sessions. */
export async function changePassword(
  deps: Deps,
  claimed: ClaimedCaller,
  current: string,
  replacement: string,
): Promise<Result<undefined>> {
  const found = await callingUser(deps, claimed);
  if (!found.ok) return found;
  const { caller, user } = found.value;
  const wrong = refuseField("current_password", "wrong", "This is not your password");
  if ((await verifyPassword(current, user.passwordHash)) === "wrong") return wrong;
  const weak = await checkPassword(deps, replacement, ownerOf(user), "new_password");
  if (!weak.ok) return weak;
  const passwordHash = await hashPassword(replacement);
  const { db, now } = deps;
  try {
    // Only if the verified password is still current: another request may have changed or reset it.
    const change = build
      .update(users)
      .set({ passwordHash, updatedAt: now })
      .where(and(eq(users.id, caller.id), eq(users.passwordHash, user.passwordHash)))
      .returning({ id: users.id });
    const isChanged = sql`EXISTS (SELECT 1 FROM ${users} WHERE id = ${caller.id} AND password_hash = ${passwordHash})`;
    const [changed] = await db.commit(caller, "password.change", `user:${caller.id}`, [
      statementOf(change),
      endSessions(caller.id, now, { except: caller.sessionId, onlyIf: isChanged }),
      voidResetTokens(caller.id, now, isChanged),
    ]);
    return changed?.length === 1 ? ok(undefined) : wrong;
  } catch (error) {
    if (violationOf(error) === "not_signed_in") return refuse("invalid_token");
    throw error;
  }
}

/** Requests a password reset mail. The work is the same when no account has the address. */
export async function requestReset(deps: Deps, email: string): Promise<void> {
  const id = uuidv7();
  await deps.db.commit("anonymous", "password_reset.request", "-", [resetNotice(id, email, deps.now)]);
  deps.afterwards(enqueue(deps.env.NOTIFICATIONS, [id], deps.requestId));
}

/** Sets a new password with a mailed token, and ends all sessions of its user. */
export async function resetPassword(
  deps: Deps,
  token: string,
  replacement: string,
): Promise<Result<undefined>> {
  const { db, now } = deps;
  const refused = refuseField("token", "invalid_token", "Unknown, used or expired");
  const user = await findUserByResetToken(db, token, now);
  if (!user) return refused;
  const weak = await checkPassword(deps, replacement, ownerOf(user), "new_password");
  if (!weak.ok) return weak;
  const isSet = await spendResetToken(db, token, await hashPassword(replacement), now);
  return isSet ? ok(undefined) : refused;
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
