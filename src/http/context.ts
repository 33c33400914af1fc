/** What a request carries on its way through the middleware. */
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import type { Role } from "../shared/enums.ts";

/** Who sent the request, as the database knows them at this moment. */
export type Caller = { id: string; role: Role; sessionId: string };

/** The Hono environment of every router here. */
export type AppEnv = {
  Bindings: Env;
  Variables: {
    requestId: string;
    config: Config;
    /** The session, once it is opened: see `databaseOf`. */
    db: Database | undefined;
    /** Who the token says is asking, and whom the operation is for. */
    asking: { claimed: Caller; roles: readonly Role[] } | undefined;
    /** Who is asking, once the database has said so. */
    caller: Caller | undefined;
  };
};
