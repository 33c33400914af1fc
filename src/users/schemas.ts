/** What goes over the wire under /api/users, and of a user's own data under /api/auth/me. */
import { z } from "@hono/zod-openapi";
import { userSchema } from "../auth/schemas.ts";
import { bookingSchema } from "../bookings/schemas.ts";
import { money, rate } from "../http/money.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, id, ignored, instant } from "../http/validation.ts";
import { notificationSchema } from "../notifications/schemas.ts";
import { saleSchema } from "../sales/schemas.ts";

/** A user as administrators see them. */
export const managedUserSchema = userSchema
  .extend({ is_active: z.boolean(), created_at: instant })
  .openapi("ManagedUser");

/** Body of `PATCH /{id}/`. */
export const userChange = closed({
  is_active: z.boolean(),
  ...ignored(
    "id",
    "username",
    "email",
    "first_name",
    "last_name",
    "phone",
    "role",
    "email_verified",
    "pending_email",
    "created_at",
  ),
}).openapi("UserChange");

/** Body of `DELETE me/`. */
export const erasure = closed({
  password: z.string().max(128).openapi({ format: "password" }),
}).openapi("Erasure");

/** Query of `GET me/export/`. */
export const exportQuery = closed({ page: pageQuery.page });

/** All data about a user. */
export const exportSchema = z
  .object({
    exported_at: instant,
    account: userSchema.extend({
      email_verified_at: instant.nullable(),
      created_at: instant,
      updated_at: instant,
    }),
    sessions: z.array(z.object({ created_at: instant, expires_at: instant, ended_at: instant.nullable() })),
    bookings: z.array(bookingSchema.extend({ updated_at: instant })),
    purchases: z.array(saleSchema.omit({ commissions: true })),
    notifications: z.array(
      notificationSchema
        .pick({ id: true, kind: true, to: true, booking: true, sale: true, status: true })
        .extend({
          created_at: instant,
          sent_at: instant.nullable(),
          facts: z.record(z.string(), z.unknown()),
        }),
    ),
    employment: z
      .object({
        id,
        salary: money,
        commission_rate: rate,
        hire_date: day,
        created_at: instant,
        updated_at: instant,
      })
      .nullable()
      .openapi({ description: "For staff members" }),
    commissions: z.array(z.object({ id, sale: id, rate, amount: money, created_at: instant })),
    absences: z.array(z.object({ id, from: instant, to: instant, reason: z.string(), created_at: instant })),
    next: z
      .string()
      .nullable()
      .openapi({ description: "The next page, when a list has more rows than one page holds" }),
  })
  .openapi("PersonalData");
