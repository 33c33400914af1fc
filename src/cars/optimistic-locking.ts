/** Optimistic locking: raises a car's version, and makes a write fail when it expects a stale one. */
import { type SQL, sql } from "drizzle-orm";
import { cars } from "../db/schema.ts";
import type { Violation } from "../db/violations.ts";

/** The versions of a car that a write accepts; undefined for any. */
export type Versions = readonly number[] | undefined;

/**
 * The next value of `cars.version`. When the version is none of the expected ones, it is a value that the schema forbids,
 * so the whole batch fails with `VERSION_STALE`.
 */
export const raiseVersion = (expected: Versions): SQL =>
  expected === undefined
    ? sql`${cars.version} + 1`
    : sql`CASE WHEN ${cars.version} IN (SELECT value FROM json_each(${JSON.stringify(expected)}))
        THEN ${cars.version} + 1 ELSE -1 END`;

/** The violation of a write whose expected version is stale. */
export const VERSION_STALE: Violation = "check:cars_version_positive";
