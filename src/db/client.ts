/** Opening the database: sessions that read at least a given state, and Drizzle over them. */
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import type { Statement } from "./statement.ts";

/** A D1 session with Drizzle on top. */
export type Database = DrizzleD1Database & {
  /** Runs statements as one transaction: all of them or none. */
  commit(statements: readonly Statement[]): Promise<void>;
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
  // Drizzle only calls prepare() and batch(), which a session has too.
  const db = drizzle(session as unknown as D1Database);
  return Object.assign(db, {
    bookmark: () => session.getBookmark(),
    async commit(statements: readonly Statement[]) {
      await session.batch(statements.map(({ sql, params }) => session.prepare(sql).bind(...params)));
    },
  });
}
