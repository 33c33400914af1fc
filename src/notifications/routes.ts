/** /api/notifications: e-mail notifications and their delivery. */
import { claimedCaller, operation } from "../auth/operation.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { notificationBody, notificationSchema, notificationsQuery } from "./schemas.ts";
import { listNotifications, replayNotification } from "./use-cases.ts";

const tags = ["Notifications"];

/** The routes under /api/notifications. */
export const notificationRoutes = createRouter()
  .openapi(
    operation("listNotifications", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "List notifications, newest first",
      request: { query: notificationsQuery },
      responses: { 200: jsonAnswer("One page of notifications", pageOf(notificationSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = unwrap(await listNotifications(depsOf(c), claimedCaller(c), query, window(query)));
      return c.json(framePage(c, query, found, notificationBody), 200);
    },
  )
  .openapi(
    operation("replayNotification", ["not_found", "already_sent", "recipient_deleted"], {
      method: "post",
      path: "/{id}/replay",
      tags,
      summary: "Send a failed notification again",
      description:
        "A failed notification becomes pending again, with all its attempts, and with the current address of its reader. It states the facts at the time it was written, even if later notifications have been sent. A pending notification is only queued again. A sent one is not sent again, nor one whose reader has no address any more.",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The notification as it is now", notificationSchema) },
    }),
    async (c) => {
      const replayed = await replayNotification(depsOf(c), claimedCaller(c), c.req.valid("param").id);
      return c.json(notificationBody(unwrap(replayed)), 200);
    },
  );
