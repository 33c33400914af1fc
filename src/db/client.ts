/** Opening the database: sessions that read at least a given state, and Drizzle over them. */
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import type { Query, RowsOf } from "./query.ts";
import type { Statement } from "./statement.ts";

/** Round trips to D1, and the rows that were read and written on them. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number };

/** A D1 session with Drizzle on top. */
export type Database = DrizzleD1Database & {
  /**
   * Asks queries written as text in one round trip. Their rows come as SQLite has them, by the names that the query
   * gives.
   */
  ask<const Queries extends readonly Query[]>(...queries: Queries): Promise<RowsOf<Queries>>;
  /** Runs statements as one transaction: all of them or none. */
  commit(statements: readonly Statement[]): Promise<void>;
  /** What this session has cost so far. Of queries that Drizzle sends one at a time, D1 does not say the rows. */
  cost(): Readonly<Cost>;
  /** The state this session has reached, to be handed to a client as `X-D1-Bookmark`. */
  bookmark(): string | null;
};

/**
 * Opens a session. Later queries in it never see an older state than earlier ones.
 * @param start `first-primary` for private reads, `first-unconstrained` (any replica) for public ones, or a
 * bookmark that a client brought along.
 */
export function openDatabase(d1: D1Database, start: string): Database {
  const session = d1.withSession(start);
  const cost: Cost = { trips: 0, rowsRead: 0, rowsWritten: 0 };
  async function batch<T>(statements: D1PreparedStatement[]): Promise<D1Result<T>[]> {
    cost.trips += 1;
    const answers = await session.batch<T>(statements);
    for (const { meta } of answers) {
      cost.rowsRead += meta.rows_read;
      cost.rowsWritten += meta.rows_written;
    }
    return answers;
  }
  const send = (statements: readonly Statement[]) =>
    batch(statements.map(({ sql: text, params }) => session.prepare(text).bind(...params)));
  // Drizzle only calls prepare() and batch(), which a session has too. It logs what is not part of a batch.
  const client = { prepare: session.prepare.bind(session), batch } as unknown as D1Database;
  const logQuery = () => {
    cost.trips += 1;
  };
  const db = drizzle(client, { logger: { logQuery } });
  return Object.assign(db, {
    cost: () => cost,
    bookmark: () => session.getBookmark(),
    async ask<const Queries extends readonly Query[]>(...queries: Queries) {
      const answers = await send(queries);
      return answers.map(({ results }) => results) as RowsOf<Queries>;
    },
    async commit(statements: readonly Statement[]) {
      await send(statements);
    },
  });
}
