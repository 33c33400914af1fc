/** The queries that a function asks, and how SQLite carries one out. */
import { env } from "cloudflare:workers";
import type { Reader } from "../../src/db/client.ts";
import type { Query, Statement } from "../../src/db/statement.ts";

/** The queries that `read` asks; it gets no rows. */
export async function queriesOf(read: (db: Reader) => Promise<unknown>): Promise<Query[]> {
  const asked: Query[] = [];
  const ask = async (...queries: Query[]) => {
    asked.push(...queries);
    return queries.map(() => []);
  };
  await read({ ask } as Reader);
  return asked;
}

/** Each step of a statement's plan, as EXPLAIN QUERY PLAN tells it. */
export async function stepsOf({ sql, params }: Statement): Promise<string[]> {
  const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...params)
    .all<{ detail: string }>();
  return results.map(({ detail }) => detail);
}

/** The steps that read a table or an index, in order; those that read what the statement itself has made are left out. */
export const planOf = async (statement: Statement): Promise<string[]> =>
  (await stepsOf(statement)).filter(
    (step) =>
      /^(SCAN|SEARCH) /.test(step) &&
      !/^SCAN (\(|json_each|page$|start$|matching$|kinds$|counts$)/.test(step),
  );
