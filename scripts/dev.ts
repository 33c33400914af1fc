/** `npm run dev`: variables, tables, demo data for an empty database, then the local server. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { fail, readOptions } from "../tools/command-line/arguments.ts";
import { run, start } from "../tools/command-line/programs.ts";
import { DEMO_PASSWORD } from "../tools/demo/demo-data.ts";
import { chosenPort, isTaken, recordServer, untilReady } from "../tools/server/dev-server.ts";
import { completeVariables } from "../tools/server/dev-variables.ts";

const VARIABLES = ".dev.vars";

readOptions(
  `npm run dev

Starts the local server on the port that PORT names (8787 by default), with its data in .wrangler/state.
Creates ${VARIABLES} or adds what is missing in it, applies the migrations, and loads demo data into an empty database.`,
  {},
);

const port = chosenPort();
const url = `http://localhost:${port}`;
if (await isTaken(port))
  fail(
    `Port ${port} is in use. Stop the program that listens there, or choose another port: PORT=${port + 1} npm run dev`,
  );

const before = existsSync(VARIABLES) ? readFileSync(VARIABLES, "utf8") : "";
const { text, added } = completeVariables(before);
if (added.length > 0) {
  writeFileSync(VARIABLES, text, { mode: 0o600 });
  console.log(`Added to ${VARIABLES}: ${added.join(", ")}`);
}

// No made-up request origin is fetched from the network.
const env = { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false" };

/** Runs a step to its end; CI keeps wrangler from prompting. */
function step(program: "wrangler" | "node", ...args: string[]): void {
  const { status } = run(program, args, { stdio: "inherit", env: { ...env, CI: "1" } });
  if (status !== 0) process.exit(status);
}

step("wrangler", "d1", "migrations", "apply", "DB", "--local");
step("node", "scripts/seed.ts");

// Links in e-mails lead to this server, unless .dev.vars names an address elsewhere.
const isHere = /^http:\/\/localhost:\d+$/.test(parseEnv(text)["PUBLIC_URL"] ?? "");
const publicUrl = isHere ? ["--var", `PUBLIC_URL:${url}`] : [];
const server = start("wrangler", ["dev", "--port", String(port), ...publicUrl], { stdio: "inherit", env });
const forget = recordServer(port);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => server.kill(signal));
server.on("exit", (code) => {
  forget();
  process.exit(code ?? 0);
});

if (await untilReady(port))
  console.log(`
  The API      ${url}/api/cars/
  The docs     ${url}/docs
  Demo logins  admin (ADMIN), sam and sue (SALES), carol and carl (CUSTOMER)
  Password     ${DEMO_PASSWORD}

  npm run mails shows the e-mails, npm run cron runs the minute's work, npm run reset starts from empty (after Ctrl+C).
`);
