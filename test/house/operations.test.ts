/** What the documents tell an operator about logs and metrics is what the source writes. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { COLUMNS } from "../../src/shared/metrics.ts";
import { SECURITY_EVENTS } from "../../src/shared/security-log.ts";

const read = (name: string) => readFileSync(`docs/operations/${name}.md`, "utf8");

/** The names of events in the first argument of the calls that write them. */
function eventsIn(text: string): string[] {
  const calls = text.matchAll(/(?:\blog\.(?:info|warn|error)|#report)\(([^,)]+)/g);
  return [...calls].flatMap(([, first = ""]) =>
    [...first.matchAll(/"([\w.]+)"/g)].map(([, name = ""]) => name),
  );
}

const written = new Set([
  ...readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => eventsIn(readFileSync(`src/${name}`, "utf8"))),
  ...Object.keys(SECURITY_EVENTS).map((name) => `security.${name}`),
]);

/** The events in the first column of a chapter's table. */
const listed = (chapter: string): string[] =>
  (read("alerts").split(`\n## ${chapter}\n`)[1]?.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) =>
      [...(line.split("|")[1] ?? "").matchAll(/`(\w+\.\w+)`/g)].map(([, name = ""]) => name),
    );

describe("docs/operations/alerts.md", () => {
  test("lists every event of the log, and no other", () => {
    expect(written.size).toBeGreaterThan(35);
    const all = new Set([...listed("Log events"), ...listed("Security events")]);
    expect([...all].sort()).toEqual([...written].sort());
  });

  test("is compared with the events of a conditional, and of a call over several lines", () => {
    expect(
      eventsIn('log.error(isOutage ? "a.b" : "a.c", {\n  x: "d.e" });\nlog.info(\n  "f.g",\n);'),
    ).toEqual(["a.b", "a.c", "f.g"]);
  });
});

describe("docs/operations/metrics.md", () => {
  test.each(Object.entries(COLUMNS))("has the columns of a %s in order", (kind, { blobs, doubles }) => {
    const chapter = read("metrics").split(`\n### ${kind}\n`)[1]?.split("\n##")[0] ?? "";
    const rows = [...chapter.matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)].map(([, column, name]) => [
      column,
      name,
    ]);
    expect(rows).toEqual([
      ...blobs.map((name, at) => [`blob${at + 1}`, name]),
      ...doubles.map((name, at) => [`double${at + 1}`, name]),
    ]);
  });
});

test("each query is of one kind of data point, and names only its columns", () => {
  const queries = [
    ...`${read("alerts")}${read("metrics")}`.matchAll(/```sql\n(SELECT[^`]*FROM dealership[^`]*)```/g),
  ];
  expect(queries.length).toBeGreaterThan(9);
  for (const [, query = ""] of queries) {
    const kind = /blob1 = '(\w+)'/.exec(query)?.[1] as keyof typeof COLUMNS;
    expect(Object.keys(COLUMNS), query).toContain(kind);
    const columns = [...query.matchAll(/\b(blob|double)(\d+)\b/g)];
    for (const [column, type, at] of columns)
      expect(Number(at), `${column} of ${query}`).toBeLessThanOrEqual(
        COLUMNS[kind][`${type}s` as "blobs"].length,
      );
  }
});
