import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { completeVariables, namesIn } from "../../tools/server/dev-variables.ts";

test("an empty .dev.vars gets every variable, with a secret of its own", () => {
  const { text, added } = completeVariables("");
  expect(added).toEqual(["ENVIRONMENT", "CORS_ORIGINS", "JWT_SECRET"]);
  expect(text).toMatch(/^ENVIRONMENT=development\nCORS_ORIGINS=\*\nJWT_SECRET=[\w-]{64}\n$/);
  expect(completeVariables("").text).not.toBe(text);
});

test("existing lines are unchanged, and only missing variables are added", () => {
  const before = "# mine\nexport ENVIRONMENT = staging\n  JWT_SECRET='x=y'\n#CORS_ORIGINS=http://old.example";
  const { text, added } = completeVariables(before);
  expect(added).toEqual(["CORS_ORIGINS"]);
  expect(text).toBe(`${before}\nCORS_ORIGINS=*\n`);
});

test("a complete file is unchanged", () => {
  const { text } = completeVariables("EMAIL_STAFF=me@example.com\n");
  expect(completeVariables(text)).toEqual({ text, added: [] });
});

test("a copy of the example is completed with a secret", () => {
  const example = readFileSync(".dev.vars.example", "utf8");
  expect(namesIn(example)).toEqual(["ENVIRONMENT", "CORS_ORIGINS"]);
  expect(completeVariables(example).added).toEqual(["JWT_SECRET"]);
});
