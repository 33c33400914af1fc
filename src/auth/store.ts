/** Users in the database. */
import { and, eq, isNull, ne, or, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import type { Database } from "../db/client.ts";
import { notifications, passwordResets, sessions, users } from "../db/schema.ts";
import { insertInto, type Statement } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import { CLAIM_TAKEN, type Claim, remembering } from "../http/idempotency.ts";
import { invalid, Problem } from "../http/problems.ts";
import { sha256 } from "../shared/digest.ts";
import { foldCase } from "../shared/text.ts";
import { hashPassword, verifyPassword } from "./passwords.ts";

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

/** The row of a new customer, its password hashed. `now` in milliseconds. */
export async function newUserRow(input: NewUser, now: number): Promise<User> {
  return {
    id: uuidv7(),
    username: input.username,
    usernameKey: foldCase(input.username),
    ...emailColumns(input.email ?? null),
    passwordHash: await hashPassword(input.password),
    firstName: input.first_name ?? "",
    lastName: input.last_name ?? "",
    phone: input.phone ?? "",
    role: "CUSTOMER",
    isActive: true,
    createdAt: now,
    updatedAt: now,
  };
}

const emailColumns = (email: string | null) => ({ email, emailKey: email === null ? null : foldCase(email) });

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

/**
 * Stores a new user, what goes with them, and the answer to remember under `claim`, in one step.
 * @throws `invalid_request` when the name or address is taken, `duplicate_request` when the claim is
 */
export async function insertUser(
  db: Database,
  user: User,
  {
    claim,
    answer,
    location,
    alongside = [],
  }: { claim: Claim | undefined; answer: unknown; location?: string; alongside?: Statement[] },
): Promise<void> {
  await refusingTaken(
    db.commit([
      insertInto(users, user),
      ...alongside,
      ...remembering(claim, { status: 201, body: answer, location }, user.createdAt),
    ]),
  );
}

/** Runs a write of a user, and says which of their names somebody else has. */
async function refusingTaken<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    switch (violationOf(error)) {
      case "username_taken":
      case "unique:users.username_key":
        throw invalid([{ field: "username", code: "taken", message: "This username is taken" }]);
      case "email_taken":
      case "unique:users.email_key":
        throw invalid([
          { field: "email", code: "taken", message: "This e-mail address has an account already" },
        ]);
      case CLAIM_TAKEN:
        throw new Problem("duplicate_request");
      default:
        throw error;
    }
  }
}

/** The user with this id; undefined when there is none. */
export const findUser = (db: Database, id: string): Promise<User | undefined> =>
  db.select().from(users).where(eq(users.id, id)).get();

/**
 * Asks for a reset mail to an address: one row in the outbox, whether or not the address has an account, so that the
 * time it takes says nothing. Delivery drops a row without a user, and makes the token. The mail goes to the
 * account's own spelling of the address: one that only folds to the same might be somebody else's mailbox.
 */
export async function requestReset(
  db: Database,
  notificationId: string,
  email: string,
  now: number,
): Promise<void> {
  const account = (column: "id" | "email") =>
    sql`(SELECT ${sql.raw(column)} FROM users WHERE email_key = ${foldCase(email)} AND is_active = 1)`;
  await db.insert(notifications).values({
    id: notificationId,
    kind: "password_reset",
    recipient: sql`coalesce(${account("email")}, ${email})`,
    userId: account("id"),
    facts: {},
    createdAt: now,
    nextAttemptAt: now,
  });
}

/** What a user may change of themselves. */
export type ProfileChange = {
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
  phone?: string | undefined;
};

/**
 * Changes a user's own data; returns the user as they are now.
 * @throws `invalid_request` when the address is somebody else's
 */
export async function changeProfile(db: Database, id: string, change: ProfileChange, now: number) {
  const [user] = await refusingTaken(
    db
      .update(users)
      .set({
        ...(change.email === undefined ? {} : emailColumns(change.email)),
        firstName: change.first_name,
        lastName: change.last_name,
        phone: change.phone,
        updatedAt: now,
      })
      .where(eq(users.id, id))
      .returning(),
  );
  return user;
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
  // One at most: nobody's username is somebody else's address.
  const user = await db
    .select()
    .from(users)
    .where(or(eq(users.usernameKey, key), eq(users.emailKey, key)))
    .get();
  const verdict = await verifyPassword(password, user?.passwordHash);
  if (!user?.isActive || verdict === "wrong") return undefined;
  if (verdict === "stale")
    await db
      .update(users)
      .set({ passwordHash: await hashPassword(password), updatedAt: now })
      .where(and(eq(users.id, user.id), eq(users.passwordHash, user.passwordHash)));
  return user;
}

/** Sets a new password and ends the user's sessions, except `keptSession`. */
export async function changePassword(
  db: Database,
  userId: string,
  password: string,
  keptSession: string,
  now: number,
): Promise<void> {
  await db.batch([
    db
      .update(users)
      .set({ passwordHash: await hashPassword(password), updatedAt: now })
      .where(eq(users.id, userId)),
    db
      .update(sessions)
      .set({ endedAt: now })
      .where(and(eq(sessions.userId, userId), ne(sessions.id, keptSession), isNull(sessions.endedAt))),
    db
      .update(passwordResets)
      .set({ usedAt: now })
      .where(and(eq(passwordResets.userId, userId), isNull(passwordResets.usedAt))),
  ]);
}

/** The user whom a mailed reset token would let in; `undefined` when it is unknown, used or expired. */
export async function findUserByResetToken(
  db: Database,
  token: string,
  now: number,
): Promise<User | undefined> {
  const found = await db
    .select({ user: users, reset: passwordResets })
    .from(passwordResets)
    .innerJoin(users, eq(users.id, passwordResets.userId))
    .where(and(eq(passwordResets.tokenHash, await sha256(token)), isNull(passwordResets.usedAt)))
    .get();
  return found && found.reset.expiresAt > now && found.user.isActive ? found.user : undefined;
}

/**
 * Sets a new password by a mailed token, uses up every reset token of the user, and ends all their sessions.
 * @returns whether the token was still good: of two at once, one is
 */
export async function resetPassword(
  db: Database,
  token: string,
  password: string,
  now: number,
): Promise<boolean> {
  const hash = await sha256(token);
  const owner = db
    .select({ id: passwordResets.userId })
    .from(passwordResets)
    .where(and(eq(passwordResets.tokenHash, hash), isNull(passwordResets.usedAt)));
  const [changed] = await db.batch([
    db
      .update(users)
      .set({ passwordHash: await hashPassword(password), updatedAt: now })
      .where(eq(users.id, owner))
      .returning({ id: users.id }),
    db
      .update(sessions)
      .set({ endedAt: now })
      .where(and(eq(sessions.userId, owner), isNull(sessions.endedAt))),
    // Last, because the statements above find the user by the unused token.
    db.update(passwordResets).set({ usedAt: now }).where(eq(passwordResets.userId, owner)),
  ]);
  return changed.length > 0;
}
