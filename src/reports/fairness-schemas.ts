/** What goes over the wire under /api/reports/fairness. */
import { z } from "@hono/zod-openapi";
import { closed, day, fromBeforeTo, id } from "../http/validation.ts";

/** Query of `GET /fairness/`. */
export const fairnessQuery = closed({
  showroom: id,
  from: day.openapi({ description: "First day, local time of the showroom" }).optional(),
  to: day.openapi({ description: "Last day, local time of the showroom" }).optional(),
}).check(fromBeforeTo);

/** How the drives of a showroom were shared. */
export const fairnessSchema = z
  .object({
    showroom: id,
    from: z.string().nullable(),
    to: z.string().nullable(),
    drives: z.int().openapi({ description: "The drives of all of them" }),
    people: z.array(
      z
        .object({
          user: id,
          username: z.string(),
          first_name: z.string(),
          last_name: z.string(),
          weight: z.int(),
          shift_minutes: z
            .int()
            .openapi({ description: "The minutes of a week in shift there, as it is now" }),
          share: z.number().openapi({ description: "Percent: weight times minutes, as part of everybody's" }),
          drives: z.int(),
          expected: z.number().openapi({ description: "Their share of all drives" }),
          difference: z.number().openapi({ description: "Drives less the expected ones" }),
        })
        .openapi("FairnessOfPerson"),
    ),
  })
  .openapi("Fairness");
