/** What goes over the wire under /api/notifications. */
import { z } from "@hono/zod-openapi";
import type { notifications } from "../db/schema.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, id, instant } from "../http/validation.ts";
import { NOTIFICATION_KINDS, NOTIFICATION_STATUSES } from "../shared/enums.ts";
import { formatInstant } from "../shared/showroom-time.ts";

/** A notification. */
export const notificationSchema = z
  .object({
    id,
    kind: z.enum(NOTIFICATION_KINDS),
    to: z.string().nullable().openapi({
      description: "An e-mail address; null once it was deleted, some time after the mail was sent",
      example: "carol@example.com",
    }),
    booking: id.nullable(),
    sale: id.nullable(),
    status: z.enum(NOTIFICATION_STATUSES),
    attempts: z.int().openapi({ description: "The number of attempts since it was last replayed" }),
    last_error: z.string().nullable(),
    created_at: instant,
    sent_at: instant.nullable(),
  })
  .openapi("Notification");

/** A notification's row in its wire form. */
export const notificationBody = (
  row: Omit<typeof notifications.$inferSelect, "facts">,
): z.infer<typeof notificationSchema> => ({
  id: row.id,
  kind: row.kind,
  to: row.recipient,
  booking: row.bookingId,
  sale: row.saleId,
  status: row.status,
  attempts: row.attempts,
  last_error: row.lastError,
  created_at: formatInstant(row.createdAt),
  sent_at: row.sentAt === null ? null : formatInstant(row.sentAt),
});

/** Query of `GET /`. */
export const notificationsQuery = closed({
  ...pageQuery,
  status: z.enum(NOTIFICATION_STATUSES).optional(),
  kind: z.enum(NOTIFICATION_KINDS).optional(),
  booking: id.optional(),
  sale: id.optional(),
  late: z.enum(["true", "false"]).optional().openapi({
    description:
      "`true`: only those that are still pending five minutes after they were written; `false`: all others",
  }),
});

/** The filters of a list of notifications. */
export type NotificationFilters = z.infer<typeof notificationsQuery>;
