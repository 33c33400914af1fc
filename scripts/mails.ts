/** `npm run mails`: shows the e-mails that the local server has sent since its start. wrangler stores them in files. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readOptions } from "../tools/command-line/arguments.ts";
import { needServer } from "../tools/server/dev-server.ts";

/** wrangler writes the bodies here, named by the message's id. */
const BODIES = join(".wrangler", "tmp", "email");

type Sent = { messageId: string; subject: string; to: string[]; sentAt: string };

const { count } = readOptions(
  `npm run mails -- [--count N]

Shows the newest e-mails (25 at most) of the server that "npm run dev" started, the newest last. Locally no
e-mail leaves the machine. Files are removed when the server ends.`,
  { count: 3 },
);

const port = await needServer();
const query = new URLSearchParams({ limit: String(Math.min(Math.max(count, 1), 100)) });
const answer = await fetch(
  `http://localhost:${port}/cdn-cgi/local/explorer/api/local/email/sending?${query}`,
);
if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${await answer.text()}`);
const { result } = (await answer.json()) as { result: Sent[] };
const sent = result.slice(0, count).reverse();

if (sent.length === 0) console.log("The server has sent no e-mail since its start.");
else {
  const files = readdirSync(BODIES, { recursive: true, encoding: "utf8" });
  for (const { messageId, subject, to, sentAt } of sent) {
    const name = messageId.replace(/[<>]/g, "");
    const own = files.filter((file) => basename(file).startsWith(name)).map((file) => join(BODIES, file));
    const text = own.find((file) => file.endsWith(".txt"));
    console.log(`${"─".repeat(100)}
${subject}
To ${to.join(", ")} at ${sentAt}
${own.join("\n")}

${text ? readFileSync(text, "utf8") : ""}`);
  }
}
