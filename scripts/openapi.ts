/** Writes openapi.json as the Worker serves it. With --check it only compares the committed file. */
import { readFileSync, writeFileSync } from "node:fs";
import { createTestHarness } from "wrangler";

// Nothing here needs the network: no made-up request origin is fetched.
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

const FILE = "openapi.json";

const server = createTestHarness({
  workers: [
    {
      configPath: "./wrangler.toml",
      vars: { ENVIRONMENT: "development" },
      secrets: { JWT_SECRET: "only to let the Worker start, here" },
    },
  ],
});
try {
  await server.listen();
  const answer = await server.fetch("/openapi.json");
  if (!answer.ok) throw new Error(`the Worker answered ${answer.status}`);
  const current = `${JSON.stringify(await answer.json(), null, 2)}\n`;
  if (!process.argv.includes("--check")) {
    writeFileSync(FILE, current);
  } else if (readFileSync(FILE, "utf8") !== current) {
    console.error(`${FILE} is not current: run "npm run openapi"`);
    process.exitCode = 1;
  }
} finally {
  await server.close();
}
