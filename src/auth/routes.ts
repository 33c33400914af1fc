/** /api/auth: accounts and sessions. */
import { clientAddress } from "../http/client-address.ts";
import { once, withoutPassword } from "../http/idempotency.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { foldCase } from "../shared/text.ts";
import { isPasswordOf } from "./guesses.ts";
import { limitAddress, limitHashing, limitLogins, limitNameChecks, mayMail } from "./login-throttling.ts";
import { claimedCaller, operation } from "./operation.ts";
import {
  account,
  credentials,
  emailVerification,
  forgotten,
  passwordChange,
  passwordReset,
  profileChange,
  refreshBody,
  registration,
  session,
  tokenPair,
  userSchema,
} from "./schemas.ts";
import {
  changePassword,
  getMe,
  login,
  logout,
  refresh,
  register,
  requestReset,
  resendVerification,
  resetPassword,
  updateMe,
  verifyEmail,
} from "./use-cases.ts";

const tags = ["Auth"];
const DONE = { 204: { description: "Done" } } as const;

/** The routes under /api/auth. */
export const authRoutes = createRouter()
  .openapi(
    operation("register", ["idempotency_key_reused", "busy"], {
      method: "post",
      path: "/register",
      tags,
      summary: "Create a customer account",
      description:
        "A link to verify the address is mailed to it. Until then the address is not reserved, and another account may verify it. `EMAIL_VERIFICATION` decides what happens with an address that has an account already: it is refused (`taken`), or the answer is the usual one and a mail to it says so.",
      request: { body: jsonBody(registration) },
      responses: { 201: jsonAnswer("The new account", account) },
    }),
    async (c) => {
      const body = c.req.valid("json");
      await limitHashing(c);
      await limitNameChecks(c);
      // Nobody knows who it is yet. People behind one address may choose the same key, but not the same username.
      const stranger = `anonymous ${foldCase(body.username)}`;
      return once(
        c,
        stranger,
        withoutPassword(body),
        async (key) => c.json(unwrap(await register(depsOf(c), body, key, (to) => mayMail(c, to))), 201),
        async (answer) => {
          const created = account.parse(answer);
          return unwrap(await isPasswordOf(depsOf(c), created, body.password, clientAddress(c)));
        },
      );
    },
  )
  .openapi(
    operation("login", ["invalid_credentials", "busy"], {
      method: "post",
      path: "/login",
      tags,
      summary: "Log in",
      request: { body: jsonBody(credentials) },
      responses: { 200: jsonAnswer("Tokens and the user", session) },
    }),
    async (c) => {
      const { username, password } = c.req.valid("json");
      await limitLogins(c, username);
      return c.json(unwrap(await login(depsOf(c), username, password, clientAddress(c))), 200);
    },
  )
  .openapi(
    operation("refresh", ["invalid_refresh_token"], {
      method: "post",
      path: "/refresh",
      tags,
      summary: "Refresh the tokens",
      description:
        "Each refresh token can be used once. Using it again ends its session, except for a retry within ten seconds, which gets the same refresh token again.",
      request: { body: jsonBody(refreshBody) },
      responses: { 200: jsonAnswer("The new pair", tokenPair) },
    }),
    async (c) => {
      await limitAddress(c, "refresh");
      return c.json(unwrap(await refresh(depsOf(c), c.req.valid("json").refresh)), 200);
    },
  )
  .openapi(
    operation("logout", [], {
      method: "post",
      path: "/logout",
      tags,
      summary: "Log out",
      description: "Ends the session: all its tokens become invalid. An unknown token gets the same answer.",
      request: { body: jsonBody(refreshBody) },
      responses: DONE,
    }),
    async (c) => {
      await logout(depsOf(c), c.req.valid("json").refresh);
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("getMe", [], {
      method: "get",
      path: "/me",
      tags,
      summary: "Get the current user",
      responses: { 200: jsonAnswer("The user", userSchema) },
    }),
    async (c) => c.json(unwrap(await getMe(depsOf(c), claimedCaller(c))), 200),
  )
  .openapi(
    operation("updateMe", ["busy"], {
      method: "patch",
      path: "/me",
      tags,
      summary: "Update the current user",
      description:
        "A new e-mail address needs `current_password` and takes effect when it is verified; the present address is informed at once. The present address may be sent back without a password.",
      request: { body: jsonBody(profileChange) },
      responses: { 200: jsonAnswer("The updated user", userSchema) },
    }),
    async (c) => {
      const [caller, change] = [claimedCaller(c), c.req.valid("json")];
      if (change.current_password !== undefined) {
        await limitHashing(c);
        await limitNameChecks(c);
      }
      const updated = await updateMe(depsOf(c), caller, change, (to) => mayMail(c, to));
      return c.json(unwrap(updated), 200);
    },
  )
  .openapi(
    operation("changePassword", ["busy"], {
      method: "post",
      path: "/password/change",
      tags,
      summary: "Change the password",
      description: "All other sessions of the user end.",
      request: { body: jsonBody(passwordChange) },
      responses: DONE,
    }),
    async (c) => {
      const { current_password, new_password } = c.req.valid("json");
      const caller = claimedCaller(c);
      await limitHashing(c);
      unwrap(await changePassword(depsOf(c), caller, current_password, new_password));
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("forgotPassword", [], {
      method: "post",
      path: "/password/forgot",
      tags,
      summary: "Request a password reset e-mail",
      description: "The answer is the same whether or not the address has an account.",
      request: { body: jsonBody(forgotten) },
      responses: DONE,
    }),
    async (c) => {
      const { email } = c.req.valid("json");
      await limitAddress(c, "forgot");
      if (await mayMail(c, email)) await requestReset(depsOf(c), email);
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("resetPassword", ["busy"], {
      method: "post",
      path: "/password/reset",
      tags,
      summary: "Reset the password",
      description: "Takes the token from the e-mail. All sessions of the user end.",
      request: { body: jsonBody(passwordReset) },
      responses: DONE,
    }),
    async (c) => {
      const { token, new_password } = c.req.valid("json");
      await limitHashing(c);
      unwrap(await resetPassword(depsOf(c), token, new_password));
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("verifyEmail", [], {
      method: "post",
      path: "/email/verify",
      tags,
      summary: "Verify an e-mail address",
      description:
        "Takes the token from the e-mail. A pending change of the address takes effect. Other accounts that have the address unverified lose it; if another account has verified it first, the token is refused as `taken`.",
      request: { body: jsonBody(emailVerification) },
      responses: DONE,
    }),
    async (c) => {
      await limitAddress(c, "verify");
      unwrap(await verifyEmail(depsOf(c), c.req.valid("json").token));
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("resendVerificationEmail", [], {
      method: "post",
      path: "/email/resend",
      tags,
      summary: "Request another verification e-mail",
      description: "For the pending or the unverified address. Without one, nothing is sent.",
      responses: DONE,
    }),
    async (c) => {
      await limitAddress(c, "resend");
      unwrap(await resendVerification(depsOf(c), claimedCaller(c), (to) => mayMail(c, to)));
      return c.body(null, 204);
    },
  );
