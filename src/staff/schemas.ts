/** What goes over the wire under /api/staff. */
import { z } from "@hono/zod-openapi";
import { newUsername, newUserShape } from "../auth/schemas.ts";
import { closing, opening } from "../http/local-time.ts";
import { money, moneyInput, rate, rateInput } from "../http/money.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, fromBeforeTo, id, ignored, instant, prose, rule } from "../http/validation.ts";
import { STAFF_ROLES } from "../shared/enums.ts";
import { WEEKDAYS } from "../shared/opening-hours.ts";

const date = day.openapi({ example: "2024-04-01" });

const employment = {
  salary: moneyInput,
  commission_rate: rateInput,
  hire_date: date,
  role: z.enum(STAFF_ROLES),
};

/** Body of `POST /`. */
export const newStaff = closed({
  ...newUserShape,
  ...employment,
  hire_date: date.optional(),
  role: z.enum(STAFF_ROLES).default("SALES"),
})
  .check(newUsername)
  .openapi("NewStaff");

/** Body of `PATCH /{id}/`. */
export const staffChange = closed({
  salary: employment.salary.optional(),
  commission_rate: employment.commission_rate.optional(),
  hire_date: employment.hire_date.optional(),
  role: employment.role.optional(),
  is_active: z.boolean().optional(),
  ...ignored(
    "id",
    "user",
    "username",
    "first_name",
    "last_name",
    "email",
    "phone",
    "total_sales_count",
    "bookings_unassigned",
  ),
}).openapi("StaffChange");

/** The input for a new staff member. Money in cents. */
export type NewStaff = z.infer<typeof newStaff>;
/** The input for a change of a staff member. Money in cents. */
export type StaffChange = z.infer<typeof staffChange>;

/** Query of `GET /`. */
export const staffQuery = closed(pageQuery);

/** Query of `GET /{id}/metrics/`. */
export const metricsQuery = closed({
  from: date.openapi({ description: "First day, showroom time" }).optional(),
  to: date.openapi({ description: "Last day, showroom time" }).optional(),
}).check(fromBeforeTo);

/** A staff member. */
export const staffSchema = z
  .object({
    id,
    user: id,
    username: z.string(),
    first_name: z.string(),
    last_name: z.string(),
    email: z.string().nullable(),
    phone: z.string(),
    role: z.enum(STAFF_ROLES),
    salary: money,
    commission_rate: rate,
    hire_date: date,
    total_sales_count: z.int().openapi({ description: "The number of open sales, without void ones" }),
    is_active: z.boolean(),
    bookings_unassigned: z.array(id).optional().openapi({
      description: "After a deactivation: the coming test drives with which nobody drives along yet",
    }),
  })
  .openapi("Staff");

/** The sums of one currency. Amounts of different currencies are never added. */
const totalSchema = z
  .object({ currency: z.string(), sales_count: z.int(), revenue: money, commission: money })
  .openapi("CurrencyTotal");

/** The metrics of a staff member. */
export const metricsSchema = z
  .object({
    total_sales_count: z.int().openapi({ description: "The number of open sales in all currencies" }),
    total_revenue: money.openapi({ description: "In the deployment's own currency (`DEFAULT_CURRENCY`)" }),
    total_commission: money.openapi({ description: "In the deployment's own currency (`DEFAULT_CURRENCY`)" }),
    totals: z.array(totalSchema).openapi({ description: "One per currency, ordered by currency" }),
    test_drives_completed: z.int(),
  })
  .openapi("StaffMetrics");

/** When a staff member works: a window of a weekday in a showroom. */
const shift = closed({ showroom: id, weekday: z.enum(WEEKDAYS), from: opening, to: closing })
  .check(
    rule<{ from: string; to: string }>(
      "not_after_from",
      "Must be later than from, on the same day: 24:00 at the latest",
      // Texts of this form are in the order of the times.
      ({ from, to }) => from < to,
      "to",
    ),
  )
  .openapi("Shift");

/** Body of `PUT /{id}/shifts/`. */
export const newShifts = closed({
  shifts: z.array(shift).max(60, "At most 60 shifts"),
  weight: z.int().min(1).max(1000).optional().openapi({
    description: "The part of the drives that they get beside others who work as long; 100 unless it was set",
  }),
  ...ignored("bookings_outside"),
}).openapi("NewShifts");

/** The input for shifts. */
export type NewShifts = z.infer<typeof newShifts>;

/** The shifts of a staff member. */
export const shiftsSchema = z
  .object({
    shifts: z.array(
      z
        .object({ showroom: id, weekday: z.enum(WEEKDAYS), from: z.string(), to: z.string() })
        .openapi("ShiftOfStaff"),
    ),
    weight: z.int(),
    bookings_outside: z.array(id).optional().openapi({
      description: "After a change: the coming test drives of this person that are out of their shifts now",
    }),
  })
  .openapi("Shifts");

const absenceTime = z.string().max(40).openapi({
  description: "ISO 8601. Without an offset it is the time of the configured zone.",
  example: "2026-12-24T00:00:00+01:00",
});

/** Body of `POST /{id}/absences/`. */
export const newAbsence = closed({
  from: absenceTime,
  to: absenceTime,
  reason: prose(500).default(""),
  reassign: z.boolean().default(false).openapi({
    description: "Gives the test drives in this time to free colleagues, all or none",
  }),
}).openapi("NewAbsence");

/** The input for an absence. */
export type NewAbsence = z.infer<typeof newAbsence>;

/** An absence of a staff member. */
export const absenceSchema = z
  .object({ id, from: instant, to: instant, reason: z.string(), created_at: instant })
  .openapi("Absence");

/** Query of `GET /{id}/absences/`. */
export const absencesQuery = closed(pageQuery);

/** A calendar feed that was made. */
export const calendarFeedSchema = z
  .object({
    url: z.string().openapi({
      description: "The secret address, for calendar programs. It is shown this once.",
      example: "https://dealership.example/calendars/Zk3v0cXq1tY8r5uJ2mN7pB4sD6fG9hL-wE_aQxCiKoR.ics",
    }),
    created_at: instant,
  })
  .openapi("CalendarFeed");

/** The name of a feed's file in its path: the token. */
export const feedParam = z.object({ file: z.string().regex(/^[\w-]{43}\.ics$/) });

/** The ids in the path of an absence. */
export const absenceParams = z.object({ id, absence_id: id });
