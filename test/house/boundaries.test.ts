/** Who may import whom. Type-only imports count: a folder that needs another's types cannot be understood without it. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { describe, expect, test } from "vitest";

/** One import: the file that has it, and the file that it names, both from the root of the project. */
type Edge = { from: string; to: string };

const IMPORT =
  /(?:^|;)\s*(?:import|export)\s(?:[^"';]*?\sfrom\s)?\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"\s*\)/gm;

/** The imports of one file's text that name files of the project. */
function edgesOf(from: string, text: string): Edge[] {
  return [...text.matchAll(IMPORT)].map(([, plain, dynamic]) => ({
    from,
    to: posix.join(posix.dirname(from), plain ?? dynamic ?? ""),
  }));
}

const EDGES = ["src", "tools", "scripts", "test"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name).split(sep).join("/"))
    .flatMap((file) => edgesOf(file, readFileSync(file, "utf8"))),
);

const topOf = (file: string): string => file.split("/")[0] ?? "";

/** The folder of src that a file is in; a file of src itself stands for itself. */
const areaOf = (file: string): string => file.split("/").slice(0, 2).join("/");

const isOf = (file: string, ...areas: string[]): boolean =>
  areas.some((area) => file === `src/${area}.ts` || file.startsWith(`src/${area}/`));

type Rule = { title: string; forbids: (edge: Edge) => boolean };

const only = (area: string, ...others: string[]): Rule => ({
  title: `${area}/ imports nothing of src but ${others.length > 0 ? others.join(", ") : "itself"}`,
  forbids: ({ from, to }) => isOf(from, area) && to.startsWith("src/") && !isOf(to, area, ...others),
});

const never = (top: string, ...others: string[]): Rule => ({
  title: `${top}/ imports nothing of ${others.join(", ")}`,
  forbids: ({ from, to }) => topOf(from) === top && others.includes(topOf(to)),
});

const RULES: Rule[] = [
  only("shared"),
  only("db", "shared", "config"),
  only("http", "shared", "db", "config", "deps"),
  {
    title: "nothing of src but app.ts imports a routes.ts",
    forbids: ({ from, to }) =>
      from.startsWith("src/") && from !== "src/app.ts" && /^src\/[^/]+\/(.+\/)?routes\.ts$/.test(to),
  },
  never("src", "tools", "scripts", "test"),
  never("tools", "scripts", "test"),
  never("scripts", "test"),
  never("test", "scripts"),
];

const offences = (rule: Rule, edges: readonly Edge[]): string[] =>
  edges.filter(rule.forbids).map(({ from, to }) => `${from} imports ${to}`);

/** The sets of areas that import each other in a circle, each with the imports that close it. */
function circles(edges: readonly Edge[]): string[] {
  const between = edges.filter(
    ({ from, to }) => from.startsWith("src/") && to.startsWith("src/") && areaOf(from) !== areaOf(to),
  );
  const next = Map.groupBy(between, ({ from }) => areaOf(from));
  const reached = (start: string): Set<string> => {
    const found = new Set<string>();
    const visit = (area: string): void => {
      for (const { to } of next.get(area) ?? [])
        if (!found.has(areaOf(to))) {
          found.add(areaOf(to));
          visit(areaOf(to));
        }
    };
    visit(start);
    return found;
  };
  const reach = new Map([...next.keys()].map((area) => [area, reached(area)]));
  return between
    .filter(({ from, to }) => reach.get(areaOf(to))?.has(areaOf(from)))
    .map(({ from, to }) => `${from} imports ${to}`)
    .sort();
}

describe("the source", () => {
  test("has imports that the check finds", () => {
    expect(EDGES).toContainEqual({ from: "src/index.ts", to: "src/app.ts" });
    expect(EDGES.filter(({ from }) => topOf(from) === "test").length).toBeGreaterThan(100);
  });

  test.each(RULES)("$title", (rule) => {
    expect(offences(rule, EDGES)).toEqual([]);
  });

  test("has no cyclic imports between the folders of src", () => {
    expect(circles(EDGES)).toEqual([]);
  });
});

describe("the check of the boundaries", () => {
  test("finds imports in every form, and ignores comments and packages", () => {
    const text = `import { z } from "zod";
import type { A } from "./a.ts";
import {
  type B,
  b,
} from "../b/b.ts";
import "./c.ts";
export { d } from "./d.ts";
export * from "./e.ts";
type F = import("./f.ts").F;
const g = await import("./g.ts");
// A comment may name import x from "./h.ts".
const text = 'nothing';
export const i = "./i.ts";`;
    expect(edgesOf("src/x/x.ts", text).map(({ to }) => to)).toEqual([
      "src/x/a.ts",
      "src/b/b.ts",
      ...["c", "d", "e", "f", "g"].map((name) => `src/x/${name}.ts`),
    ]);
  });

  test.each([
    ["src/shared/money.ts", "src/cars/store.ts"],
    ["src/shared/money.ts", "src/config.ts"],
    ["src/db/client.ts", "src/http/problems.ts"],
    ["src/http/problems.ts", "src/cars/store.ts"],
    ["src/http/problems.ts", "src/app.ts"],
    ["src/cars/store.ts", "src/sales/routes.ts"],
    ["src/cars/store.ts", "src/cars/routes.ts"],
    ["src/index.ts", "src/cars/photos/routes.ts"],
    ["src/cars/store.ts", "tools/demo/demo-data.ts"],
    ["tools/demo/demo-data.ts", "scripts/seed.ts"],
    ["tools/demo/demo-data.ts", "test/support/world.ts"],
    ["scripts/seed.ts", "test/support/world.ts"],
    ["test/support/world.ts", "scripts/seed.ts"],
  ])("%s may not import %s", (from, to) => {
    expect(RULES.flatMap((rule) => offences(rule, [{ from, to }]))).not.toEqual([]);
  });

  test.each([
    ["src/shared/money.ts", "src/shared/text.ts"],
    ["src/db/client.ts", "src/config.ts"],
    ["src/http/problems.ts", "src/db/client.ts"],
    ["src/app.ts", "src/cars/routes.ts"],
    ["src/sales/sell.ts", "src/cars/store.ts"],
    ["scripts/seed.ts", "tools/demo/demo-data.ts"],
    ["test/cars/store.test.ts", "src/cars/routes.ts"],
    ["test/cars/store.test.ts", "tools/demo/demo-data.ts"],
  ])("%s may import %s", (from, to) => {
    expect(RULES.flatMap((rule) => offences(rule, [{ from, to }]))).toEqual([]);
  });

  test("finds a cycle over any number of folders, and names only its imports", () => {
    const edges = [
      { from: "src/a/1.ts", to: "src/b/1.ts" },
      { from: "src/b/2.ts", to: "src/c.ts" },
      { from: "src/c.ts", to: "src/a/2.ts" },
      { from: "src/a/1.ts", to: "src/d/1.ts" },
      { from: "src/a/1.ts", to: "src/a/2.ts" },
    ];
    expect(circles(edges)).toEqual([
      "src/a/1.ts imports src/b/1.ts",
      "src/b/2.ts imports src/c.ts",
      "src/c.ts imports src/a/2.ts",
    ]);
    expect(circles(edges.slice(0, 2))).toEqual([]);
  });
});
