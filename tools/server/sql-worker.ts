/**
 * The database of a test server, over HTTP: a Worker beside the one under test runs the statements. Miniflare's own
 * proxy of a database asks the runtime for each `prepare` and `bind` by itself, which takes longer than the queries.
 */

type Value = string | number | null;
type Statement = { sql: string; values: Value[] };

/** The script of the Worker: a batch of statements in, their results out. */
export const SQL_WORKER = `export default {
  async fetch(request, { DB }) {
    try {
      const statements = await request.json();
      return Response.json(await DB.batch(statements.map(({ sql, values }) => DB.prepare(sql).bind(...values))));
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};`;

/** A statement of a test: D1's, as far as tests need it. */
export class SqlStatement {
  readonly #database: SqlDatabase;
  readonly #sql: string;
  readonly #values: readonly unknown[];

  constructor(database: SqlDatabase, sql: string, values: readonly unknown[] = []) {
    this.#database = database;
    this.#sql = sql;
    this.#values = values;
  }

  bind(...values: unknown[]): SqlStatement {
    return new SqlStatement(this.#database, this.#sql, values);
  }

  async all<T = Record<string, unknown>>(): Promise<D1Result<T>> {
    const [result] = await this.#database.batch<T>([this]);
    if (!result) throw new Error("a statement without a result");
    return result;
  }

  run<T = Record<string, unknown>>(): Promise<D1Result<T>> {
    return this.all();
  }

  first<T>(column: string): Promise<T | null>;
  first<T = Record<string, unknown>>(): Promise<T | null>;
  async first(column?: string): Promise<unknown> {
    const row = (await this.all()).results[0];
    return (column === undefined ? row : row?.[column]) ?? null;
  }

  toJSON(): Statement {
    return { sql: this.#sql, values: this.#values.map((value) => (value ?? null) as Value) };
  }
}

/** The database of a test server: D1's, as far as tests need it. */
export class SqlDatabase {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  prepare(sql: string): SqlStatement {
    return new SqlStatement(this, sql);
  }

  /** Runs statements in one transaction. */
  async batch<T = Record<string, unknown>>(statements: readonly SqlStatement[]): Promise<D1Result<T>[]> {
    const response = await fetch(this.#url, { method: "POST", body: JSON.stringify(statements) });
    if (!response.ok) throw new Error(await response.text());
    return response.json() as Promise<D1Result<T>[]>;
  }
}
