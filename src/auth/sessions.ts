/** Sessions: started by a login, carried on by refreshing, ended by a logout, a theft or a new password. */
import { and, eq, gt, isNull, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { refreshTokens, sessions, users } from "../db/schema.ts";
import { sha256 } from "../shared/digest.ts";
import type { Role } from "../shared/enums.ts";
import { REFRESH_GRACE_MS, REFRESH_TOKEN_MS, randomToken, signAccessToken, successorOf } from "./tokens.ts";

/** An access token and the refresh token to get the next one with. */
export type TokenPair = { access: string; refresh: string };

type Holder = { id: string; role: Role };

/** Starts a session of a user. `now` in milliseconds. */
export async function startSession(
  db: Database,
  user: Holder,
  secret: string,
  now: number,
): Promise<TokenPair> {
  const refresh = randomToken();
  const sessionId = uuidv7();
  const expiresAt = now + REFRESH_TOKEN_MS;
  await db.batch([
    db.insert(sessions).values({ id: sessionId, userId: user.id, createdAt: now, expiresAt }),
    db
      .insert(refreshTokens)
      .values({ tokenHash: await sha256(refresh), sessionId, createdAt: now, expiresAt }),
  ]);
  return { access: await accessFor(user, sessionId, secret, now), refresh };
}

/**
 * Spends a refresh token for the next pair. A token used a second time ends its session, unless it comes within
 * the grace and its successor was not used yet: then a lost answer is likelier than a theft.
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
    .select({ session: sessions, expiresAt: refreshTokens.expiresAt, role: users.role })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(and(eq(refreshTokens.tokenHash, hash), eq(users.isActive, true), isNull(sessions.endedAt)))
    .get();
  if (!found || found.expiresAt <= now) return undefined;
  const { session } = found;
  const expiresAt = now + REFRESH_TOKEN_MS;

  // What decides is inside the batch, so that nothing slips between a look and a leap: the token is spent once, and
  // there is one successor, which must be unused and young for the answer to be given (again).
  const [, , , successors] = await db.batch([
    db
      .update(refreshTokens)
      .set({ spentAt: now })
      .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.spentAt))),
    db
      .insert(refreshTokens)
      .values({ tokenHash: nextHash, sessionId: session.id, createdAt: now, expiresAt })
      .onConflictDoNothing(),
    db
      .update(sessions)
      .set({ expiresAt: sql`max(${sessions.expiresAt}, ${expiresAt})` })
      .where(eq(sessions.id, session.id)),
    db
      .select({ hash: refreshTokens.tokenHash })
      .from(refreshTokens)
      .where(
        and(
          eq(refreshTokens.tokenHash, nextHash),
          isNull(refreshTokens.spentAt),
          gt(refreshTokens.createdAt, now - REFRESH_GRACE_MS),
        ),
      ),
  ]);
  if (successors.length === 0) {
    await endSession(db, session.id, now);
    return undefined;
  }
  return {
    access: await accessFor({ id: session.userId, role: found.role }, session.id, secret, now),
    refresh: next,
  };
}

/** Ends a session: its refresh tokens and its access tokens are good no more. */
export async function endSession(db: Database, sessionId: string, now: number): Promise<void> {
  await db
    .update(sessions)
    .set({ endedAt: now })
    .where(and(eq(sessions.id, sessionId), isNull(sessions.endedAt)));
}

/** Ends the session that a refresh token, spent or not, belongs to. Nothing happens for an unknown token. */
export async function endSessionOf(db: Database, token: string, now: number): Promise<void> {
  const owner = db
    .select({ id: refreshTokens.sessionId })
    .from(refreshTokens)
    .where(eq(refreshTokens.tokenHash, await sha256(token)));
  await db
    .update(sessions)
    .set({ endedAt: now })
    .where(and(eq(sessions.id, owner), isNull(sessions.endedAt)));
}

const accessFor = (user: Holder, sessionId: string, secret: string, now: number): Promise<string> =>
  signAccessToken({ userId: user.id, role: user.role, sessionId }, secret, now);
