/** `npm run create-admin`: creates an administrator. The password is never an argument, so no shell remembers it. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { uuidv7 } from "uuidv7";
import { passwordFault } from "../src/auth/password-rules.ts";
import { newUsername, newUserShape } from "../src/auth/schemas.ts";
import { newUserRow, vouchedFor } from "../src/auth/users.ts";
import { closed } from "../src/http/validation.ts";
import { fail, readArguments } from "../tools/command-line/arguments.ts";
import { executeSql } from "../tools/database/d1.ts";
import { literals } from "../tools/database/literal.ts";

const USAGE = `Usage: npm run create-admin -- --username NAME [--email ADDRESS] [--remote [--env NAME]]

Creates an administrator. The password is asked for, or taken from the variable ADMIN_PASSWORD.

Options:
  --username NAME
  --email ADDRESS
  --remote              in the database on Cloudflare instead of the local one
  --env NAME            staging; without it the top level of wrangler.toml
  --persist-to FOLDER   where the local database is`;

const { values } = readArguments(USAGE, {
  options: {
    username: { type: "string" },
    email: { type: "string" },
    remote: { type: "boolean", default: false },
    env: { type: "string" },
    "persist-to": { type: "string" },
  },
});
if (values.username === undefined) fail(USAGE);
const passedOn = (["env", "persist-to"] as const).flatMap((name) => {
  const value = values[name];
  return value === undefined ? [] : [`--${name}`, value];
});

/** Asks without showing what is typed. */
async function ask(question: string): Promise<string> {
  process.stdout.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true });
  const answer = await prompt.question("");
  prompt.close();
  process.stdout.write("\n");
  return answer;
}

const password = process.env["ADMIN_PASSWORD"] ?? (process.stdin.isTTY ? await ask("Password: ") : undefined);
if (password === undefined)
  fail("Set ADMIN_PASSWORD, or run this in a terminal and enter the password there.");

const parsed = closed(newUserShape)
  .check(newUsername)
  .safeParse({ username: values.username, email: values.email, password });
if (!parsed.success)
  fail(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("\n"));
const common = new Set(readFileSync("public/common-passwords.txt", "utf8").split("\n"));
const fault = passwordFault(password, parsed.data, common);
if (fault) fail(`password: ${fault.message}`);

const now = Date.now();
const user = await newUserRow(parsed.data, now);
// Whoever may write to the database vouches for the address.
const { emailVerifiedAt } = vouchedFor(user);

// Two statements in one file are one transaction of D1: a taken name stores nothing.
const sql = `INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, password_hash, role, created_at, updated_at)
VALUES (${literals(user.id, user.username, user.usernameKey, user.email, user.emailKey, emailVerifiedAt, user.passwordHash, "ADMIN", now, now)});
INSERT INTO staff_profiles (id, user_id, salary_cents, commission_rate, hire_date, created_at, updated_at)
VALUES (${literals(uuidv7(), user.id, 0, 0, new Date(now).toISOString().slice(0, 10), now, now)});
`;

const { ok, output } = executeSql(sql, { remote: values.remote, passedOn });
if (output.includes("UNIQUE constraint failed: users.username_key"))
  fail(`The username ${user.username} is taken.`);
if (/UNIQUE constraint failed: users.email_key|email_taken/.test(output))
  fail(`The e-mail ${user.email} is taken.`);
if (!ok) fail(output);
console.log(
  `Administrator ${user.username} created ${values.remote ? "in the remote" : "in the local"} database.`,
);
