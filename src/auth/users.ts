/** Users: their rows, their wire form, and the statements that store them. */
import { eq, sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { KEY_TAKEN } from "../db/idempotency.ts";
import { users } from "../db/schema.ts";
import { build, columnsOf, compile, insertInto, type Statement, statementOf } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { foldCase } from "../shared/text.ts";
import { hashPassword } from "./passwords.ts";

/** A user's row. */
export type User = Omit<typeof users.$inferSelect, "isActive"> & { isActive: 0 | 1 };

/** The input for a new user. */
type NewUser = {
  username: string;
  password: string;
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
  phone?: string | undefined;
};

/** The input for a change by the user. */
export type ProfileChange = {
  email?: string | null | undefined;
  current_password?: string | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
  phone?: string | undefined;
};

/** The row of a new customer, its password hashed and its address not verified. `now` in milliseconds. */
export async function newUserRow(input: NewUser, now: number): Promise<typeof users.$inferSelect> {
  return {
    id: uuidv7(),
    username: input.username,
    usernameKey: foldCase(input.username),
    email: input.email ?? null,
    emailKey: input.email ? foldCase(input.email) : null,
    emailVerifiedAt: null,
    pendingEmail: null,
    erasedAt: null,
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

/** The columns of a new user whose address needs no proof, because somebody else vouches for it. */
export const vouchedFor = ({ email, createdAt }: Pick<typeof users.$inferSelect, "email" | "createdAt">) => ({
  emailVerifiedAt: email === null ? null : createdAt,
});

const MAX_USERNAME = 150;

/** The username of a user who signs in by an address: the address itself, unless it is too long for a username. */
export const usernameOfAddress = (userId: string, address: string): string =>
  address.length <= MAX_USERNAME ? address : `user-${userId}`;

/**
 * The fault of a new username, if it has one. An address as username would keep its owner from registering, so it must
 * be the account's own. Names that end in an id are given by the service alone: another account's would be in the way.
 */
export function usernameFault(username: string, email: string | null | undefined): string | undefined {
  const key = foldCase(username);
  if (key.includes("@") && key !== (email && foldCase(email)))
    return "May contain @ only if it is the e-mail address of the account";
  if (/-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key)) return "Must not end in an id";
  return undefined;
}

type Names = Pick<User, "id" | "username" | "email" | "firstName" | "lastName" | "phone">;

/** A user in the response of `POST register/`. */
export const accountBody = (user: Names) => ({
  id: user.id,
  username: user.username,
  email: user.email,
  first_name: user.firstName,
  last_name: user.lastName,
  phone: user.phone,
});

/** A user in responses to that user. */
export const userBody = (user: User) => ({
  ...accountBody(user),
  role: user.role,
  email_verified: user.emailVerifiedAt !== null,
  pending_email: user.pendingEmail,
});

/** The user with this id. */
export const userById = compile(
  build
    .select(columnsOf(users))
    .from(users)
    .where(eq(users.id, sql.placeholder("id"))),
);

/**
 * The user who signs in as `key` (case-folded): the one with this username, else the one who has verified this address,
 * else, if `unverified` is 1, the only one with this address. Two with the same unverified address sign in by username.
 */
export const userByName = compile(
  build
    .select(columnsOf(users))
    .from(users)
    .where(
      eq(
        users.id,
        sql`coalesce(
          (SELECT id FROM users WHERE username_key = ${sql.placeholder("key")}),
          (SELECT id FROM users WHERE email_key = ${sql.placeholder("key")} AND email_verified_at IS NOT NULL),
          (SELECT id FROM users WHERE email_key = ${sql.placeholder("key")} AND ${sql.placeholder("unverified")} = 1
            AND (SELECT count(*) FROM (SELECT 1 FROM users WHERE email_key = ${sql.placeholder("key")} LIMIT 2)) = 1))`,
      ),
    ),
);

/** The statement that stores a new user. */
export const insertUser = (user: typeof users.$inferSelect): Statement => insertInto(users, user);

/** A change of address, with the password hash that the user's password was verified against. `null` removes it. */
export type AddressChange = { address: string | null; verifiedHash: string };

/**
 * The statement that changes a user's own data. A new address waits for verification; a removed one is gone at once. Both
 * fail the batch when the password is no longer the one that was verified.
 */
export const updateProfile = (
  id: string,
  change: ProfileChange,
  readdress: AddressChange | undefined,
  now: number,
): Statement =>
  statementOf(
    build
      .update(users)
      .set({
        firstName: change.first_name,
        lastName: change.last_name,
        phone: change.phone,
        ...(readdress && {
          passwordHash: sql`iif(${users.passwordHash} = ${readdress.verifiedHash}, ${users.passwordHash}, NULL)`,
          pendingEmail: readdress.address,
        }),
        ...(readdress?.address === null && { email: null, emailKey: null, emailVerifiedAt: null }),
        updatedAt: now,
      })
      .where(eq(users.id, id)),
  );

/** The refusal of an address that belongs to another account. */
export const addressTaken = () => refuseField("email", "taken", "This e-mail address has an account already");

/** The refusal of a wrong current password. `field`: the member that has it. */
export const wrongPassword = (field = "current_password") =>
  refuseField(field, "wrong", "This is not your password");

/** Awaits a write of a user, and returns a refusal when the name, the address or the Idempotency-Key is taken, or the password changed. */
export async function writingUser<Rows>(write: Promise<Rows>): Promise<Result<Rows>> {
  try {
    return ok(await write);
  } catch (error) {
    switch (violationOf(error)) {
      case "username_taken":
      case "unique:users.username_key":
        return refuseField("username", "taken", "This username is taken");
      case "email_taken":
      case "unique:users.email_key":
        return addressTaken();
      // Fails the batch of a change of address whose password was verified before it changed.
      case "null:users.password_hash":
        return wrongPassword();
      case KEY_TAKEN:
        return refuse("duplicate_request");
      case "not_signed_in":
        return refuse("invalid_token");
      default:
        throw error;
    }
  }
}
