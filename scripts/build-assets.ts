/** Makes the Worker's own files, in public/: its pages, the reference's program, and the list of common passwords. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const assets = join(root, "public");
const swagger = join(root, "node_modules", "swagger-ui-dist");

rmSync(assets, { recursive: true, force: true });
mkdirSync(assets);
cpSync(join(root, "src", "pages"), assets, { recursive: true });
for (const file of ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"])
  cpSync(join(swagger, file), join(assets, "docs", file));

// Passwords shorter than eight characters, or of digits alone, are refused anyway.
const list = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common/package.json");
const passwords: string[] = JSON.parse(readFileSync(join(dirname(list), "src", "passwords.json"), "utf8"));
writeFileSync(
  join(assets, "common-passwords.txt"),
  passwords.filter((password) => password.length >= 8 && !/^\d+$/.test(password)).join("\n"),
);
