/** /api/auth: accounts and sessions. */

import { once } from "../http/idempotency.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { operation } from "./access.ts";
import {
  type AccountRefusal,
  accountBody,
  insertUser,
  newUserRow,
  renewSession,
  signIn,
  startSession,
  userBody,
} from "./accounts.ts";
import { account, credentials, refreshBody, registration, session, tokenPair } from "./schemas.ts";

/** The routes under /api/auth. */
export const authRoutes = createRouter();

const tags = ["Auth"];

authRoutes.openapi(
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
    const stranger = `anonymous ${c.req.header("CF-Connecting-IP") ?? ""}`;
    return once(c, stranger, body, async (claim) => {
      const user = await newUserRow(body, Date.now());
      const stored = await insertUser(c.var.db, user, claim);
      if (!stored.ok) throw accountProblem(stored.code);
      return c.json(accountBody(user), 201);
    });
  },
);

authRoutes.openapi(
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
    const now = Date.now();
    const user = await signIn(c.var.db, username, password, now);
    if (!user) throw new Problem("invalid_credentials");
    const tokens = await startSession(c.var.db, user, c.var.config.jwtSecret, now);
    return c.json({ ...tokens, user: userBody(user) }, 200);
  },
);

authRoutes.openapi(
  operation("refresh", ["invalid_refresh_token"], {
    method: "post",
    path: "/refresh/",
    tags,
    summary: "Trade a refresh token for a new pair",
    description:
      "Each refresh token is good for one use. Using a spent one again ends every session that descends from the same login; a retry within ten seconds, because the answer was lost, gets the same pair's refresh token again.",
    request: { body: jsonBody(refreshBody) },
    responses: { 200: jsonAnswer("The new pair", tokenPair) },
  }),
  async (c) => {
    const tokens = await renewSession(
      c.var.db,
      c.req.valid("json").refresh,
      c.var.config.jwtSecret,
      Date.now(),
    );
    if (!tokens) throw new Problem("invalid_refresh_token");
    return c.json(tokens, 200);
  },
);

/** What a client is told when an account cannot be made. */
export function accountProblem(code: AccountRefusal): Problem {
  switch (code) {
    case "duplicate_request":
      return new Problem("duplicate_request");
    case "username_taken":
      return invalid([{ field: "username", code: "taken", message: "This username is taken" }]);
    case "email_taken":
      return invalid([
        { field: "email", code: "taken", message: "This e-mail address has an account already" },
      ]);
  }
}
