/** `npm run render-mails`: writes every e-mail, as text and as HTML, to dist/mails/. */
import { mkdirSync, writeFileSync } from "node:fs";
import { writeMail } from "../src/notifications/messages.ts";
import { readOptions } from "../tools/command-line/arguments.ts";
import { sampleMessages } from "../tools/demo/messages.ts";

const FOLDER = "dist/mails";

readOptions(
  `npm run render-mails

Writes every e-mail that the Worker can send, as text and as HTML, to ${FOLDER}, with and without hostile content.`,
  {},
);

const hostile = `"><script>alert(1)</script>\r\nBcc: everybody@example.com`;

mkdirSync(FOLDER, { recursive: true });
for (const [prefix, messages] of [
  ["", sampleMessages()],
  [
    "hostile-",
    sampleMessages({
      showroom: hostile,
      address: hostile,
      phone: hostile,
      customer: hostile,
      car: hostile,
      notes: hostile,
      reason: hostile,
      contract: hostile,
      salesperson: hostile,
      customerPhone: hostile,
      email: hostile,
    }),
  ],
] as const)
  for (const [name, message] of messages) {
    const { subject, text, html } = writeMail(message);
    writeFileSync(`${FOLDER}/${prefix}${name}.txt`, `Subject: ${subject}\n\n${text}`);
    writeFileSync(`${FOLDER}/${prefix}${name}.html`, html);
  }
console.log(`Wrote the e-mails to ${FOLDER}/.`);
