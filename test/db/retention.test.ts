import { env } from "cloudflare:workers";
import { eq, inArray } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { deleteExpired, deleteOldRecipients } from "../../src/db/retention.ts";
import {
  emailVerifications,
  failedLogins,
  mailCounts,
  notifications,
  passwordResets,
  refreshTokens,
  sessions,
} from "../../src/db/schema.ts";
import type { Statement } from "../../src/db/statement.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { session } from "../support/outbox.ts";
import { planOf } from "../support/plans.ts";
import { db, person } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A full hour. */
const NOW = Date.parse("2027-06-01T10:00:00Z");

const commit = (statements: Statement[]) => session().commit("system", "test.retention", "-", statements);

/** The id of a notification of an instant. */
const idAt = (at: number): string => {
  const time = at.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${uuidv7().slice(13)}`;
};

type Status = "PENDING" | "SENT" | "FAILED";

/** Writes notifications of the given ages, and returns their ids. */
async function aged(status: Status, ...days: number[]): Promise<string[]> {
  const rows = days.map((age) => {
    const at = NOW - age * DAY_MS;
    return {
      id: idAt(at),
      kind: "password_reset" as const,
      recipient: "old@example.com",
      facts: {},
      status,
      createdAt: at,
      nextAttemptAt: at,
      sentAt: status === "SENT" ? at : null,
    };
  });
  await insertAll(env.DB, notifications, rows);
  return rows.map(({ id }) => id);
}

const stored = (ids: string[]) =>
  db.select().from(notifications).where(inArray(notifications.id, ids)).orderBy(notifications.createdAt);

describe("a notification", () => {
  test("is deleted 90 days after it was written, when it was sent or has failed", async () => {
    const sent = await aged("SENT", 91, 89);
    const failed = await aged("FAILED", 91, 89);
    const pending = await aged("PENDING", 91);
    await commit(deleteExpired(NOW));
    expect((await stored([...sent, ...failed, ...pending])).map(({ id }) => id).sort()).toEqual(
      [sent[1], failed[1], pending[0]].sort(),
    );
  });

  test("with an id that is not made of its time is not deleted early", async () => {
    const id = "00000000-none";
    const row = { id, kind: "password_reset" as const, recipient: "new@example.com", facts: {} };
    const times = { createdAt: NOW, nextAttemptAt: NOW, sentAt: NOW };
    await db.insert(notifications).values({ ...row, ...times, status: "SENT" });
    await commit(deleteExpired(NOW));
    expect(await stored([id])).toHaveLength(1);
  });

  test("loses its address 30 days after it was written, when it was sent", async () => {
    const sent = await aged("SENT", 36, 31, 29);
    const others = [...(await aged("FAILED", 31)), ...(await aged("PENDING", 31))];
    await commit(deleteOldRecipients(NOW));
    expect((await stored(sent)).map(({ recipient }) => recipient)).toEqual([null, null, "old@example.com"]);
    for (const { recipient } of await stored(others)) expect(recipient).toBe("old@example.com");
  });

  test("loses its address in the first minute of an hour only, because that reads many rows", () => {
    expect(deleteOldRecipients(NOW + 59_999)).toHaveLength(1);
    expect(deleteOldRecipients(NOW + 60_000)).toEqual([]);
  });
});

test("each run handles a limited number of rows, and later runs the rest", async () => {
  const ids = await aged("SENT", ...Array<number>(25).fill(100));
  const left = async () => (await stored(ids)).length;
  await commit(deleteExpired(NOW, 10));
  expect(await left()).toBe(15);
  await commit(deleteExpired(NOW, 10));
  await commit(deleteExpired(NOW, 10));
  expect(await left()).toBe(0);
  const recent = await aged("SENT", ...Array<number>(15).fill(31));
  const withAddress = async () => (await stored(recent)).filter(({ recipient }) => recipient !== null).length;
  await commit(deleteOldRecipients(NOW, 10));
  expect(await withAddress()).toBe(5);
  await commit(deleteOldRecipients(NOW + HOUR_MS, 10));
  expect(await withAddress()).toBe(0);
});

test("a session stays until its last refresh token is deleted", async () => {
  const { id: userId } = await person();
  const sessionId = uuidv7();
  const times = { createdAt: NOW - 9 * DAY_MS, expiresAt: NOW - DAY_MS };
  await db.insert(sessions).values({ id: sessionId, userId, ...times });
  await db
    .insert(refreshTokens)
    .values(Array.from({ length: 5 }, () => ({ tokenHash: uuidv7(), sessionId, ...times })));
  const left = () => db.$count(sessions, eq(sessions.id, sessionId));
  await commit(deleteExpired(NOW, 3));
  expect(await left()).toBe(1);
  await commit(deleteExpired(NOW, 3));
  expect(await left()).toBe(0);
});

test("tokens of mails are deleted when they expire", async () => {
  const { id: userId } = await person();
  const rows = [NOW - 1, NOW + 1].map((expiresAt) => ({
    tokenHash: uuidv7(),
    userId,
    createdAt: 0,
    expiresAt,
  }));
  await db.insert(passwordResets).values(rows);
  await db.insert(emailVerifications).values(rows.map((row) => ({ ...row, email: "a@example.com" })));
  await commit(deleteExpired(NOW));
  const resets = await db.select().from(passwordResets).where(eq(passwordResets.userId, userId));
  const verifications = await db
    .select()
    .from(emailVerifications)
    .where(eq(emailVerifications.userId, userId));
  for (const left of [resets, verifications])
    expect(left.map(({ expiresAt }) => expiresAt)).toEqual([NOW + 1]);
});

test("counts of mails and of failed logins are kept for the current day and two more", async () => {
  const today = Math.floor(NOW / DAY_MS);
  const days = [0, 1, 2, 3].map((age) => today - age);
  await db.insert(mailCounts).values(days.map((day) => ({ day, reader: "kept", n: 1 })));
  await db.insert(failedLogins).values(days.map((day) => ({ day, account: "kept", source: "", n: 1 })));
  await commit(deleteExpired(NOW));
  const counts = await db.select().from(mailCounts).where(eq(mailCounts.reader, "kept"));
  const logins = await db.select().from(failedLogins).where(eq(failedLogins.account, "kept"));
  for (const left of [counts, logins])
    expect(left.map(({ day }) => day).sort()).toEqual([today - 2, today - 1, today]);
});

test("every statement finds its rows along an index", async () => {
  const plans = await Promise.all([...deleteExpired(NOW), ...deleteOldRecipients(NOW)].map(planOf));
  // First the rows by their number, then how the numbers are found.
  const found = plans.map(([byNumber, ...steps]) => {
    expect(byNumber).toMatch(/^SEARCH \w+ USING INTEGER PRIMARY KEY \(rowid=\?\)$/);
    return steps;
  });
  expect(found).toEqual([
    ["SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_age (created_at<?)"],
    ["SEARCH refresh_tokens USING COVERING INDEX refresh_tokens_expiry (expires_at<?)"],
    [
      "SEARCH sessions USING INDEX sessions_expiry (expires_at<?)",
      "SEARCH t USING COVERING INDEX refresh_tokens_session (session_id=?)",
      // The foreign key.
      "SEARCH refresh_tokens USING COVERING INDEX refresh_tokens_session (session_id=?)",
    ],
    ["SEARCH password_resets USING COVERING INDEX password_resets_expiry (expires_at<?)"],
    ["SEARCH email_verifications USING COVERING INDEX email_verifications_expiry (expires_at<?)"],
    ["SEARCH failed_logins USING COVERING INDEX sqlite_autoindex_failed_logins_1 (day<?)"],
    ["SEARCH booking_changes USING COVERING INDEX sqlite_autoindex_booking_changes_1 (hour<?)"],
    ["SEARCH mail_counts USING COVERING INDEX sqlite_autoindex_mail_counts_1 (day<?)"],
    ["SEARCH notifications USING INDEX notifications_status (status=? AND id<?)"],
    ["SEARCH notifications USING INDEX notifications_status (status=? AND id<?)"],
    ["SEARCH notifications USING INDEX notifications_status (status=? AND id>? AND id<?)"],
  ]);
});
