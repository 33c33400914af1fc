/** The database as the areas see it: a handle that reads, and a handle that also writes. */
import type { Actor } from "../shared/callers.ts";
import { DependencyDown, isWorthRepeating, shortPause } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import type { Query, RowsOf, Statement } from "./statement.ts";
import { violationOf } from "./violations.ts";

/** The number of round trips to D1, and of rows read and written. `region`: where D1 served the last one, if it says. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number; region?: string | undefined };

/** An account with nothing on it. */
export const noCost = (): Cost => ({ trips: 0, rowsRead: 0, rowsWritten: 0 });

/** The changed thing, as `type:id`; `-` when a write changes many things. */
export type Subject = `${string}:${string}` | "-";

/** A handle that only reads. */
export type Reader = {
  /**
   * Runs queries in one round trip, and repeats it twice after a transient fault. Values have SQLite's types, under the
   * names that the query gives them.
   */
  ask<const Queries extends readonly Query[]>(...queries: Queries): Promise<RowsOf<Queries>>;
};

/** A handle that reads and writes. */
export type Database = Reader & {
  /**
   * The only way to write: runs statements as one transaction. It is never repeated here, because its outcome is unknown
   * after a fault.
   * @param actor the author; for a person the transaction fails with `not_signed_in` unless they are signed in and have
   * the role that they claim
   * @param action a name such as `car.update`
   * @throws the violation of a rule (see `violationOf`), or `DependencyDown`, after which the outcome is unknown
   */
  commit<const Statements extends readonly Statement[]>(
    actor: Actor,
    action: string,
    subject: Subject,
    statements: Statements,
  ): Promise<RowsOf<Statements>>;
  /** The cost so far of this session, and of those that share its account. */
  cost(): Readonly<Cost>;
  /** The state that this session has reached; a client gets it as `X-D1-Bookmark`. */
  bookmark(): string | null;
};

/** Fails the batch with `not_signed_in` unless the caller is signed in. Writes nothing (migrations/0001_rules.sql). */
const verification = (actor: Actor): Statement[] =>
  typeof actor === "string"
    ? []
    : [
        {
          sql: "INSERT INTO signed_in (user_id, session_id, role) VALUES (?, ?, ?)",
          params: [actor.id, actor.sessionId, actor.role],
        },
      ];

/**
 * Messages of D1 about transient faults (Cloudflare's D1 documentation, "Retry queries" and "Debug D1"), and of SQLite
 * when two local servers share a database. Every other message is a bug of ours.
 */
const TRANSIENT =
  /SQLITE_BUSY|database is locked|Network connection lost|caused object to be reset|reset because its code was updated|overloaded|storage operation exceeded timeout|transient issue|Internal error|Too many requests queued|exceeded its (CPU time|memory) limit and was reset/i;

/** Those after which a repetition makes it worse: D1 has too much to do, or this query is too much for it. */
const OVERLOADED = /overloaded|Too many requests queued|exceeded (its (CPU time|memory) limit|timeout)/i;

/** How often a read is sent. D1 itself repeats single queries that only read, but says nothing about batches. */
const MAX_READS = 3;

/** A replica answers when it has reached the bookmark, which it never does with one from the future. */
const BOOKMARK_TIMEOUT_MS = 2000;

/**
 * Opens a session. A later query in it never sees an older state than an earlier one.
 * @param start `first-primary` for private reads, `first-unconstrained` (any replica) for public reads, or a bookmark
 * from a client
 * @param requestId identifies the request in the logs
 * @param cost where the cost is added up; several sessions may share one
 */
export function openDatabase(
  d1: D1Database,
  start: string,
  requestId?: string,
  cost: Cost = noCost(),
): Database {
  let session: D1DatabaseSession | undefined;
  /** Whether the database answers without waiting for a state that it has not reached. */
  let isReached = start.startsWith("first-");
  async function send(statements: readonly Statement[]): Promise<unknown[][]> {
    cost.trips += 1;
    try {
      const opened = session ?? d1.withSession(start);
      session = opened;
      const answers = await opened.batch(
        statements.map(({ sql, params }) => opened.prepare(sql).bind(...params)),
      );
      for (const { meta } of answers) {
        cost.rowsRead += meta.rows_read;
        cost.rowsWritten += meta.rows_written;
        if (meta.served_by_region) cost.region = meta.served_by_region;
      }
      return answers.map(({ results }) => results);
    } catch (error) {
      if (error instanceof Error && TRANSIENT.test(error.message))
        throw new DependencyDown("D1", error, OVERLOADED.test(error.message));
      throw error;
    }
  }
  /** Reads at the bookmark that the session begins with, or at the primary when that takes too long. */
  async function sendFromBookmark(queries: readonly Query[]): Promise<unknown[][]> {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), BOOKMARK_TIMEOUT_MS);
    const answer = await Promise.race([send(queries), late.promise]).finally(() => clearTimeout(timer));
    isReached = true;
    if (answer) return answer;
    log.warn("bookmark.not_reached", { request: requestId });
    session = d1.withSession("first-primary");
    return send(queries);
  }
  async function ask(queries: readonly Query[]): Promise<unknown[][]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await (isReached ? send(queries) : sendFromBookmark(queries));
      } catch (error) {
        if (tries === MAX_READS || !isWorthRepeating(error)) throw error;
        await shortPause();
      }
    }
  }
  return {
    cost: () => cost,
    bookmark: () => session?.getBookmark() ?? null,
    // The statements declare the types of their rows, which the driver cannot know.
    ask: (async (...queries: Query[]) => ask(queries)) as Database["ask"],
    commit: (async (actor: Actor, action: string, subject: Subject, statements: readonly Statement[]) => {
      const checks = verification(actor);
      try {
        return (await send([...checks, ...statements])).slice(checks.length);
      } catch (error) {
        if (violationOf(error) === undefined)
          log.error("commit.failed", { action, subject, request: requestId, error: describeError(error) });
        throw error;
      }
    }) as Database["commit"],
  };
}
