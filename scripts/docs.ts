/** `npm run docs`: writes the generated pages of docs/. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { unstable_readConfig } from "wrangler";
import { variables } from "../src/config.ts";
import { PROBLEMS } from "../src/http/problems.ts";
import { readOptions } from "../tools/command-line/arguments.ts";
import { configurationPage, errorsPage } from "../tools/docs/pages.ts";

const { check } = readOptions(
  `npm run docs -- [--check]

Writes docs/errors.md from the table of problems and docs/configuration.md from the schema of the configuration. With
--check it only says whether they are current.`,
  { check: false },
);

const { vars, secrets } = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
const pages = {
  "docs/errors.md": errorsPage(PROBLEMS),
  "docs/configuration.md": configurationPage(variables, vars, secrets?.required ?? []),
};

let isCurrent = true;
for (const [file, text] of Object.entries(pages)) {
  if (!check) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`${file} is not current: run "npm run docs"`);
    isCurrent = false;
  }
}

// The measurement takes minutes, so only the page's origin is checked.
const MEASURED = "docs/performance/catalog-cost.md";
if (check && !(existsSync(MEASURED) && readFileSync(MEASURED, "utf8").includes("npm run measure:catalog"))) {
  console.error(`${MEASURED} does not say where it comes from: run "npm run measure:catalog"`);
  isCurrent = false;
}
if (!isCurrent) process.exitCode = 1;
