/**
 * Verified e-mail addresses: the tokens that prove them, of which only hashes are stored, and the statements that give
 * an address to one account.
 */
import { and, eq, isNotNull, isNull, ne, type SQL, sql } from "drizzle-orm";
import type { Database, Reader } from "../db/client.ts";
import { emailVerifications, users } from "../db/schema.ts";
import { build, compile, statementOf } from "../db/statement.ts";
import type { Notice } from "../outbox/notices.ts";
import { sha256 } from "../shared/digest.ts";
import { logSecurity } from "../shared/security-log.ts";
import { foldCase } from "../shared/text.ts";
import { voidResetTokens } from "./password-resets.ts";
import { randomToken } from "./tokens.ts";
import { usernameOfAddress } from "./users.ts";

/** How long a mailed token is valid. */
export const VERIFICATION_MS = 24 * 60 * 60 * 1000;

/** The notice that mails a link to `address`, which the account of `userId` wants verified. */
export const verificationNotice = (userId: string, address: string): Notice => ({
  kind: "email_verification",
  to: { userId, address },
  facts: {},
});

/** Creates a single-use token for an address of a user. Only the mail to that address contains its plain text. */
export async function issueVerificationToken(
  db: Database,
  userId: string,
  email: string,
  now: number,
): Promise<string> {
  const token = randomToken();
  await db.commit("system", "email_verification.issue", `user:${userId}`, [
    // Not for a user who was erased while the mail was on its way: the row would keep the address.
    statementOf(
      build.insert(emailVerifications).select(
        sql`SELECT ${await sha256(token)}, id, ${email}, ${now}, ${now + VERIFICATION_MS}, NULL FROM ${users}
          WHERE id = ${userId} AND erased_at IS NULL`,
      ),
    ),
  ]);
  return token;
}

/**
 * Whether an address belongs to an account other than that of `userId`: it is verified there, or it is the username of
 * an account with another address (which only accounts of earlier versions have).
 */
const belongsToAnother = (key: unknown, userId: unknown): SQL<0 | 1> => sql`EXISTS (
  SELECT 1 FROM users other WHERE other.id <> ${userId}
    AND (other.email_key = ${key} AND other.email_verified_at IS NOT NULL
      OR other.username_key = ${key} AND other.email_key IS NOT ${key}))`;

/** The query of `isTaken`. */
export const takenAddress = compile(
  build
    .select({ taken: belongsToAnother(sql.placeholder("key"), sql.placeholder("userId")).as("taken") })
    .from(sql`(SELECT 1)`),
);

/** Whether an address belongs to an account other than that of `userId` (empty: to any account). */
export async function isTaken(db: Reader, address: string, userId = ""): Promise<boolean> {
  const [[row]] = await db.ask(takenAddress({ key: foldCase(address), userId }));
  return row?.taken === 1;
}

/**
 * The statements by which others lose an address that they have not verified: as e-mail, as username, and as a pending
 * change. @param onlyIf a condition on the rest of the transaction
 */
export function releaseAddress(address: string, exceptUserId: string, now: number, onlyIf?: SQL) {
  const key = foldCase(address);
  const renamed = (column: SQL) => sql`iif(${users.usernameKey} = ${key}, 'user-' || ${users.id}, ${column})`;
  return [
    statementOf(
      build
        .update(users)
        .set({
          email: null,
          emailKey: null,
          username: renamed(sql`${users.username}`),
          usernameKey: renamed(sql`${users.usernameKey}`),
          updatedAt: now,
        })
        .where(
          and(eq(users.emailKey, key), isNull(users.emailVerifiedAt), ne(users.id, exceptUserId), onlyIf),
        ),
    ),
    statementOf(
      build
        .update(users)
        .set({ pendingEmail: null, updatedAt: now })
        .where(
          and(
            // SQLite uses the index only with its own condition.
            isNotNull(users.pendingEmail),
            sql`lower(${users.pendingEmail}) = ${key}`,
            ne(users.id, exceptUserId),
            onlyIf,
          ),
        ),
    ),
  ] as const;
}

/**
 * The statements that give an address to the user who has proved it, and take it from all others. The last one returns
 * a row if the user still waited for this address and it belonged to nobody else; otherwise they change nothing. So no
 * order of requests can make them fail.
 * @param onlyIf a condition on the rest of the transaction
 */
export function claimAddress(userId: string, address: string, now: number, onlyIf: SQL) {
  const key = foldCase(address);
  const isAwaited = sql`EXISTS (
    SELECT 1 FROM users own WHERE own.id = ${userId} AND own.is_active = 1
      AND (own.pending_email = ${address} OR own.email = ${address} AND own.email_verified_at IS NULL))`;
  const may = sql`${onlyIf} AND ${isAwaited} AND NOT ${belongsToAnother(key, userId)}`;
  // A username that is the former address would keep it from its next owner.
  const follows = sql`${users.usernameKey} = ${users.emailKey} AND ${users.emailKey} <> ${key}`;
  const username = usernameOfAddress(userId, address);
  const claim = build
    .update(users)
    .set({
      username: sql`iif(${follows}, ${username}, ${users.username})`,
      usernameKey: sql`iif(${follows}, ${foldCase(username)}, ${users.usernameKey})`,
      email: address,
      emailKey: key,
      emailVerifiedAt: now,
      pendingEmail: sql`nullif(${users.pendingEmail}, ${address})`,
      updatedAt: now,
    })
    .where(and(eq(users.id, userId), may))
    .returning({ id: users.id });
  return [...releaseAddress(address, userId, now, may), statementOf(claim)] as const;
}

const openToken = compile(
  build
    .select({
      userId: sql<string>`${emailVerifications.userId}`.as("userId"),
      email: emailVerifications.email,
      expiresAt: sql<number>`${emailVerifications.expiresAt}`.as("expiresAt"),
    })
    .from(emailVerifications)
    .where(and(eq(emailVerifications.tokenHash, sql.placeholder("hash")), isNull(emailVerifications.usedAt))),
);

/**
 * Verifies the address that a token was mailed to, and makes it the user's address. All open tokens of the user become
 * void, also those of password resets, which were mailed to the former address.
 * @returns `taken` when the address belongs to another account by now; `invalid` when the token is unknown, used or
 * expired, or the user has asked for another address since
 */
export async function spendVerificationToken(
  db: Database,
  token: string,
  now: number,
  requestId?: string,
): Promise<"verified" | "taken" | "invalid"> {
  const hash = await sha256(token);
  const [[open]] = await db.ask(openToken({ hash }));
  if (!open || open.expiresAt <= now) return "invalid";
  const { userId, email } = open;
  const isOpen = sql`EXISTS (SELECT 1 FROM ${emailVerifications} WHERE token_hash = ${hash} AND used_at IS NULL)`;
  const [, , claimed] = await db.commit("anonymous", "email.verify", `user:${userId}`, [
    ...claimAddress(userId, email, now, isOpen),
    voidResetTokens(userId, now, isOpen),
    // Last, because the statements above need the unused token.
    statementOf(
      build
        .update(emailVerifications)
        .set({ usedAt: now })
        .where(and(eq(emailVerifications.userId, userId), isNull(emailVerifications.usedAt), isOpen)),
    ),
  ]);
  if (claimed.length > 0) {
    logSecurity("email_verified", { request: requestId, user: userId });
    return "verified";
  }
  return (await isTaken(db, email, userId)) ? "taken" : "invalid";
}
