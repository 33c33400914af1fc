/** /api/auth: accounts and sessions. */
import type { Context } from "hono";
import { uuidv7 } from "uuidv7";
import type { AppEnv } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { once, withoutPassword } from "../http/idempotency.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { enqueue } from "../outbox/outbox.ts";
import { callerOf, operation } from "./access.ts";
import { dampAddress, dampGuesses, mayMail } from "./login-throttling.ts";
import { type PasswordOwner, refuseWeak } from "./password-rules.ts";
import { verifyPassword } from "./passwords.ts";
import {
  account,
  credentials,
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
import { endSessionOf, renewSession, startSession } from "./sessions.ts";
import {
  accountBody,
  changePassword,
  changeProfile,
  findUser,
  findUserByResetToken,
  insertUser,
  newUserRow,
  requestReset,
  resetPassword,
  signIn,
  type User,
  userBody,
} from "./store.ts";

const tags = ["Auth"];
const DONE = { 204: { description: "Done" } } as const;

/** The routes under /api/auth. */
export const authRoutes = createRouter()
  .openapi(
    operation("register", ["idempotency_key_reused"], {
      method: "post",
      path: "/register/",
      tags,
      summary: "Create a customer account",
      request: { body: jsonBody(registration) },
      responses: { 201: jsonAnswer("The new account", account) },
    }),
    async (c) => {
      const body = c.req.valid("json");
      await dampAddress(c, "register");
      const stranger = `anonymous ${c.req.header("CF-Connecting-IP") ?? ""}`;
      return once(c, stranger, withoutPassword(body), async (claim) => {
        await refuseWeak(body.password, body, c.env.ASSETS);
        const user = await newUserRow(body, Date.now());
        const answer = accountBody(user);
        await insertUser(databaseOf(c), user, { claim, answer });
        return c.json(answer, 201);
      });
    },
  )
  .openapi(
    operation("login", ["invalid_credentials"], {
      method: "post",
      path: "/login/",
      tags,
      summary: "Sign in with username or e-mail",
      request: { body: jsonBody(credentials) },
      responses: { 200: jsonAnswer("Tokens and the user", session) },
    }),
    async (c) => {
      const { username, password } = c.req.valid("json");
      await dampGuesses(c, "login", username);
      const now = Date.now();
      const user = await signIn(databaseOf(c), username, password, now);
      if (!user) throw new Problem("invalid_credentials");
      const tokens = await startSession(databaseOf(c), user, c.get("config").jwtSecret, now);
      return c.json({ ...tokens, user: userBody(user) }, 200);
    },
  )
  .openapi(
    operation("refresh", ["invalid_refresh_token"], {
      method: "post",
      path: "/refresh/",
      tags,
      summary: "Trade a refresh token for a new pair",
      description:
        "Each refresh token is good for one use. Using a spent one again ends the session it came from; a retry within ten seconds, because the answer was lost, gets the same refresh token again.",
      request: { body: jsonBody(refreshBody) },
      responses: { 200: jsonAnswer("The new pair", tokenPair) },
    }),
    async (c) => {
      await dampAddress(c, "refresh");
      const tokens = await renewSession(
        databaseOf(c),
        c.req.valid("json").refresh,
        c.get("config").jwtSecret,
        Date.now(),
      );
      if (!tokens) throw new Problem("invalid_refresh_token");
      return c.json(tokens, 200);
    },
  )
  .openapi(
    operation("logout", [], {
      method: "post",
      path: "/logout/",
      tags,
      summary: "End a session",
      description: "Every token of the session is good no more. An unknown token is answered alike.",
      request: { body: jsonBody(refreshBody) },
      responses: DONE,
    }),
    async (c) => {
      await endSessionOf(databaseOf(c), c.req.valid("json").refresh, Date.now());
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("getMe", [], {
      method: "get",
      path: "/me/",
      tags,
      summary: "Who I am",
      responses: { 200: jsonAnswer("The user", userSchema) },
    }),
    async (c) => c.json(userBody(await callingUser(c)), 200),
  )
  .openapi(
    operation("updateMe", [], {
      method: "patch",
      path: "/me/",
      tags,
      summary: "Change my names, phone or e-mail",
      request: { body: jsonBody(profileChange) },
      responses: { 200: jsonAnswer("The user as they are now", userSchema) },
    }),
    async (c) => {
      const user = await changeProfile(databaseOf(c), callerOf(c).id, c.req.valid("json"), Date.now());
      if (!user) throw new Problem("invalid_token");
      return c.json(userBody(user), 200);
    },
  )
  .openapi(
    operation("changePassword", [], {
      method: "post",
      path: "/password/change/",
      tags,
      summary: "Change my password",
      description: "My other sessions end.",
      request: { body: jsonBody(passwordChange) },
      responses: DONE,
    }),
    async (c) => {
      const { current_password, new_password } = c.req.valid("json");
      const { id, sessionId } = callerOf(c);
      await dampGuesses(c, "password", id);
      const user = await callingUser(c);
      if ((await verifyPassword(current_password, user.passwordHash)) === "wrong")
        throw invalid([{ field: "current_password", code: "wrong", message: "This is not your password" }]);
      await refuseWeak(new_password, ownerOf(user), c.env.ASSETS, "new_password");
      await changePassword(databaseOf(c), id, new_password, sessionId, Date.now());
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("forgotPassword", [], {
      method: "post",
      path: "/password/forgot/",
      tags,
      summary: "Ask for a password reset by e-mail",
      description: "Answered alike whether or not the address has an account.",
      request: { body: jsonBody(forgotten) },
      responses: DONE,
    }),
    async (c) => {
      const { email } = c.req.valid("json");
      await dampAddress(c, "forgot");
      if (await mayMail(c, email)) {
        const id = uuidv7();
        await requestReset(databaseOf(c), id, email, Date.now());
        c.executionCtx.waitUntil(enqueue(c.env.NOTIFICATIONS, [id]));
      }
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("resetPassword", [], {
      method: "post",
      path: "/password/reset/",
      tags,
      summary: "Set a new password with the token from the e-mail",
      description: "All my sessions end.",
      request: { body: jsonBody(passwordReset) },
      responses: DONE,
    }),
    async (c) => {
      const { token, new_password } = c.req.valid("json");
      await dampAddress(c, "reset");
      const db = databaseOf(c);
      const now = Date.now();
      const refused = invalid([
        { field: "token", code: "invalid_token", message: "Unknown, used or expired" },
      ]);
      const user = await findUserByResetToken(db, token, now);
      if (!user) throw refused;
      await refuseWeak(new_password, ownerOf(user), c.env.ASSETS, "new_password");
      if (!(await resetPassword(db, token, new_password, now))) throw refused;
      return c.body(null, 204);
    },
  );

async function callingUser(c: Context<AppEnv>): Promise<User> {
  const user = await findUser(databaseOf(c), callerOf(c).id);
  if (!user) throw new Problem("invalid_token");
  return user;
}

const ownerOf = (user: User): PasswordOwner => accountBody(user);
