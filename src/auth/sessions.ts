/** Sessions: a login starts one, a refresh extends it, and a logout, a stolen token or a new password ends it. */
import { and, eq, gt, isNull, lt, ne, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { refreshTokens, sessions, users } from "../db/schema.ts";
import { build, compile, insertInto, queryOf, type Statement, statementOf } from "../db/statement.ts";
import { sha256 } from "../shared/digest.ts";
import type { Role } from "../shared/enums.ts";
import { REFRESH_GRACE_MS, REFRESH_TOKEN_MS, randomToken, signAccessToken, successorOf } from "./tokens.ts";

/** An access token, and the refresh token for the next pair. */
type TokenPair = { access: string; refresh: string };

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
  await db.commit("anonymous", "session.start", `user:${user.id}`, [
    insertInto(sessions, { id: sessionId, userId: user.id, createdAt: now, expiresAt }),
    insertInto(refreshTokens, { tokenHash: await sha256(refresh), sessionId, createdAt: now, expiresAt }),
  ]);
  return { access: await accessFor(user, sessionId, secret, now), refresh };
}

const holderOfToken = compile(
  build
    .select({
      sessionId: sql<string>`${sessions.id}`.as("sessionId"),
      userId: sql<string>`${sessions.userId}`.as("userId"),
      expiresAt: sql<number>`${refreshTokens.expiresAt}`.as("expiresAt"),
      role: users.role,
    })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(
      and(
        eq(refreshTokens.tokenHash, sql.placeholder("hash")),
        eq(users.isActive, true),
        isNull(sessions.endedAt),
      ),
    ),
);

/**
 * Exchanges a refresh token for the next pair. A second use of a token ends its session, unless it comes within the
 * grace period and the successor is unused: then a lost response is more likely than a theft. Returns `undefined` when
 * the token is not valid.
 */
export async function renewSession(
  db: Database,
  token: string,
  secret: string,
  now: number,
): Promise<TokenPair | undefined> {
  const next = await successorOf(token, secret);
  const [hash, nextHash] = await Promise.all([sha256(token), sha256(next)]);
  const [[found]] = await db.ask(holderOfToken({ hash }));
  if (!found || found.expiresAt <= now) return undefined;
  const { sessionId, userId, role } = found;
  const expiresAt = now + REFRESH_TOKEN_MS;

  // The conditions are part of the transaction, so no other request can come between check and update. The token is
  // used once and has one successor, which is returned (again) only while it is unused and within the grace period.
  const [, , , successors] = await db.commit("anonymous", "session.renew", `session:${sessionId}`, [
    statementOf(
      build
        .update(refreshTokens)
        .set({ spentAt: now })
        .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.spentAt))),
    ),
    statementOf(
      build
        .insert(refreshTokens)
        .values({ tokenHash: nextHash, sessionId, createdAt: now, expiresAt })
        .onConflictDoNothing(),
    ),
    statementOf(
      build
        .update(sessions)
        .set({ expiresAt: sql`max(${sessions.expiresAt}, ${expiresAt})` })
        .where(eq(sessions.id, sessionId)),
    ),
    queryOf(
      build
        .select({ hash: refreshTokens.tokenHash })
        .from(refreshTokens)
        .where(
          and(
            eq(refreshTokens.tokenHash, nextHash),
            isNull(refreshTokens.spentAt),
            gt(refreshTokens.createdAt, now - REFRESH_GRACE_MS),
          ),
        ),
    ),
  ]);
  if (successors.length === 0) {
    await db.commit("anonymous", "session.end", `session:${sessionId}`, [endSession(sessionId, now)]);
    return undefined;
  }
  return { access: await accessFor({ id: userId, role }, sessionId, secret, now), refresh: next };
}

/** Ends the session of a refresh token, used or unused. An unknown token has no effect. */
export async function endSessionOf(db: Database, token: string, now: number): Promise<void> {
  const owner = build
    .select({ id: refreshTokens.sessionId })
    .from(refreshTokens)
    .where(eq(refreshTokens.tokenHash, await sha256(token)));
  await db.commit("anonymous", "session.end", "-", [
    statementOf(
      build
        .update(sessions)
        .set({ endedAt: now })
        .where(and(eq(sessions.id, owner), isNull(sessions.endedAt))),
    ),
  ]);
}

const endSession = (sessionId: string, now: number): Statement =>
  statementOf(
    build
      .update(sessions)
      .set({ endedAt: now })
      .where(and(eq(sessions.id, sessionId), isNull(sessions.endedAt))),
  );

/** The statement that ends the sessions of a user, except `keptSession`. */
export const endSessions = (userId: string, now: number, keptSession = ""): Statement =>
  statementOf(
    build
      .update(sessions)
      .set({ endedAt: now })
      .where(and(eq(sessions.userId, userId), ne(sessions.id, keptSession), isNull(sessions.endedAt))),
  );

/** The statements that delete expired sessions and refresh tokens. */
export const pruneSessions = (now: number): Statement[] => [
  statementOf(build.delete(refreshTokens).where(lt(refreshTokens.expiresAt, now))),
  statementOf(build.delete(sessions).where(lt(sessions.expiresAt, now))),
];

const accessFor = (user: Holder, sessionId: string, secret: string, now: number): Promise<string> =>
  signAccessToken({ userId: user.id, role: user.role, sessionId }, secret, now);
