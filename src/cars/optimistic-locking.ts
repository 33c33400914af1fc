/** How a car's version rises, and how a write insists on the version it knows. */
import { type SQL, sql } from "drizzle-orm";
import { cars } from "../db/schema.ts";
import type { Violation } from "../db/violations.ts";

/**
 * The next value of `cars.version`. With an expected version that is stale it is one that the schema forbids, so the
 * statement fails, and with it the whole batch it is part of: `VERSION_STALE`.
 */
export const raiseVersion = (expected: number | undefined): SQL =>
  expected === undefined
    ? sql`${cars.version} + 1`
    : sql`CASE WHEN ${cars.version} = ${expected} THEN ${cars.version} + 1 ELSE -1 END`;

/** The rule that a write meets when the version it expects is stale. */
export const VERSION_STALE: Violation = "check:cars_version_positive";
