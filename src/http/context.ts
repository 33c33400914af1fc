/** The values that middlewares attach to a request. */
import type { Config } from "../config.ts";
import type { Cost, Database } from "../db/client.ts";
import type { Deps } from "../deps.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import type { Problem } from "./problems.ts";

/** The Hono environment of every router here. */
export type AppEnv = {
  Bindings: Env;
  Variables: {
    requestId: string;
    config: Config;
    deps: Deps | undefined;
    /** The caller as the token names them. Undefined for a caller who is answered as anybody is. */
    claimed: ClaimedCaller | undefined;
    /** The database session, once it is open. */
    db: Database | undefined;
    /** What the sessions of this request have cost, once one was opened. */
    cost: Cost | undefined;
    /** The problem that is answered. */
    problem: Problem | undefined;
    /** Whether a public response came from the cache of the isolate. Undefined for a request that may not get one. */
    cache: "hit" | "miss" | undefined;
  };
};
