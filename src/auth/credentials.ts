/** The statements about all that lets a user in: sessions, mailed tokens, and the secret address of their calendar. */
import { and, eq, inArray, isNull } from "drizzle-orm";
import {
  calendarFeeds,
  emailVerifications,
  failedLogins,
  passwordResets,
  refreshTokens,
  sessions,
} from "../db/schema.ts";
import { build, type Statement, statementOf } from "../db/statement.ts";
import { voidResetTokens } from "./password-resets.ts";
import { endSessions } from "./sessions.ts";

/** The statements that end all sessions of a user and make all mailed tokens and the address of their calendar invalid. */
export const voidCredentials = (userId: string, now: number): Statement[] => [
  endSessions(userId, now),
  voidResetTokens(userId, now),
  statementOf(
    build
      .update(emailVerifications)
      .set({ usedAt: now })
      .where(and(eq(emailVerifications.userId, userId), isNull(emailVerifications.usedAt))),
  ),
  removeCalendarFeed(userId),
];

/** The statement that switches off the calendar feed of a user. */
export const removeCalendarFeed = (userId: string): Statement =>
  statementOf(build.delete(calendarFeeds).where(eq(calendarFeeds.userId, userId)));

/** The statements that delete all sessions, mailed tokens and counts of wrong passwords of a user. */
export const deleteCredentials = (userId: string): Statement[] => [
  statementOf(
    build
      .delete(refreshTokens)
      .where(
        inArray(
          refreshTokens.sessionId,
          build.select({ id: sessions.id }).from(sessions).where(eq(sessions.userId, userId)),
        ),
      ),
  ),
  statementOf(build.delete(sessions).where(eq(sessions.userId, userId))),
  statementOf(build.delete(passwordResets).where(eq(passwordResets.userId, userId))),
  statementOf(build.delete(emailVerifications).where(eq(emailVerifications.userId, userId))),
  removeCalendarFeed(userId),
  statementOf(build.delete(failedLogins).where(eq(failedLogins.account, userId))),
];
