/** The database as the rest of the house sees it: one handle that reads, and one that also writes. */
import type { Actor } from "../shared/callers.ts";
import { DependencyDown } from "../shared/dependency-down.ts";
import { describeError, log } from "../shared/log.ts";
import type { Query, RowsOf, Statement } from "./statement.ts";
import { violationOf } from "./violations.ts";

/** Round trips to D1, and the rows that were read and written on them. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number };

/** What was changed, as `type:id`; `-` where it is many things or none in particular. */
export type Subject = `${string}:${string}` | "-";

/** A handle that only reads. */
export type Reader = {
  /** Asks queries in one round trip. Rows come as SQLite has them, under the names that the query gives. */
  ask<const Queries extends readonly Query[]>(...queries: Queries): Promise<RowsOf<Queries>>;
};

/** A handle that reads and writes. */
export type Database = Reader & {
  /**
   * The one way to write: runs statements as one transaction, all of them or none.
   * @param actor for whom; when that is a person, the transaction fails with `not_signed_in` unless they are signed in
   * and have the role that they claim
   * @param action what is done, such as `car.update`
   * @throws the refusal of a rule (see `violationOf`), or `DependencyDown`, after which the outcome is unknown
   */
  commit<const Statements extends readonly Statement[]>(
    actor: Actor,
    action: string,
    subject: Subject,
    statements: Statements,
  ): Promise<RowsOf<Statements>>;
  /** What this session has cost so far. */
  cost(): Readonly<Cost>;
  /** The state this session has reached, to be given to a client as `X-D1-Bookmark`. */
  bookmark(): string | null;
};

/** Fails the batch with `not_signed_in` unless the caller is who they claim to be; writes nothing (migrations/0001_rules.sql). */
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
 * What D1 says of faults that pass (Cloudflare's D1 documentation, "Retry queries" and "Debug D1"). Everything else that
 * it says is a fault of ours.
 */
const TRANSIENT =
  /Network connection lost|storage caused object to be reset|reset because its code was updated|overloaded|storage operation exceeded timeout|transient issue|Internal error|Too many requests queued/i;

/**
 * Opens a session. Later queries in it never see an older state than earlier ones.
 * @param start `first-primary` for private reads, `first-unconstrained` (any replica) for public ones, or a bookmark
 * that a client brought along
 * @param requestId names the request in the logs
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
    // The rows are what the statements say that they are, which the driver's types cannot know.
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
