/** Ids that a statement makes for the rows that it finds. */

/**
 * The SQL of a new version 7 UUID, made of an instant and random digits; each row gets another one.
 * @param at the SQL of the instant: one parameter, or a column
 */
export const newIdAt = (at: string): string =>
  `(printf('%08x-%04x-7', ${at} >> 16, ${at} & 65535) || lower(substr(hex(randomblob(2)), 2)) || '-a' ||
    lower(substr(hex(randomblob(2)), 2)) || '-' || lower(hex(randomblob(6))))`;
