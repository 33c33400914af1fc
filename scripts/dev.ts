/** `npm run dev`: a secret, the migrations, demo data for an empty database, then the local server. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { DEMO_PASSWORD } from "../tools/demo/demo-data.ts";

const SECRETS = ".dev.vars";
// Nothing here needs the network: no made-up request origin is fetched.
const env = { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false" };
const port = process.env["PORT"] ?? "8787";

if (!existsSync(SECRETS)) {
  const secret = randomBytes(48).toString("base64url");
  writeFileSync(SECRETS, `ENVIRONMENT=development\nCORS_ORIGINS=*\nJWT_SECRET=${secret}\n`, { mode: 0o600 });
  console.log(`Created ${SECRETS} with a new local secret.`);
}

/** Runs a command to its end; CI=1 keeps wrangler from asking questions. */
function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: "inherit", env: { ...env, CI: "1" } });
  if (status !== 0) process.exit(status ?? 1);
}

run("wrangler", ["d1", "migrations", "apply", "DB", "--local"]);
run("node", ["scripts/seed.ts"]);

console.log(`
  The API      http://localhost:${port}/api/cars/
  The docs     http://localhost:${port}/docs
  Demo logins  admin (ADMIN), sam and sue (SALES), carol and carl (CUSTOMER)
  Password     ${DEMO_PASSWORD}
`);

const server = spawn("wrangler", ["dev", "--port", port], { stdio: "inherit", env });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => server.kill(signal));
server.on("exit", (code) => process.exit(code ?? 0));
