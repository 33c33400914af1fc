/** Password reset tokens. Only their hashes are stored. */
import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { failedLogins, passwordResets, sessions, users } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { sha256 } from "../shared/digest.ts";
import { randomToken } from "./tokens.ts";
import type { User } from "./users.ts";

/** How long a reset token is valid. */
export const PASSWORD_RESET_MS = 30 * 60 * 1000;

/** Creates a single-use token for a user. Only the mail to the user contains its plain text. */
export async function issueResetToken(db: Database, userId: string, now: number): Promise<string> {
  const token = randomToken();
  await db.commit("system", "password_reset.issue", `user:${userId}`, [
    insertInto(passwordResets, {
      tokenHash: await sha256(token),
      userId,
      createdAt: now,
      expiresAt: now + PASSWORD_RESET_MS,
    }),
  ]);
  return token;
}

const ownerOfToken = compile(
  build
    .select({
      ...columnsOf(users),
      resetExpiresAt: sql<number>`${passwordResets.expiresAt}`.as("resetExpiresAt"),
    })
    .from(passwordResets)
    .innerJoin(users, eq(users.id, passwordResets.userId))
    .where(and(eq(passwordResets.tokenHash, sql.placeholder("hash")), isNull(passwordResets.usedAt))),
);

/** Finds the user of a mailed token. Returns `undefined` when the token is unknown, used or expired. */
export async function findUserByResetToken(
  db: Database,
  token: string,
  now: number,
): Promise<User | undefined> {
  const [[found]] = await db.ask(ownerOfToken({ hash: await sha256(token) }));
  return found && found.resetExpiresAt > now && found.isActive ? found : undefined;
}

/**
 * Sets a new password with a mailed token, invalidates all reset tokens of the user, ends all their sessions, and drops
 * a pending change of their address, which may be a thief's.
 * @param more further statements of the transaction, with the condition that the token was still valid
 * @returns whether the token was still valid; of two concurrent uses, only one succeeds
 */
export async function spendResetToken(
  db: Database,
  token: string,
  passwordHash: string,
  now: number,
  more: (onlyIf: SQL) => readonly Statement[],
): Promise<boolean> {
  const hash = await sha256(token);
  const isOpen = sql`EXISTS (SELECT 1 FROM ${passwordResets} WHERE token_hash = ${hash} AND used_at IS NULL)`;
  const owner = build
    .select({ id: passwordResets.userId })
    .from(passwordResets)
    .where(and(eq(passwordResets.tokenHash, hash), isNull(passwordResets.usedAt)));
  const [changed] = await db.commit("anonymous", "password.reset", "-", [
    statementOf(
      build
        .update(users)
        .set({ passwordHash, pendingEmail: null, updatedAt: now })
        .where(eq(users.id, owner))
        .returning({ id: users.id }),
    ),
    statementOf(
      build
        .update(sessions)
        .set({ endedAt: now })
        .where(and(eq(sessions.userId, owner), isNull(sessions.endedAt))),
    ),
    ...more(isOpen),
    // Guesses at the old password say nothing about the new one, and must not keep out its owner.
    statementOf(build.delete(failedLogins).where(eq(failedLogins.account, owner))),
    // Last, because the statements above need the unused token.
    statementOf(build.update(passwordResets).set({ usedAt: now }).where(eq(passwordResets.userId, owner))),
  ]);
  return changed.length > 0;
}

/** The statement that invalidates all reset tokens of a user. @param onlyIf a further condition */
export const voidResetTokens = (userId: string, now: number, onlyIf?: SQL): Statement =>
  statementOf(
    build
      .update(passwordResets)
      .set({ usedAt: now })
      .where(and(eq(passwordResets.userId, userId), isNull(passwordResets.usedAt), onlyIf)),
  );
