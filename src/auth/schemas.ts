/** What goes over the wire under /api/auth. */
import { z } from "@hono/zod-openapi";
import { closed, id, ignored, line, rule } from "../http/validation.ts";
import { ROLES } from "../shared/enums.ts";
import { isOneScript } from "../shared/text.ts";
import { usernameFault } from "./users.ts";

// As in the Django service: letters and digits, and these signs. A username that can be taken for another is refused.
const username = line(150)
  .normalize("NFC")
  .min(1)
  .regex(/^[\p{L}\p{N}_.@+-]+$/u, "Letters, digits and @ . + - _ only")
  .check(
    rule(
      "invalid_characters",
      "Must have a letter or a digit",
      (name: string) => name === "" || /[\p{L}\p{N}]/u.test(name),
    ),
  )
  .check(rule("invalid_characters", "Must not mix scripts", isOneScript))
  .check(
    rule(
      "invalid_characters",
      "Must not have variants of letters or digits",
      (name: string) => name === name.normalize("NFKC"),
    ),
  )
  .openapi({ pattern: "^[\\p{L}\\p{N}_.@+-]+$", example: "carol" });

/** An e-mail address, or none. Front ends send an empty text for "no address". */
export const email = z
  .union([z.literal("").transform(() => null), z.null(), line(254).pipe(z.email())])
  .openapi({ type: ["string", "null"], format: "email", example: "carol@example.com" });

/** A phone number in any spelling. */
export const phone = line(30)
  .regex(/^[\d +()./-]*$/, "Digits, spaces and + ( ) . / - only")
  .openapi({ example: "+49 30 123456" });

// password-rules.ts has the other rules, because they depend on the owner.
const password = z
  .string()
  .min(8)
  .max(128)
  .openapi({ format: "password", example: "a long phrase of yours" });

const name = line(150).check(
  rule("invalid_characters", "Must have a letter", (text: string) => text === "" || /\p{L}/u.test(text)),
);

const names = { first_name: name.optional(), last_name: name.optional(), phone: phone.optional() };

/** The members that make a new user. */
export const newUserShape = { username, password, email: email.optional(), ...names };

/** The rule for the username of a new user. */
export const newUsername: z.core.CheckFn<{ username: string; email?: string | null | undefined }> = (
  context,
) => {
  const { username, email } = context.value;
  const message = usernameFault(username, email);
  if (message !== undefined)
    context.issues.push({
      code: "custom",
      message,
      params: { code: "invalid_format" },
      input: username,
      path: ["username"],
    });
};

/** Body of `POST register/`. */
export const registration = closed(newUserShape).check(newUsername).openapi("Registration");

/** Body of `PATCH me/`. */
export const profileChange = closed({
  email: email.optional().openapi({
    description:
      "Takes effect when it is verified by the link in an e-mail; `null` removes it at once. Both need `current_password`",
  }),
  current_password: z.string().max(128).optional().openapi({ format: "password" }),
  ...names,
  ...ignored("id", "username", "role", "email_verified", "pending_email"),
}).openapi("ProfileChange");

/** Body of `POST password/change/`. */
export const passwordChange = closed({
  current_password: z.string().max(128).openapi({ format: "password" }),
  new_password: password,
}).openapi("PasswordChange");

/** Body of `POST password/forgot/`. */
export const forgotten = closed({ email: line(254).pipe(z.email()) }).openapi("ForgottenPassword");

/** Body of `POST password/reset/`. */
export const passwordReset = closed({
  token: z.string().max(200).openapi({ description: "From the e-mail; can be used once, within 30 minutes" }),
  new_password: password,
}).openapi("PasswordReset");

/** Body of `POST email/verify/`. */
export const emailVerification = closed({
  token: z.string().max(200).openapi({ description: "From the e-mail; can be used once, within 24 hours" }),
}).openapi("EmailVerification");

/** Body of `POST login/`. The username may be any text, so that every wrong guess gets the same answer. */
export const credentials = closed({
  username: z.string().max(254).openapi({ description: "Username or e-mail", example: "carol" }),
  password: z.string().max(128).openapi({ format: "password", example: "drive-safely-2026" }),
}).openapi("Credentials");

/** Body of `POST refresh/`. */
export const refreshBody = closed({ refresh: z.string().max(200) }).openapi("RefreshRequest");

/** Answer of `POST register/`. */
export const account = z
  .object({
    id,
    username: z.string(),
    email: z.string().nullable(),
    first_name: z.string(),
    last_name: z.string(),
    phone: z.string(),
  })
  .openapi("Account");

/** A user as they see themselves. */
export const userSchema = account
  .extend({
    role: z.enum(ROLES),
    email_verified: z.boolean(),
    pending_email: z
      .string()
      .nullable()
      .openapi({ description: "A new address that waits for verification; `email` stays in use until then" }),
  })
  .openapi("User");

/** Answer of `POST refresh/`. */
export const tokenPair = z
  .object({
    access: z.string().openapi({ description: "Bearer token, valid for 30 minutes" }),
    refresh: z.string().openapi({ description: "Can be used once, within 7 days" }),
  })
  .openapi("TokenPair");

/** Answer of `POST login/`. */
export const session = tokenPair.extend({ user: userSchema }).openapi("Session");
