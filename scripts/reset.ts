/** `npm run reset`: removes the local database, photos and objects. .dev.vars stays. */
import { rmSync } from "node:fs";
import { fail, readOptions } from "../tools/command-line/arguments.ts";
import { LOCAL_STATE } from "../tools/database/local-storage.ts";
import { runningServer } from "../tools/server/dev-server.ts";

readOptions(
  `npm run reset

Removes ${LOCAL_STATE}: the local database, photos and objects. The next "npm run dev" creates them again, with demo data.`,
  {},
);

const port = await runningServer();
if (port !== undefined) fail(`The local server on port ${port} uses this data. Stop it first (Ctrl+C).`);
rmSync(LOCAL_STATE, { recursive: true, force: true });
console.log(`Removed ${LOCAL_STATE}. "npm run dev" creates it again, with demo data.`);
