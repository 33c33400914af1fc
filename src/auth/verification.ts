/**
 * Verifies callers. Each request reads the database, so that a logout, a demotion or a deactivation takes effect with
 * the next request.
 */
import { and, eq, sql } from "drizzle-orm";
import { signedIn } from "../db/schema.ts";
import { build, compile, type Query, type RowsOf } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import { type ClaimedCaller, markVerified, type VerifiedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";

const roleOf = compile(
  build
    .select({ role: signedIn.role })
    .from(signedIn)
    .where(
      and(eq(signedIn.userId, sql.placeholder("id")), eq(signedIn.sessionId, sql.placeholder("sessionId"))),
    ),
);

/**
 * Runs queries, and verifies in the same round trip that the caller is signed in and may call the operation. If not,
 * the rows are dropped.
 * @returns the verified caller with the current role, and the rows; or `invalid_token` or `forbidden`
 */
export async function readAs<const Queries extends readonly Query[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  ...queries: Queries
): Promise<Result<{ caller: VerifiedCaller; rows: RowsOf<Queries> }>> {
  const { id, sessionId, allowedRoles } = claimed;
  const [[user], ...rows] = await deps.db.ask(roleOf({ id, sessionId }), ...queries);
  if (!user) return refuse("invalid_token");
  if (!allowedRoles.includes(user.role)) return refuse("forbidden");
  const caller = markVerified({ id, sessionId, role: user.role });
  deps.found.caller = caller;
  return ok({ caller, rows: rows as RowsOf<Queries> });
}
