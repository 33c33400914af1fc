/** /api/staff: the people who work for the dealership. */
import type { Context } from "hono";
import { uuidv7 } from "uuidv7";
import { callerOf, operation } from "../auth/access.ts";
import { refuseWeak } from "../auth/password-rules.ts";
import { insertUser, newUserRow } from "../auth/store.ts";
import { staffProfiles } from "../db/schema.ts";
import { insertInto } from "../db/statement.ts";
import type { AppEnv } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { once, withoutPassword } from "../http/idempotency.ts";
import { framePage, pageOf } from "../http/pagination.ts";
import { invalid, Problem } from "../http/problems.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { daySpan, localDate } from "../shared/showroom-time.ts";
import { metricsQuery, metricsSchema, newStaff, staffChange, staffQuery, staffSchema } from "./schemas.ts";
import { changeStaff, findStaff, listStaff, metricsOf, staffBody } from "./store.ts";

const tags = ["Staff"];

/** The routes under /api/staff. */
export const staffRoutes = createRouter()
  .openapi(
    operation("createStaff", ["idempotency_key_reused"], {
      method: "post",
      path: "/",
      tags,
      summary: "Take somebody on",
      request: { body: jsonBody(newStaff) },
      responses: { 201: jsonAnswer("The new staff member", staffSchema, "Location") },
    }),
    async (c) => {
      const body = c.req.valid("json");
      return once(c, callerOf(c).id, withoutPassword(body), async (claim) => {
        await refuseWeak(body.password, body, c.env.ASSETS);
        const now = Date.now();
        const user = { ...(await newUserRow(body, now)), role: body.role };
        const profile = {
          id: uuidv7(),
          userId: user.id,
          salaryCents: body.salary,
          commissionRate: body.commission_rate,
          hireDate: body.hire_date ?? localDate(now, c.get("config").showroom.timeZone),
          createdAt: now,
          updatedAt: now,
        };
        const answer = staffBody({ ...user, profile, salesCount: 0 });
        const location = `/api/staff/${profile.id}/`;
        const alongside = [insertInto(staffProfiles, profile)];
        await insertUser(databaseOf(c), user, { claim, answer, location, alongside });
        return c.json(answer, 201, { Location: location });
      });
    },
  )
  .openapi(
    operation("listStaff", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "Everybody who works here, longest here first",
      request: { query: staffQuery },
      responses: { 200: jsonAnswer("One page of them", pageOf(staffSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const found = await listStaff(databaseOf(c), query);
      return c.json(framePage(c, query, found.count, found.staff), 200);
    },
  )
  .openapi(
    operation("getStaff", ["not_found"], {
      method: "get",
      path: "/{id}/",
      tags,
      summary: "One staff member",
      description: "SALES sees only itself; anybody else does not exist for it.",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The staff member", staffSchema) },
    }),
    async (c) => c.json(staffBody(await visibleMember(c, c.req.valid("param").id)), 200),
  )
  .openapi(
    operation("getStaffMetrics", ["not_found"], {
      method: "get",
      path: "/{id}/metrics/",
      tags,
      summary: "What a staff member has achieved",
      request: { params: idParam, query: metricsQuery },
      responses: { 200: jsonAnswer("Sums over the days asked for, or over all", metricsSchema) },
    }),
    async (c) => {
      const { profile } = await visibleMember(c, c.req.valid("param").id);
      const { from, to } = c.req.valid("query");
      if (from && to && from > to)
        throw invalid([{ field: "to", code: "before_from", message: "Must not be before from" }]);
      const span = daySpan(from, to, c.get("config").showroom.timeZone);
      return c.json(await metricsOf(databaseOf(c), profile.userId, span), 200);
    },
  )
  .openapi(
    operation("updateStaff", ["not_found", "last_admin"], {
      method: "patch",
      path: "/{id}/",
      tags,
      summary: "Change a staff member's terms, role or access",
      request: { params: idParam, body: jsonBody(staffChange) },
      responses: { 200: jsonAnswer("The staff member as they are now", staffSchema) },
    }),
    async (c) => {
      const { profile } = await visibleMember(c, c.req.valid("param").id);
      const result = await changeStaff(databaseOf(c), profile, c.req.valid("json"), Date.now());
      if (result === "last_admin") throw new Problem("last_admin");
      return c.json(staffBody(await visibleMember(c, profile.id)), 200);
    },
  );

/** The staff member, if the caller may see them: ADMIN sees all, SALES itself. */
async function visibleMember(c: Context<AppEnv>, id: string) {
  const caller = callerOf(c);
  const member = await findStaff(databaseOf(c), id);
  if (!member || (caller.role !== "ADMIN" && member.profile.userId !== caller.id))
    throw new Problem("not_found");
  return member;
}
