/** What use cases depend on. No HTTP: the API's routes make one for each request, and so can any other adapter. */
import type { Config } from "./config.ts";
import type { Database } from "./db/client.ts";
import type { VerifiedCaller } from "./shared/callers.ts";

/** The surroundings of one request. */
export type Deps = {
  /** The Worker's bindings other than the database. */
  readonly env: Omit<Env, "DB">;
  readonly config: Config;
  /** The database session of this request, at the state that the client has seen. */
  readonly db: Database;
  /** A session that reads at least what any write has reached, also one that another session made. */
  readonly primary: () => Database;
  /** When the request came, in milliseconds since 1970 UTC. */
  readonly now: number;
  /** Names the request in every log line that it causes. */
  readonly requestId: string;
  /** Lets work go on after the answer. */
  readonly afterwards: (work: Promise<unknown>) => void;
  /** To be called after a write that changes what everybody sees of the stock. */
  readonly stockChanged: () => void;
  /** What this request has found out: who is verified, and which state a write in another session has reached. */
  readonly found: { caller?: VerifiedCaller; bookmark?: string | null };
};
