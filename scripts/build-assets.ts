/** Makes the Worker's own files, in public/: the reference page, and the list of common passwords. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const assets = join(root, "public");
const target = join(assets, "docs");
const swagger = join(root, "node_modules", "swagger-ui-dist");

mkdirSync(target, { recursive: true });
for (const file of ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"])
  cpSync(join(swagger, file), join(target, file));

writeFileSync(
  join(target, "start.js"),
  `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
`,
);
writeFileSync(
  join(target, "index.html"),
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dealership API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`,
);

// Passwords shorter than eight characters, or of digits alone, are refused anyway.
const list = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common/package.json");
const passwords: string[] = JSON.parse(readFileSync(join(dirname(list), "src", "passwords.json"), "utf8"));
writeFileSync(
  join(assets, "common-passwords.txt"),
  passwords.filter((password) => password.length >= 8 && !/^\d+$/.test(password)).join("\n"),
);
