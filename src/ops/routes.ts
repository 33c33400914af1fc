/** /api/ops: what the operator of a deployment looks at. */
import { claimedCaller, operation } from "../auth/operation.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer } from "../http/router.ts";
import { statusSchema } from "./schemas.ts";
import { getStatus } from "./use-cases.ts";

/** The routes under /api/ops. */
export const opsRoutes = createRouter().openapi(
  operation("getOpsStatus", [], {
    method: "get",
    path: "/status",
    tags: ["Operations"],
    summary: "Get the state of the deployment",
    description:
      "Versions, the last run of the cron, e-mails that wait or have failed, and the results of the last self-checks.",
    responses: { 200: jsonAnswer("The state now", statusSchema) },
  }),
  async (c) => c.json(unwrap(await getStatus(depsOf(c), claimedCaller(c))), 200),
);
