/** /api/reports/fairness. */
import { claimedCaller, operation } from "../auth/operation.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer } from "../http/router.ts";
import { getFairness } from "./fairness.ts";
import { fairnessQuery, fairnessSchema } from "./fairness-schemas.ts";

/** The route of the report of fairness. */
export const fairnessRoutes = createRouter().openapi(
  operation("getFairness", ["not_found"], {
    method: "get",
    path: "/fairness",
    tags: ["Reports"],
    summary: "Report how the test drives of a showroom were shared",
    description:
      "For each salesperson who works there now, or made drives there on these days: their drives against their share. Shifts and weights are those of now. Drives that were declined or cancelled do not count.",
    request: { query: fairnessQuery },
    responses: { 200: jsonAnswer("Drives and shares, most drives first", fairnessSchema) },
  }),
  async (c) => c.json(unwrap(await getFairness(depsOf(c), claimedCaller(c), c.req.valid("query"))), 200),
);
