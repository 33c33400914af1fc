/** A fresh local D1 with all migrations applied, for measurements: it counts what each request costs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getPlatformProxy } from "wrangler";

/** Round trips to D1, and rows that its queries looked at. */
export type Cost = { trips: number; rowsRead: number };

/** A database that counts, and how to let it go. */
export async function openLocalDatabase() {
  const path = mkdtempSync(join(tmpdir(), "catalog-"));
  const platform = await getPlatformProxy<{ DB: D1Database }>({ persist: { path }, remoteBindings: false });
  const d1 = platform.env.DB;
  for (const file of readdirSync("migrations")
    .filter((name) => name.endsWith(".sql"))
    .sort()) {
    const statements = readFileSync(join("migrations", file), "utf8").split("--> statement-breakpoint");
    await d1.batch(statements.map((text) => d1.prepare(text)));
  }
  const cost: Cost = { trips: 0, rowsRead: 0 };
  return {
    d1,
    /** `d1`, with every query counted. */
    counted: counting(d1, cost),
    /** What `work` cost. */
    async costOf(work: () => Promise<unknown>): Promise<Cost> {
      cost.trips = cost.rowsRead = 0;
      await work();
      return { ...cost };
    },
    async close() {
      await platform.dispose();
      rmSync(path, { recursive: true });
    },
  };
}

/** What Drizzle and the Worker call of D1, counted. */
function counting(d1: D1Database, cost: Cost): D1Database {
  const add = (results: D1Result[]) => {
    cost.trips += 1;
    for (const { meta } of results) cost.rowsRead += meta.rows_read;
  };
  const originals = new WeakMap<object, D1PreparedStatement>();
  const wrap = (statement: D1PreparedStatement): object => {
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      async all() {
        const result = await statement.all();
        add([result]);
        return result;
      },
      // Its answer does not contain the cost, so the query is run again for that.
      async raw() {
        add([await statement.all()]);
        return statement.raw();
      },
    };
    originals.set(wrapped, statement);
    return wrapped;
  };
  const counted = {
    withSession: () => counted,
    getBookmark: () => null,
    prepare: (text: string) => wrap(d1.prepare(text)),
    async batch(statements: object[]) {
      const results = await d1.batch(
        statements.map((statement) => originals.get(statement) ?? (statement as D1PreparedStatement)),
      );
      add(results);
      return results;
    },
  };
  return counted as unknown as D1Database;
}
