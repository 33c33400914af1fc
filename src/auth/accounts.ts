/** Users and their sessions in the database. */
import { and, eq, gt, isNull, or, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { idempotencyKeys, refreshTokens, users } from "../db/schema.ts";
import { violationOf } from "../db/violations.ts";
import { sha256 } from "../http/digest.ts";
import { CLAIM_TAKEN, type Claim, claimRow } from "../http/idempotency.ts";
import { foldCase } from "../http/text.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";
import { REFRESH_GRACE_MS, REFRESH_TOKEN_MS, randomToken, signAccessToken, successorOf } from "./tokens.ts";

/** A user's row. */
export type User = typeof users.$inferSelect;

/** What a new user brings along. */
export type NewUser = {
  username: string;
  password: string;
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
  phone?: string | undefined;
};

/** The row of a new customer, its password hashed. */
export async function newUserRow(input: NewUser, now: number): Promise<User> {
  const email = input.email ?? null;
  return {
    id: uuidv7(),
    username: input.username,
    usernameKey: foldCase(input.username),
    email,
    emailKey: email === null ? null : foldCase(email),
    passwordHash: await hashPassword(input.password),
    firstName: input.first_name ?? "",
    lastName: input.last_name ?? "",
    phone: input.phone ?? "",
    role: "CUSTOMER",
    isActive: true,
    tokenVersion: 0,
    createdAt: now,
    updatedAt: now,
  };
}

/** A user as `POST register/` answers it. */
export const accountBody = (user: User) => ({
  id: user.id,
  username: user.username,
  email: user.email,
  first_name: user.firstName,
  last_name: user.lastName,
  phone: user.phone,
});

/** A user as they see themselves. */
export const userBody = (user: User) => ({ ...accountBody(user), role: user.role });

/** Why an account could not be made. */
export type AccountRefusal = "username_taken" | "email_taken" | "duplicate_request";

/** Stores a new user, and the answer to remember under `claim`, in one step. */
export async function insertUser(
  db: Database,
  user: User,
  claim: Claim | undefined,
): Promise<{ ok: true } | { ok: false; code: AccountRefusal }> {
  const answer = { status: 201, body: accountBody(user) } as const;
  try {
    await db.batch([
      db.insert(users).values(user),
      ...(claim ? [db.insert(idempotencyKeys).values(claimRow(claim, answer, user.createdAt))] : []),
    ]);
    return { ok: true };
  } catch (error) {
    switch (violationOf(error)) {
      case "unique:users.username_key":
        return { ok: false, code: "username_taken" };
      case "unique:users.email_key":
        return { ok: false, code: "email_taken" };
      case CLAIM_TAKEN:
        return { ok: false, code: "duplicate_request" };
      default:
        throw error;
    }
  }
}

/**
 * The active user whose username or e-mail and password these are. Costs the same whether or not there is such a
 * user. A hash made with older parameters is renewed.
 */
export async function signIn(
  db: Database,
  name: string,
  password: string,
  now: number,
): Promise<User | undefined> {
  const key = foldCase(name.trim());
  const found = await db
    .select()
    .from(users)
    .where(or(eq(users.usernameKey, key), eq(users.emailKey, key)));
  // Somebody's e-mail can be somebody else's username: the username wins.
  const user = found.find((row) => row.usernameKey === key) ?? found[0];
  const verdict = await verifyPassword(password, user?.passwordHash);
  if (!user?.isActive || verdict === "wrong") return undefined;
  if (verdict === "stale")
    await db
      .update(users)
      .set({ passwordHash: await hashPassword(password), updatedAt: now })
      .where(and(eq(users.id, user.id), eq(users.passwordHash, user.passwordHash)));
  return user;
}

/** An access token and the refresh token to get the next one with. */
export type TokenPair = { access: string; refresh: string };

/** Starts a session: a new family of refresh tokens. */
export async function startSession(
  db: Database,
  user: User,
  secret: string,
  now: number,
): Promise<TokenPair> {
  const refresh = randomToken();
  await db.insert(refreshTokens).values(await refreshRow(refresh, uuidv7(), user.id, now));
  return { access: await accessFor(user, secret, now), refresh };
}

/**
 * Spends a refresh token for the next pair. A token used a second time ends its whole family, unless it comes
 * within the grace and its successor was not used yet: then a lost answer is likelier than a theft.
 * `undefined` when the token is not good (any more).
 */
export async function renewSession(
  db: Database,
  token: string,
  secret: string,
  now: number,
): Promise<TokenPair | undefined> {
  const next = await successorOf(token, secret);
  const [hash, nextHash] = await Promise.all([sha256(token), sha256(next)]);
  const found = await db
    .select({ token: refreshTokens, user: users })
    .from(refreshTokens)
    .innerJoin(users, eq(users.id, refreshTokens.userId))
    .where(eq(refreshTokens.tokenHash, hash))
    .get();
  if (!found?.user.isActive || found.token.revokedAt !== null || found.token.expiresAt <= now)
    return undefined;
  const { token: current, user } = found;

  // Everything is decided inside the batch, so that two refreshes at once cannot slip between a look and a leap:
  // the successor is stored only while the family lives, and only once.
  const [, , successors] = await db.batch([
    db
      .update(refreshTokens)
      .set({ spentAt: now })
      .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.spentAt))),
    db
      .insert(refreshTokens)
      .select(
        db
          .select({
            tokenHash: sql<string>`${nextHash}`.as("token_hash"),
            familyId: refreshTokens.familyId,
            userId: refreshTokens.userId,
            createdAt: sql<number>`${now}`.as("created_at"),
            expiresAt: sql<number>`${now + REFRESH_TOKEN_MS}`.as("expires_at"),
            spentAt: sql<null>`NULL`.as("spent_at"),
            revokedAt: sql<null>`NULL`.as("revoked_at"),
          })
          .from(refreshTokens)
          .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.revokedAt))),
      )
      .onConflictDoNothing(),
    db
      .select({ hash: refreshTokens.tokenHash })
      .from(refreshTokens)
      .where(
        and(
          eq(refreshTokens.tokenHash, nextHash),
          isNull(refreshTokens.spentAt),
          isNull(refreshTokens.revokedAt),
          gt(refreshTokens.createdAt, now - REFRESH_GRACE_MS),
        ),
      ),
  ]);
  if (successors.length === 0) {
    await endFamily(db, current.familyId, now);
    return undefined;
  }
  return { access: await accessFor(user, secret, now), refresh: next };
}

/** Revokes every refresh token that descends from one login. */
export async function endFamily(db: Database, familyId: string, now: number): Promise<void> {
  await db
    .update(refreshTokens)
    .set({ revokedAt: now })
    .where(and(eq(refreshTokens.familyId, familyId), isNull(refreshTokens.revokedAt)));
}

const accessFor = (user: User, secret: string, now: number): Promise<string> =>
  signAccessToken({ userId: user.id, role: user.role, version: user.tokenVersion }, secret, now);

async function refreshRow(token: string, familyId: string, userId: string, now: number) {
  return {
    tokenHash: await sha256(token),
    familyId,
    userId,
    createdAt: now,
    expiresAt: now + REFRESH_TOKEN_MS,
  };
}
