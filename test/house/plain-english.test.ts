/** The source, the API and the documents use the words of docs/glossary.md, and no words that are hard for non-natives. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

/** Each avoided word, and the words to use instead. */
const AVOIDED: readonly [RegExp, string][] = [
  [/asker/i, "caller"],
  [/found ?good/i, "verified"],
  [/\b(un)?told\b/i, "notified"],
  [/\bbur(y|ied)/i, "dead letter"],
  [/\bdamp/i, "login throttling, rate limiting"],
  [/\banew\b/i, "again, or a new one"],
  [/\bwhoever\b/i, "any caller, any writer"],
  [/\bno more\b/i, "not any longer, at most"],
  [/\bmeanwhile\b/i, "at the same time"],
  [/\bslips? of the pen\b/i, "typing error"],
];

/** The faults of a text, each with its file, line and replacement. */
const faultsOf = (path: string, text: string): string[] =>
  text
    .split("\n")
    .flatMap((line, index) =>
      AVOIDED.filter(([word]) => word.test(line)).map(
        ([word, instead]) => `${path}:${index + 1}: ${word} in "${line.trim()}"; use: ${instead}`,
      ),
    );

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|js|css|html|md)$/.test(name))
    .map((name) => `${folder}/${name}`);

describe("plain English", () => {
  test("is used in the source, the OpenAPI document and the documents", () => {
    const files = [...filesOf("src"), ...filesOf("docs"), "openapi.json"];
    expect(files.length).toBeGreaterThan(100);
    expect(files.flatMap((path) => faultsOf(path, readFileSync(path, "utf8")))).toEqual([]);
  });

  test.each([
    "the Askers",
    "isFoundGood",
    "is told",
    "buried",
    "damping",
    "anew",
    "Whoever",
    "no more",
    "meanwhile",
  ])("excludes the words of %j, and the check names file and line", (words) => {
    expect(faultsOf("a.ts", `plain\n${words}`)).toEqual([expect.stringMatching(/^a\.ts:2: /)]);
  });
});
