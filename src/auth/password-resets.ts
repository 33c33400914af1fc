/** Tokens with which somebody who forgot their password may choose a new one. Kept by hash only. */
import type { Database } from "../db/client.ts";
import { passwordResets } from "../db/schema.ts";
import { sha256 } from "../shared/digest.ts";
import { randomToken } from "./tokens.ts";

/** How long a reset token is good for. */
export const PASSWORD_RESET_MS = 30 * 60 * 1000;

/**
 * Makes a single-use token for a user. Only its hash is stored: the plaintext exists in the message it is mailed in
 * and nowhere else.
 */
export async function issueResetToken(db: Database, userId: string, now: number): Promise<string> {
  const token = randomToken();
  await db.insert(passwordResets).values({
    tokenHash: await sha256(token),
    userId,
    createdAt: now,
    expiresAt: now + PASSWORD_RESET_MS,
  });
  return token;
}
