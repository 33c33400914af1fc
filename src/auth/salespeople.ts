/** Salespeople, found by the id of their user or of their staff profile. Statements take it as `salesperson`. */
import { eq, or, sql } from "drizzle-orm";
import { staffProfiles, users } from "../db/schema.ts";
import { build, compile } from "../db/statement.ts";

const isOneOfBoth = or(
  eq(staffProfiles.userId, sql.placeholder("salesperson")),
  eq(staffProfiles.id, sql.placeholder("salesperson")),
);

/** The user id of a salesperson: one or none. */
export const salespersonIds = build
  .select({ id: staffProfiles.userId })
  .from(staffProfiles)
  .where(isOneOfBoth);

/** A salesperson: their user id, commission rate, and whether they are active. */
export const salespersonById = compile(
  build
    .select({
      userId: sql<string>`${staffProfiles.userId}`.as("userId"),
      rate: sql<number>`${staffProfiles.commissionRate}`.as("rate"),
      isActive: sql<0 | 1>`${users.isActive}`.as("isActive"),
    })
    .from(staffProfiles)
    .innerJoin(users, eq(users.id, staffProfiles.userId))
    .where(isOneOfBoth),
);
