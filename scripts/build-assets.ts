/** Builds the Worker's files in public/: its pages, the documentation, and the list of common passwords. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderErrors } from "../tools/docs/render-errors.ts";
import { renderReference } from "../tools/docs/render-reference.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const assets = join(root, "public");

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });
cpSync(join(root, "src", "pages"), assets, { recursive: true });
const openApi = JSON.parse(readFileSync(join(root, "openapi.json"), "utf8"));
writeFileSync(join(assets, "docs", "index.html"), String(await renderReference(openApi)));
writeFileSync(join(assets, "docs", "errors.html"), String(await renderErrors()));

// Passwords shorter than eight characters, or of digits alone, are refused anyway.
const list = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common/package.json");
const passwords: string[] = JSON.parse(readFileSync(join(dirname(list), "src", "passwords.json"), "utf8"));
writeFileSync(
  join(assets, "common-passwords.txt"),
  passwords.filter((password) => password.length >= 8 && !/^\d+$/.test(password)).join("\n"),
);
