/** `npm run cron`: runs the scheduled work of the local server once. On Cloudflare it runs every minute by itself. */
import { readOptions } from "../tools/command-line/arguments.ts";
import { needServer } from "../tools/server/dev-server.ts";

readOptions(
  `npm run cron

Runs the scheduled work once, in the server that "npm run dev" started: reminders, notifications that wait, old rows.
On Cloudflare it runs every minute; a local server never runs it by itself.`,
  {},
);

const answer = await fetch(`http://localhost:${await needServer()}/cdn-cgi/local/scheduled`);
const text = await answer.text();
if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${text}`);
console.log(`The scheduled work ran: ${text}`);
