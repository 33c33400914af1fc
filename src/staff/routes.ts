/** /api/staff: staff members. */
import { isPasswordOf } from "../auth/guesses.ts";
import { limitHashing } from "../auth/login-throttling.ts";
import { claimedCaller, operation, verifiedCaller } from "../auth/operation.ts";
import { clientAddress } from "../http/client-address.ts";
import { once, withoutPassword } from "../http/idempotency.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { metricsQuery, metricsSchema, newStaff, staffChange, staffQuery, staffSchema } from "./schemas.ts";
import { staffBody } from "./store.ts";
import { createStaff, getStaff, getStaffMetrics, listStaff, staffPath, updateStaff } from "./use-cases.ts";

const tags = ["Staff"];

/** The routes under /api/staff. */
export const staffRoutes = createRouter()
  .openapi(
    operation("createStaff", ["idempotency_key_reused", "busy"], {
      method: "post",
      path: "/",
      tags,
      summary: "Create a staff member",
      request: { body: jsonBody(newStaff) },
      responses: { 201: jsonAnswer("The new staff member", staffSchema, "Location") },
    }),
    async (c) => {
      const body = c.req.valid("json");
      const caller = await verifiedCaller(c);
      await limitHashing(c);
      return once(
        c,
        caller.id,
        withoutPassword(body),
        async (key) => {
          const member = unwrap(await createStaff(depsOf(c), caller, body, key));
          return c.json(member, 201, { Location: staffPath(member.id) });
        },
        async (answer) => {
          const { user: id, username } = staffSchema.parse(answer);
          const created = { id, username };
          return unwrap(await isPasswordOf(depsOf(c), created, body.password, clientAddress(c)));
        },
      );
    },
  )
  .openapi(
    operation("listStaff", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "List staff members, longest employed first",
      request: { query: staffQuery },
      responses: { 200: jsonAnswer("One page of staff members", pageOf(staffSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = unwrap(await listStaff(depsOf(c), claimedCaller(c), window(query)));
      return c.json(framePage(c, query, found, staffBody), 200);
    },
  )
  .openapi(
    operation("getStaff", ["not_found"], {
      method: "get",
      path: "/{id}",
      tags,
      summary: "Get a staff member",
      description: "SALES sees only themselves. Other staff members are not found.",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The staff member", staffSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      return c.json(staffBody(unwrap(await getStaff(depsOf(c), caller, c.req.valid("param").id))), 200);
    },
  )
  .openapi(
    operation("getStaffMetrics", ["not_found"], {
      method: "get",
      path: "/{id}/metrics",
      tags,
      summary: "Get the metrics of a staff member",
      request: { params: idParam, query: metricsQuery },
      responses: { 200: jsonAnswer("Sums over the given days, or over all days", metricsSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { id } = c.req.valid("param");
      return c.json(unwrap(await getStaffMetrics(depsOf(c), caller, id, c.req.valid("query"))), 200);
    },
  )
  .openapi(
    operation("updateStaff", ["not_found", "last_admin"], {
      method: "patch",
      path: "/{id}",
      tags,
      summary: "Update a staff member",
      description:
        "Changes terms, role or access. Deactivation ends that person's access with the next request.",
      request: { params: idParam, body: jsonBody(staffChange) },
      responses: { 200: jsonAnswer("The updated staff member", staffSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { id } = c.req.valid("param");
      const member = unwrap(await updateStaff(depsOf(c), caller, id, c.req.valid("json")));
      return c.json(staffBody(member), 200);
    },
  );
