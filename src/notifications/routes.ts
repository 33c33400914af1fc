/** /api/notifications: what was told, what waits, and what failed. */

import { and, count, desc, eq, not, type SQL, sql } from "drizzle-orm";
import type { z } from "zod";
import { operation } from "../auth/access.ts";
import { notifications, users } from "../db/schema.ts";
import { databaseOf } from "../http/database.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { enqueue } from "../outbox/outbox.ts";
import { notificationBody, notificationSchema, notificationsQuery } from "./schemas.ts";

const tags = ["Notifications"];

/** When a notification that still waits is late: the sweep has come by several times. */
const LATE_AFTER_MS = 5 * 60 * 1000;

/** The routes under /api/notifications. */
export const notificationRoutes = createRouter()
  .openapi(
    operation("listNotifications", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "What was told, newest first",
      request: { query: notificationsQuery },
      responses: { 200: jsonAnswer("One page of them", pageOf(notificationSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const which = whichOf(query, Date.now());
      const db = databaseOf(c);
      const [rows, [total]] = await db.batch([
        db
          .select()
          .from(notifications)
          .where(which)
          // Ids rise with time.
          .orderBy(desc(notifications.id))
          .limit(window(query).limit)
          .offset(window(query).offset),
        db.select({ count: count() }).from(notifications).where(which),
      ]);
      return c.json(framePage(c, query, total?.count ?? 0, rows.map(notificationBody)), 200);
    },
  )
  .openapi(
    operation("replayNotification", ["not_found", "already_sent"], {
      method: "post",
      path: "/{id}/replay/",
      tags,
      summary: "Try a notification again",
      description:
        "A failed notification waits again, with all its attempts, and goes to the address its reader has now. It tells the fact as it was, also when later ones were told meanwhile. One that waits already is only queued again; one that was delivered is not told twice.",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The notification as it is now", notificationSchema) },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      const db = databaseOf(c);
      const present = db.select({ email: users.email }).from(users).where(eq(users.id, notifications.userId));
      const [, [row]] = await db.batch([
        db
          .update(notifications)
          .set({
            status: "PENDING",
            attempts: 0,
            nextAttemptAt: Date.now(),
            recipient: sql`coalesce((${present}), ${notifications.recipient})`,
          })
          .where(and(eq(notifications.id, id), eq(notifications.status, "FAILED"))),
        db.select().from(notifications).where(eq(notifications.id, id)),
      ]);
      if (!row) throw new Problem("not_found");
      if (row.status === "SENT") throw new Problem("already_sent");
      await enqueue(c.env.NOTIFICATIONS, [id]);
      return c.json(notificationBody(row), 200);
    },
  );

function whichOf(query: z.infer<typeof notificationsQuery>, now: number): SQL | undefined {
  const { status, kind, booking, sale, late } = query;
  const isLate = sql`(${notifications.status} = 'PENDING' AND ${notifications.createdAt} <= ${now - LATE_AFTER_MS})`;
  return and(
    status ? eq(notifications.status, status) : undefined,
    kind ? eq(notifications.kind, kind) : undefined,
    booking ? eq(notifications.bookingId, booking) : undefined,
    sale ? eq(notifications.saleId, sale) : undefined,
    late === undefined ? undefined : late === "true" ? isLate : not(isLate),
  );
}
