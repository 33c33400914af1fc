/** `npm run smoke`: tests a running deployment from outside. */
import { fail, readArguments } from "../tools/command-line/arguments.ts";
import { smoke } from "../tools/deploy/smoke.ts";

const USAGE = `Usage: npm run smoke -- URL [--username NAME] [--worker NAME --version ID]

Asks a deployment the questions that every client asks, and ends with status 1 when an answer is wrong. It changes
nothing.

Options:
  --username NAME   also log in; the password is taken from the variable SMOKE_PASSWORD
  --worker NAME     the Worker's name in wrangler.toml, and
  --version ID      a version of the current deployment, also one without a share of the requests: it must answer`;

const { values, positionals } = readArguments(USAGE, {
  allowPositionals: true,
  options: { username: { type: "string" }, worker: { type: "string" }, version: { type: "string" } },
});
const { username, worker, version: id } = values;
const [url] = positionals;
if (url === undefined || positionals.length > 1 || !URL.canParse(url)) fail(USAGE);
if ((worker === undefined) !== (id === undefined)) fail(USAGE);
const password = process.env["SMOKE_PASSWORD"];
if (username !== undefined && password === undefined) fail("Set SMOKE_PASSWORD.");

const results = await smoke(url, {
  ...(worker !== undefined && id !== undefined ? { version: { id, worker } } : {}),
  ...(username !== undefined && password !== undefined ? { login: { username, password } } : {}),
});
for (const { name, fault } of results)
  console.log(fault === undefined ? `ok      ${name}` : `FAILED  ${name}: ${fault}`);
if (results.some(({ fault }) => fault !== undefined)) process.exitCode = 1;
