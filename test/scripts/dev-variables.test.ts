import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { completeVariables, namesIn } from "../../tools/server/dev-variables.ts";

test("an empty .dev.vars gets every variable, with a secret of its own", () => {
  const { text, added } = completeVariables("");
  expect(added).toEqual(["ENVIRONMENT", "PUBLIC_URL", "CORS_ORIGINS", "JWT_SECRET"]);
  expect(text).toMatch(
    /^ENVIRONMENT=development\nPUBLIC_URL=http:\/\/localhost:8787\nCORS_ORIGINS=\*\nJWT_SECRET=[\w-]{64}\n$/,
  );
  expect(completeVariables("").text).not.toBe(text);
});

test("existing lines are unchanged, and only missing variables are added", () => {
  const before =
    "# mine\nexport ENVIRONMENT = staging\nPUBLIC_URL=http://me.example\n  JWT_SECRET='x=y'\n#CORS_ORIGINS=http://old.example";
  const { text, added } = completeVariables(before);
  expect(added).toEqual(["CORS_ORIGINS"]);
  expect(text).toBe(`${before}\nCORS_ORIGINS=*\n`);
});

test("a complete file is unchanged", () => {
  const { text } = completeVariables("EMAIL_STAFF=me@example.com\n");
  expect(completeVariables(text)).toEqual({ text, added: [] });
});

test("the example names secrets alone: whoever deploys by the button gets each line of it as a secret", () => {
  expect(namesIn(readFileSync(".dev.vars.example", "utf8"))).toEqual(["JWT_SECRET"]);
});
