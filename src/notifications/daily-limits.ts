/**
 * The daily limits of mails. They protect the readers of addresses that nobody verified, and the sender's reputation
 * and costs. A mail is counted in the transaction that claims it, and no longer counted when it was not sent: the count
 * of a day is what was sent on it, and a retry is no second mail. A day is one of UTC.
 */
import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { mailCounts } from "../db/schema.ts";
import { build, compile, queryOf, type Statement, statementOf } from "../db/statement.ts";
import { sha256 } from "../shared/digest.ts";
import { foldCase } from "../shared/text.ts";

/** How many mails an address gets on one day while it is not verified: it may be another person's. */
export const UNVERIFIED_MAILS_PER_DAY = 5;
/** How many password reset mails any address gets on one day. Anybody can request them. */
export const RESET_MAILS_PER_DAY = 20;
/** The share of MAX_MAILS_PER_DAY after which only account mails are sent. */
const ORDINARY_SHARE = 0.9;

/** Mails without which people cannot use or protect their account. They stop last. */
const ACCOUNT_KINDS: readonly string[] = ["password_reset", "email_verification", "email_changed"];

/** Whether the mail may use the last tenth of MAX_MAILS_PER_DAY. */
export const isAccountMail = (kind: string): boolean => ACCOUNT_KINDS.includes(kind);

const DAY_MS = 24 * 60 * 60 * 1000;

/** The readers that a claimed mail is counted for, and the day. */
export type MailCount = { day: number; readers: readonly string[] };

/** The reader that stands for all. Others are hashes of addresses. */
export const ALL_READERS = "*";

/** The day of an instant: days since 1970 UTC. */
export const dayOf = (now: number): number => Math.floor(now / DAY_MS);

/** The beginning of the day after `day`. */
export const endOf = (day: number): number => (day + 1) * DAY_MS;

/** How many mails the address of a notification may get on one day, if this one counts for the address. */
export function limitOfAddress(row: { kind: string; isUnverified: 0 | 1 | null }): number | undefined {
  if (row.isUnverified) return UNVERIFIED_MAILS_PER_DAY;
  return row.kind === "password_reset" ? RESET_MAILS_PER_DAY : undefined;
}

/** The reader of an address in the counts. */
export const readerOf = (address: string): Promise<string> => sha256(foldCase(address));

const countOf = (reader: SQL): SQL =>
  sql`coalesce((SELECT n FROM ${mailCounts} WHERE day = ${sql.placeholder("day")} AND reader = ${reader}), 0)`;

const raised = { target: [mailCounts.day, mailCounts.reader], set: { n: sql`${mailCounts.n} + 1` } };

/**
 * The statement that counts a mail of the day, unless the limit is reached; then it returns no row.
 * @param notification a select's FROM and WHERE clause: the notification that is about to be claimed
 */
export function countForAll(notification: SQL) {
  const count = compile(
    build
      .insert(mailCounts)
      .select(
        sql`SELECT ${sql.placeholder("day")}, ${ALL_READERS}, 1 ${notification}
          AND ${countOf(sql`${ALL_READERS}`)} < iif(
            kind IN (${sql.join(
              ACCOUNT_KINDS.map((kind) => sql`${kind}`),
              sql`, `,
            )}), ${sql.placeholder("most")}, ${sql.placeholder("mostOrdinary")})`,
      )
      .onConflictDoUpdate(raised)
      .returning({ n: mailCounts.n }),
  );
  return (most: number, values: { id: string; now: number }) =>
    count({ ...values, day: dayOf(values.now), most, mostOrdinary: Math.floor(most * ORDINARY_SHARE) });
}

/** The query of how many mails were sent on the day of an instant. */
export const mailsSentOn = (now: number) =>
  queryOf(
    build
      .select({ n: sql<number>`${mailCounts.n}`.as("n") })
      .from(mailCounts)
      .where(and(eq(mailCounts.day, dayOf(now)), eq(mailCounts.reader, ALL_READERS))),
  );

/** The statement that counts a mail to an address, unless the limit is reached; then it returns no row. */
export const countForAddress = compile(
  build
    .insert(mailCounts)
    .select(
      sql`SELECT ${sql.placeholder("day")}, ${sql.placeholder("reader")}, 1
        WHERE ${countOf(sql`${sql.placeholder("reader")}`)} < ${sql.placeholder("most")}`,
    )
    .onConflictDoUpdate(raised)
    .returning({ n: mailCounts.n }),
);

/** The statement that counts a mail which waits for the next day. Returns how many of its class wait. */
export const countWaiting = (day: number, isAccount: boolean) =>
  statementOf(
    build
      .insert(mailCounts)
      .values({ day, reader: isAccount ? "waiting_account" : "waiting", n: 1 })
      .onConflictDoUpdate(raised)
      .returning({ n: mailCounts.n }),
  );

/** The statements after which a mail is not counted, because it was not sent. */
export const uncount = ({ day, readers }: MailCount): Statement[] =>
  readers.length === 0
    ? []
    : [
        statementOf(
          build
            .update(mailCounts)
            .set({ n: sql`${mailCounts.n} - 1` })
            .where(and(eq(mailCounts.day, day), inArray(mailCounts.reader, [...readers]))),
        ),
      ];
