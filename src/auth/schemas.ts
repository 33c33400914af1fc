/** What goes over the wire under /api/auth. */
import { z } from "@hono/zod-openapi";
import { closed, id, line, rule } from "../http/validation.ts";
import { ROLES } from "../vocabulary.ts";

// As in the seed: letters and digits of any script, and these four signs.
const username = line(150)
  .min(1)
  .regex(/^[\p{L}\p{N}_.@+-]+$/u, "Letters, digits and @ . + - _ only")
  .openapi({ example: "carol" });

// An empty address is what front ends send for "none".
const email = z
  .union([z.literal("").transform(() => null), z.null(), line(254).pipe(z.email())])
  .openapi({ type: ["string", "null"], format: "email", example: "carol@example.com" });

const phone = line(30)
  .regex(/^[\d +()./-]*$/, "Digits, spaces and + ( ) . / - only")
  .openapi({ example: "+49 30 123456" });

const password = z
  .string()
  .min(8)
  .max(128)
  .check(
    rule("all_digits", "A password of digits alone is guessed too easily", (text) => !/^\d+$/.test(text)),
  )
  .openapi({ format: "password", example: "a long phrase of yours" });

type Owner = {
  username: string;
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
};

function resemblesOwner(secret: string, owner: Owner): boolean {
  const own = [owner.username, owner.email?.split("@")[0], owner.first_name, owner.last_name];
  return own.some((part) => part && part.length > 3 && secret.toLowerCase().includes(part.toLowerCase()));
}

/** Body of `POST register/`. */
export const registration = closed({
  username,
  password,
  email: email.optional(),
  first_name: line(150).optional(),
  last_name: line(150).optional(),
  phone: phone.optional(),
})
  .check(
    rule(
      "too_similar",
      "Too much like your name or e-mail",
      (body) => !resemblesOwner(body.password, body),
      "password",
    ),
  )
  .openapi("Registration");

/** Body of `POST login/`. Nothing is said about its form but that it is text: a wrong guess is just wrong. */
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
export const userSchema = account.extend({ role: z.enum(ROLES) }).openapi("User");

/** Answer of `POST refresh/`. */
export const tokenPair = z
  .object({
    access: z.string().openapi({ description: "Bearer token, good for 30 minutes" }),
    refresh: z.string().openapi({ description: "Good for 7 days and one use" }),
  })
  .openapi("TokenPair");

/** Answer of `POST login/`. */
export const session = tokenPair.extend({ user: userSchema }).openapi("Session");
