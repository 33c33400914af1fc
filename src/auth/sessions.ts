/** Sessions: a login starts one, a refresh extends it, and a logout, a stolen token or a new password ends it. */
import { and, eq, isNull, ne, type SQL, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { query, raw } from "../db/query.ts";
import { refreshTokens, sessions, users } from "../db/schema.ts";
import { build, type Statement, statementOf } from "../db/statement.ts";
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

/**
 * Exchanges a refresh token for the next pair. A second use of a token ends its session, unless it comes within the
 * grace period and the successor is unused: then a lost response is more likely than a theft. Returns `undefined` when
 * the token is not valid. One round trip: the statements themselves decide, so no other request can come between.
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
  if (!present || secret === undefined) return undefined;
  const hash = await sha256(token);
  const hashes = JSON.stringify(successors.map((successor) => successor.hash));
  // The successor is returned only while it is unused and within the grace period.
  const valid = query`successor.token_hash IN (SELECT value FROM json_each(${hashes}))
    AND successor.spent_at IS NULL AND successor.created_at > ${now - REFRESH_GRACE_MS}`;
  const [, , , ended, [found]] = await db.commit("anonymous", "session.renew", "-", [
    // Only an unspent token gets a successor, even after the secret was replaced.
    query`INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
      SELECT ${present.hash}, session.id, ${now}, min(${now + REFRESH_TOKEN_MS}, session.created_at + ${SESSION_MAX_MS})
      FROM refresh_tokens token
        JOIN sessions session ON session.id = token.session_id
        JOIN users ON users.id = session.user_id
      WHERE token.token_hash = ${hash} AND token.spent_at IS NULL AND token.expires_at > ${now}
        AND session.created_at + ${SESSION_MAX_MS} > ${now} AND session.ended_at IS NULL AND users.is_active = 1`,
    query`UPDATE refresh_tokens SET spent_at = ${now}
      WHERE token_hash = ${hash} AND spent_at IS NULL
        AND EXISTS (SELECT 1 FROM refresh_tokens WHERE token_hash = ${present.hash})`,
    query`UPDATE sessions SET expires_at = successor.expires_at FROM refresh_tokens successor
      WHERE successor.token_hash = ${present.hash} AND sessions.id = successor.session_id
        AND sessions.expires_at < successor.expires_at`,
    // A spent token without a valid successor: somebody has a copy.
    query<{ sessionId: string; userId: string }>`UPDATE sessions SET ended_at = ${now}
      WHERE ended_at IS NULL
        AND id = (SELECT session_id FROM refresh_tokens
          WHERE token_hash = ${hash} AND spent_at IS NOT NULL AND expires_at > ${now})
        AND NOT EXISTS (SELECT 1 FROM refresh_tokens successor WHERE ${valid})
      RETURNING id AS sessionId, user_id AS userId`,
    query<{ hash: string; sessionId: string; userId: string; role: Role }>`
      SELECT successor.token_hash AS hash, session.id AS sessionId, users.id AS userId, users.role
      FROM refresh_tokens successor
        JOIN sessions session ON session.id = successor.session_id
        JOIN users ON users.id = session.user_id
      WHERE ${valid} AND session.ended_at IS NULL AND users.is_active = 1`,
  ]);
  for (const { sessionId, userId } of ended)
    logSecurity("refresh_reused", { request: requestId, user: userId, session: sessionId });
  const successor = successors.find((known) => known.hash === found?.hash);
  if (!found || !successor) return undefined;
  const { sessionId, userId, role } = found;
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
