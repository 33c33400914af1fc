/**
 * Builds the Worker's files in public/: its pages, the documentation, and the list of common passwords. Writes only what
 * has changed, each file in one step: several servers that start at the same time build while the others read.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderErrors } from "../tools/docs/render-errors.ts";
import { renderReference } from "../tools/docs/render-reference.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const assets = join(root, "public");
const pages = join(root, "src", "pages");

/** The paths of the files below a folder. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));

const built = new Map<string, Buffer>();
for (const path of filesIn(pages)) built.set(path, readFileSync(join(pages, path)));

const openApi = JSON.parse(readFileSync(join(root, "openapi.json"), "utf8"));
built.set(join("docs", "index.html"), Buffer.from(String(await renderReference(openApi))));
built.set(join("docs", "errors.html"), Buffer.from(String(await renderErrors())));

// Passwords shorter than eight characters, or of digits alone, are refused anyway.
const list = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common/package.json");
const passwords: string[] = JSON.parse(readFileSync(join(dirname(list), "src", "passwords.json"), "utf8"));
const common = passwords.filter((password) => password.length >= 8 && !/^\d+$/.test(password));
built.set("common-passwords.txt", Buffer.from(common.join("\n")));

mkdirSync(assets, { recursive: true });
for (const [path, content] of built) {
  const target = join(assets, path);
  if (existsSync(target) && readFileSync(target).equals(content)) continue;
  mkdirSync(dirname(target), { recursive: true });
  const unfinished = join(root, `.${process.pid}-${path.replaceAll(/[\\/]/g, "-")}.tmp`);
  writeFileSync(unfinished, content);
  renameSync(unfinished, target);
}
for (const path of filesIn(assets)) if (!built.has(path)) rmSync(join(assets, path), { force: true });
