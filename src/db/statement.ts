/** SQL as data: what one part of the house asks another to commit in its batch, also over RPC. */

/** One statement and its parameters, as the driver takes them. */
export type Statement = { sql: string; params: unknown[] };

/** Turns a Drizzle query into a statement. */
export const statementOf = (query: { toSQL(): Statement }): Statement => query.toSQL();
