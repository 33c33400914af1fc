/** Sessions: a login starts one, a refresh extends it, and a logout, a stolen token or a new password ends it. */
import { and, eq, gt, inArray, isNull, ne, type SQL, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { query, raw } from "../db/query.ts";
import { refreshTokens, sessions, users } from "../db/schema.ts";
import { build, compile, queryOf, type Statement, statementOf } from "../db/statement.ts";
import { sha256 } from "../shared/digest.ts";
import type { Role } from "../shared/enums.ts";
import { logSecurity } from "../shared/security-log.ts";
import { forgetWrong, type GuessCount, mayBeRight } from "./guesses.ts";
import {
  REFRESH_GRACE_MS,
  REFRESH_TOKEN_MS,
  randomToken,
  SESSION_MAX_MS,
  signAccessToken,
  successorOf,
} from "./tokens.ts";

/** An access token, and the refresh token for the next pair. */
type TokenPair = { access: string; refresh: string };

type Holder = { id: string; role: Role };

/** How a password was verified. */
type Verified = {
  /** The hash that the password was verified against. */
  verifiedHash: string;
  /** Replaces a hash with older parameters. */
  newHash?: string | undefined;
  /** The login that this was: its session remembers the address, and its count begins again. */
  login?: { addressHash: string | undefined; count: GuessCount } | undefined;
};

/**
 * Starts a session of a user, unless during the verification, which takes a quarter of a second, the password changed or
 * too many wrong ones came.
 * @param now in milliseconds
 */
export async function startSession(
  db: Database,
  user: Holder,
  { verifiedHash, newHash, login }: Verified,
  secret: string,
  now: number,
): Promise<TokenPair | undefined> {
  const refresh = randomToken();
  const sessionId = uuidv7();
  const expiresAt = now + REFRESH_TOKEN_MS;
  const renewHash = (hash: string) =>
    statementOf(
      build
        .update(users)
        .set({ passwordHash: hash, updatedAt: now })
        .where(and(eq(users.id, user.id), eq(users.passwordHash, verifiedHash))),
    );
  const [started] = await db.commit("anonymous", "session.start", `user:${user.id}`, [
    query<{ id: string }>`INSERT INTO sessions (id, user_id, created_at, expires_at, address_hash)
      SELECT ${sessionId}, id, ${now}, ${expiresAt}, ${login?.addressHash ?? null} FROM users
      WHERE id = ${user.id} AND password_hash = ${verifiedHash} AND is_active = 1
        AND ${login ? mayBeRight(login.count) : raw("TRUE")} RETURNING id`,
    statementOf(
      build.insert(refreshTokens).select(
        sql`SELECT ${await sha256(refresh)}, id, ${now}, ${expiresAt}, NULL FROM ${sessions}
          WHERE id = ${sessionId}`,
      ),
    ),
    ...(newHash === undefined ? [] : [renewHash(newHash)]),
    ...(login
      ? [forgetWrong(login.count, query`EXISTS (SELECT 1 FROM sessions WHERE id = ${sessionId})`)]
      : []),
  ]);
  if (started?.length !== 1) return undefined;
  return { access: await accessFor(user, sessionId, secret, now), refresh };
}

const holderOfToken = compile(
  build
    .select({
      sessionId: sql<string>`${sessions.id}`.as("sessionId"),
      userId: sql<string>`${sessions.userId}`.as("userId"),
      expiresAt: sql<number>`${refreshTokens.expiresAt}`.as("expiresAt"),
      startedAt: sql<number>`${sessions.createdAt}`.as("startedAt"),
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
 * @param secrets the current secret, and earlier ones whose successors are accepted within the grace period
 * @param requestId identifies the request in the log
 */
export async function renewSession(
  db: Database,
  token: string,
  secrets: readonly string[],
  now: number,
  requestId?: string,
): Promise<TokenPair | undefined> {
  const successors = await Promise.all(
    secrets.map(async (secret) => {
      const next = await successorOf(token, secret);
      return { next, hash: await sha256(next) };
    }),
  );
  const [present] = successors;
  const [secret] = secrets;
  const hash = await sha256(token);
  const [[found]] = await db.ask(holderOfToken({ hash }));
  if (!found || found.expiresAt <= now || !present || secret === undefined) return undefined;
  const { sessionId, userId, role } = found;
  const expiresAt = Math.min(now + REFRESH_TOKEN_MS, found.startedAt + SESSION_MAX_MS);
  if (expiresAt <= now) return undefined;

  // The conditions are part of the transaction, so no other request can come between check and update. Only an unspent
  // token gets a successor, even after the secret was replaced; it is returned again only while it is unused and within
  // the grace period.
  const [, , , valid] = await db.commit("anonymous", "session.renew", `session:${sessionId}`, [
    statementOf(
      build.insert(refreshTokens).select(
        sql`SELECT ${present.hash}, session_id, ${now}, ${expiresAt}, NULL FROM ${refreshTokens}
          WHERE token_hash = ${hash} AND spent_at IS NULL`,
      ),
    ),
    statementOf(
      build
        .update(refreshTokens)
        .set({ spentAt: now })
        .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.spentAt))),
    ),
    statementOf(
      build
        .update(sessions)
        .set({ expiresAt: sql`max(${sessions.expiresAt}, ${expiresAt})` })
        .where(eq(sessions.id, sessionId)),
    ),
    queryOf(
      build
        .select({ hash: sql<string>`${refreshTokens.tokenHash}`.as("hash") })
        .from(refreshTokens)
        .where(
          and(
            inArray(
              refreshTokens.tokenHash,
              successors.map((successor) => successor.hash),
            ),
            isNull(refreshTokens.spentAt),
            gt(refreshTokens.createdAt, now - REFRESH_GRACE_MS),
          ),
        ),
    ),
  ]);
  const successor = successors.find((known) => known.hash === valid[0]?.hash);
  if (!successor) {
    await db.commit("anonymous", "session.end", `session:${sessionId}`, [endSession(sessionId, now)]);
    logSecurity("refresh_reused", { request: requestId, user: userId, session: sessionId });
    return undefined;
  }
  const access = await accessFor({ id: userId, role }, sessionId, secret, now);
  return { access, refresh: successor.next };
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

/** The statement that ends the sessions of a user. @param onlyIf a condition on the rest of the transaction */
export const endSessions = (
  userId: string,
  now: number,
  { except = "", onlyIf }: { except?: string; onlyIf?: SQL } = {},
): Statement =>
  statementOf(
    build
      .update(sessions)
      .set({ endedAt: now })
      .where(and(eq(sessions.userId, userId), ne(sessions.id, except), isNull(sessions.endedAt), onlyIf)),
  );

const accessFor = (user: Holder, sessionId: string, secret: string, now: number): Promise<string> =>
  signAccessToken({ userId: user.id, role: user.role, sessionId }, secret, now);
