/**
 * Verifies callers. Each request that may do or see more than anybody reads the database, so that a logout, a demotion or
 * a deactivation takes effect with the next request.
 */
import { and, eq, sql } from "drizzle-orm";
import type { Subject } from "../db/client.ts";
import { KEY_TAKEN } from "../db/idempotency.ts";
import { signedIn } from "../db/schema.ts";
import { build, compile, type Query, type RowsOf, type Statement } from "../db/statement.ts";
import { type Violation, violationOf } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import {
  type Caller,
  type ClaimedCaller,
  isStaff,
  markVerified,
  type VerifiedCaller,
} from "../shared/callers.ts";
import { ok, type Refusal, type Result, refuse } from "../shared/refusals.ts";

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

/**
 * Runs the queries of a read that anybody may make, and of which staff may see more. One round trip.
 * @param claimed a caller whose token says staff; undefined for anybody else, who is not verified
 * @param queriesFor the queries for a reader who is staff, or not
 * @returns the rows, and the caller when they are staff
 */
export async function readPublic<const Queries extends readonly Query[]>(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  queriesFor: (isStaff: boolean) => Queries,
): Promise<Result<{ caller: VerifiedCaller | undefined; rows: RowsOf<Queries> }>> {
  if (claimed) {
    const read = await readAs(deps, claimed, ...queriesFor(true));
    // Somebody who is no longer staff sees what anybody sees.
    if (!read.ok || isStaff(read.value.caller)) return read;
  }
  return ok({ caller: undefined, rows: (await deps.db.ask(...queriesFor(false))) as RowsOf<Queries> });
}

/** Maps a violation to the refusal that it means for a write. */
export type RefusalOf = (violation: Violation | undefined) => Refusal | undefined;

/**
 * Commits as the caller, whom the transaction itself verifies: one round trip. When it does not find them signed in with
 * the role of their token, that role may be out of date, so it is tried once more with the current one.
 * @param refusalOf the refusal that a violation means for this write; `undefined` when no write should cause it
 * @returns the rows; or why nothing was written: `invalid_token`, `forbidden`, `duplicate_request` (its Idempotency-Key
 * is taken), or what `refusalOf` says
 */
export async function commitAs<const Statements extends readonly Statement[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  action: string,
  subject: Subject,
  statements: Statements,
  refusalOf: RefusalOf = () => undefined,
): Promise<Result<RowsOf<Statements>>> {
  const commit = async (caller: Caller): Promise<Result<RowsOf<Statements>>> => {
    try {
      const rows = await deps.db.commit(caller, action, subject, statements);
      deps.found.caller = markVerified(caller);
      return ok(rows);
    } catch (error) {
      const violation = violationOf(error);
      if (violation === "not_signed_in") return refuse("invalid_token");
      if (violation === KEY_TAKEN) return refuse("duplicate_request");
      const refusal = refusalOf(violation);
      if (refusal) return { ok: false, refusal };
      throw error;
    }
  };
  const first = await commit(deps.found.caller ?? claimed);
  if (first.ok || first.refusal.code !== "invalid_token") return first;
  const read = await readAs(deps, claimed);
  return read.ok ? commit(read.value.caller) : read;
}

/** Commits as `commitAs` does, and shows the change in the public answers of this isolate: it is one of public data. */
export const commitPublic: typeof commitAs = async (deps, ...write) => {
  const written = await commitAs(deps, ...write);
  if (written.ok) deps.stockChanged();
  return written;
};
