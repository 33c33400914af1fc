/** What goes over the wire under /api/staff. */
import { z } from "@hono/zod-openapi";
import { newUsername, newUserShape } from "../auth/schemas.ts";
import { money, moneyInput, rate, rateInput } from "../http/money.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, fromBeforeTo, id, ignored } from "../http/validation.ts";
import { STAFF_ROLES } from "../shared/enums.ts";

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
  ...ignored("id", "user", "username", "first_name", "last_name", "email", "phone", "total_sales_count"),
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
