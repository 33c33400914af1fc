/** The dependencies of use cases. They know no HTTP. The routes create them for each request, and so can another adapter. */
import type { Config } from "./config.ts";
import type { Cost, Database } from "./db/client.ts";
import type { VerifiedCaller } from "./shared/callers.ts";
import type { RateLimitName } from "./shared/rate-limits.ts";

/** The dependencies of one request. */
export type Deps = {
  /** The Worker's bindings other than the database. */
  readonly env: Omit<Env, "DB">;
  readonly config: Config;
  /** The database session of this request. It reads at least the state that the client has seen. */
  readonly db: Database;
  /** A session that reads every committed write, also those of other sessions. */
  readonly primary: () => Database;
  /** When the request arrived, in milliseconds since 1970 UTC. */
  readonly now: number;
  /** Identifies the request in every log line that it causes. */
  readonly requestId: string;
  /** Counts something under a key, and returns whether it is within the limit. */
  readonly isWithin: (limit: RateLimitName, key: string) => Promise<boolean>;
  /** Lets work continue after the response. */
  readonly afterwards: (work: Promise<unknown>) => void;
  /** Must be called after a write that changes public data: of the stock, or free slots. A command does it by itself. */
  readonly stockChanged: () => void;
  /** Removes what has one of these tags from the platform's cache, after the response. */
  readonly purge: (tags: readonly string[]) => void;
  /**
   * Facts that this request has established: the verified caller, the bookmark of a write in another session, and what
   * commands have cost the coordinators of cars.
   */
  readonly found: { caller?: VerifiedCaller; bookmark?: string | null; commands?: Cost & { calls: number } };
};
