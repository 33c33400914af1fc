/** The database as the areas see it: a handle that reads, and a handle that also writes. */
import type { Actor } from "../shared/callers.ts";
import { DependencyDown } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import type { Query, RowsOf, Statement } from "./statement.ts";
import { violationOf } from "./violations.ts";

/** The number of round trips to D1, and of rows read and written. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number };

/** The changed thing, as `type:id`; `-` when a write changes many things. */
export type Subject = `${string}:${string}` | "-";

/** A handle that only reads. */
export type Reader = {
  /** Runs queries in one round trip. Values have SQLite's types, under the names that the query gives them. */
  ask<const Queries extends readonly Query[]>(...queries: Queries): Promise<RowsOf<Queries>>;
};

/** A handle that reads and writes. */
export type Database = Reader & {
  /**
   * The only way to write: runs statements as one transaction.
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
  /** The cost of this session so far. */
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
 * Messages of D1 about transient faults (Cloudflare's D1 documentation, "Retry queries" and "Debug D1"). Every other
 * message is a bug of ours.
 */
const TRANSIENT =
  /Network connection lost|storage caused object to be reset|reset because its code was updated|overloaded|storage operation exceeded timeout|transient issue|Internal error|Too many requests queued/i;

/**
 * Opens a session. A later query in it never sees an older state than an earlier one.
 * @param start `first-primary` for private reads, `first-unconstrained` (any replica) for public reads, or a bookmark
 * from a client
 * @param requestId identifies the request in the logs
 */
export function openDatabase(d1: D1Database, start: string, requestId?: string): Database {
  const cost: Cost = { trips: 0, rowsRead: 0, rowsWritten: 0 };
  let session: D1DatabaseSession | undefined;
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
      }
      return answers.map(({ results }) => results);
    } catch (error) {
      if (error instanceof Error && TRANSIENT.test(error.message)) throw new DependencyDown("D1", error);
      throw error;
    }
  }
  return {
    cost: () => cost,
    bookmark: () => session?.getBookmark() ?? null,
    // The statements declare the types of their rows, which the driver cannot know.
    ask: (async (...queries: Query[]) => send(queries)) as Database["ask"],
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
