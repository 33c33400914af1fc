import { expect, test } from "vitest";
import { run } from "../../tools/command-line/programs.ts";
import { contractions } from "../../tools/database/expand-only.ts";

test.each([
  "DROP TABLE `cars`;",
  "drop view car_counts;",
  "DROP TRIGGER bookings_no_overlap_on_insert;",
  "ALTER TABLE `cars` DROP COLUMN `color`;",
  "ALTER TABLE cars RENAME TO vehicles;",
  "ALTER TABLE cars RENAME COLUMN color TO paint;",
  "ALTER TABLE cars RENAME color TO paint;",
])("a migration that takes something away is found: %s", (statement) => {
  const other = "CREATE INDEX a ON b (c);--> statement-breakpoint\n";
  expect(contractions(`${other}-- Paint is the word.\n${statement}`)).toEqual([statement]);
  expect(contractions(`${other}-- Contracts:\n${statement}`)).toEqual([statement]);
  expect(contractions(`${other}-- Contracts: nobody reads it since 0.2.\n${statement}`)).toEqual([]);
});

test("a reason holds for its own statement alone", () => {
  const migration = "-- Contracts: unused.\nDROP TABLE a;--> statement-breakpoint\nDROP TABLE b;";
  expect(contractions(migration)).toEqual(["DROP TABLE b;"]);
});

test("what adds, and words in names, texts and comments, are no contraction", () => {
  for (const statement of [
    "ALTER TABLE cars ADD paint text;",
    "CREATE TABLE `drop table` (a text DEFAULT 'rename to');",
    "DROP INDEX cars_color;",
    "-- We do not DROP TABLE cars.\nCREATE INDEX a ON b (c);",
  ])
    expect(contractions(statement)).toEqual([]);
});

test("the migrations of this project only add, or say why it is safe", () => {
  expect(run("node", ["scripts/check-migrations.ts"])).toMatchObject({ status: 0, stderr: "" });
});
