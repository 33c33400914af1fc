/**
 * What `wrangler dev` keeps on disk, opened without the Worker: its database and its photos. wrangler's own way,
 * `getPlatformProxy`, warns that the Durable Object is missing, which nothing here asks for.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_readConfig } from "wrangler";

/** Where `wrangler dev` keeps its storage unless `--persist-to` says otherwise. */
export const LOCAL_STATE = join(".wrangler", "state");

type Bindings = {
  compatibility_date: string;
  d1_databases: Array<{ binding: string; database_id?: string }>;
  r2_buckets: Array<{ binding: string; bucket_name: string }>;
  vars: Record<string, string>;
};

/** The database and the bucket of a folder, and how to let them go. */
export async function openLocalStorage(folder: string = LOCAL_STATE) {
  const config: Bindings = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      modules: true,
      script: "export default {}",
      compatibilityDate: config.compatibility_date,
      d1Databases: Object.fromEntries(
        // As wrangler does: without an id the binding names the local database.
        config.d1_databases.map(({ binding, database_id }) => [binding, database_id ?? binding]),
      ),
      r2Buckets: Object.fromEntries(
        config.r2_buckets.map(({ binding, bucket_name }) => [binding, bucket_name]),
      ),
      resourcePersistencePath: resolve(folder, "v3"),
    }),
  );
  await runtime.ready;
  return {
    d1: await runtime.getD1Database("DB"),
    // Miniflare types what it gives by its own Headers and streams.
    photos: (await runtime.getR2Bucket("PHOTOS")) as unknown as R2Bucket,
    /** The variables of wrangler.toml. */
    vars: config.vars,
    close: () => runtime.dispose(),
  };
}

/** Where wrangler records the migrations that it has applied. */
const RECORDS = `CREATE TABLE d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)`;

/** Creates the tables in a new database, and records the migrations as wrangler does. */
export async function createTables<Statement>(d1: {
  prepare(sql: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}): Promise<void> {
  const files = readdirSync("migrations").filter((file) => file.endsWith(".sql"));
  await d1.batch([d1.prepare(RECORDS)]);
  for (const file of files.sort()) {
    const statements = readFileSync(join("migrations", file), "utf8").split("--> statement-breakpoint");
    statements.push(`INSERT INTO d1_migrations (name) VALUES ('${file}')`);
    await d1.batch(statements.map((text) => d1.prepare(text)));
  }
}
