/** What a request carries on its way through the middleware. */
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
    /** Who the token says is calling. */
    claimed: ClaimedCaller | undefined;
    /** The database session, once it was opened. */
    db: Database | undefined;
  };
};
