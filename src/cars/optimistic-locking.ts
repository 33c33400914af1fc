/** Optimistic locking: raises a car's version, and makes a write fail when it expects a stale one. */
import { type SQL, sql } from "drizzle-orm";
import { cars } from "../db/schema.ts";
import type { Violation } from "../db/violations.ts";

/**
 * The next value of `cars.version`. When the expected version is stale, it is a value that the schema forbids, so the
 * whole batch fails with `VERSION_STALE`.
 */
export const raiseVersion = (expected: number | undefined): SQL =>
  expected === undefined
    ? sql`${cars.version} + 1`
    : sql`CASE WHEN ${cars.version} = ${expected} THEN ${cars.version} + 1 ELSE -1 END`;

/** The violation of a write whose expected version is stale. */
export const VERSION_STALE: Violation = "check:cars_version_positive";
