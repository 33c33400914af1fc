/** The values that middlewares attach to a request. */
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import type { Deps } from "../deps.ts";
import type { ClaimedCaller } from "../shared/callers.ts";

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
  };
};
