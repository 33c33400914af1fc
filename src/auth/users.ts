/** Users: their rows, their wire form, and the statements that store them. */
import { eq, or, sql } from "drizzle-orm";
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
  first_name?: string | undefined;
  last_name?: string | undefined;
  phone?: string | undefined;
};

/** The row of a new customer, its password hashed. `now` in milliseconds. */
export async function newUserRow(input: NewUser, now: number): Promise<typeof users.$inferSelect> {
  return {
    id: uuidv7(),
    username: input.username,
    usernameKey: foldCase(input.username),
    ...emailColumns(input.email ?? null),
    emailVerifiedAt: input.email ? now : null,
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

const emailColumns = (email: string | null) => ({ email, emailKey: email === null ? null : foldCase(email) });

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
export const userBody = (user: Names & Pick<User, "role">) => ({ ...accountBody(user), role: user.role });

/** The user with this id. */
export const userById = compile(
  build
    .select(columnsOf(users))
    .from(users)
    .where(eq(users.id, sql.placeholder("id"))),
);

/** The user whose username or e-mail folds to `key`. At most one, because no username equals the address of another. */
export const userByName = compile(
  build
    .select(columnsOf(users))
    .from(users)
    .where(or(eq(users.usernameKey, sql.placeholder("key")), eq(users.emailKey, sql.placeholder("key")))),
);

/** The statement that stores a new user. */
export const insertUser = (user: typeof users.$inferSelect): Statement => insertInto(users, user);

/** The statement that changes a user's own data. */
export const updateProfile = (id: string, change: ProfileChange, now: number): Statement =>
  statementOf(
    build
      .update(users)
      .set({
        ...(change.email === undefined ? {} : emailColumns(change.email)),
        firstName: change.first_name,
        lastName: change.last_name,
        phone: change.phone,
        updatedAt: now,
      })
      .where(eq(users.id, id)),
  );

/** Awaits a write of a user, and returns a refusal when the name, the address or the Idempotency-Key is taken. */
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
        return refuseField("email", "taken", "This e-mail address has an account already");
      case KEY_TAKEN:
        return refuse("duplicate_request");
      case "not_signed_in":
        return refuse("invalid_token");
      default:
        throw error;
    }
  }
}
