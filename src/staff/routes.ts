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
import { absencePath, createAbsence, listAbsences, removeAbsence } from "./absences.ts";
import { createCalendarFeed, readCalendarFeed, removeCalendarFeed } from "./calendar.ts";
import {
  absenceParams,
  absenceSchema,
  absencesQuery,
  calendarFeedSchema,
  feedParam,
  metricsQuery,
  metricsSchema,
  newAbsence,
  newShifts,
  newStaff,
  shiftsSchema,
  staffChange,
  staffQuery,
  staffSchema,
} from "./schemas.ts";
import { getShifts, putShifts } from "./shifts.ts";
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
        "Changes terms, role or access. Deactivation ends that person's access with the next request, and gives their coming test drives to free colleagues; `bookings_unassigned` names those for which nobody is free.",
      request: { params: idParam, body: jsonBody(staffChange) },
      responses: { 200: jsonAnswer("The updated staff member", staffSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { id } = c.req.valid("param");
      const { member, unassigned } = unwrap(await updateStaff(depsOf(c), caller, id, c.req.valid("json")));
      return c.json({ ...staffBody(member), bookings_unassigned: unassigned }, 200);
    },
  )
  .openapi(
    operation("getShifts", ["not_found"], {
      method: "get",
      path: "/{id}/shifts",
      tags,
      summary: "Get the shifts of a staff member",
      description: "SALES sees only their own.",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The weekly shifts, in the local time of each showroom", shiftsSchema) },
    }),
    async (c) => c.json(unwrap(await getShifts(depsOf(c), claimedCaller(c), c.req.valid("param").id)), 200),
  )
  .openapi(
    operation("putShifts", ["not_found"], {
      method: "put",
      path: "/{id}/shifts",
      tags,
      summary: "Replace the shifts of a staff member",
      description:
        "Weekly windows in the local time of each showroom. Test drives that they have already stay theirs; `bookings_outside` names those that are out of their shifts now.",
      request: { params: idParam, body: jsonBody(newShifts) },
      responses: { 200: jsonAnswer("The shifts as they are now", shiftsSchema) },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      return c.json(unwrap(await putShifts(depsOf(c), claimedCaller(c), id, c.req.valid("json"))), 200);
    },
  )
  .openapi(
    operation("listAbsences", ["not_found"], {
      method: "get",
      path: "/{id}/absences",
      tags,
      summary: "List the absences of a staff member, latest first",
      description: "SALES sees only their own.",
      request: { params: idParam, query: absencesQuery },
      responses: { 200: jsonAnswer("One page of absences", pageOf(absenceSchema)) },
    }),
    async (c) => {
      const query = c.req.valid("query");
      const { id } = c.req.valid("param");
      const found = unwrap(await listAbsences(depsOf(c), claimedCaller(c), id, window(query)));
      return c.json(
        framePage(c, query, found, (row) => row),
        200,
      );
    },
  )
  .openapi(
    operation("createAbsence", ["not_found", "has_bookings", "idempotency_key_reused", "busy"], {
      method: "post",
      path: "/{id}/absences",
      tags,
      summary: "Add an absence of a staff member",
      description:
        "SALES adds only their own. With test drives in this time it is refused, and `bookings` lists them; with `reassign` they are given to free colleagues, all or none.",
      request: { params: idParam, body: jsonBody(newAbsence) },
      responses: { 201: jsonAnswer("The absence", absenceSchema, "Location") },
    }),
    async (c) => {
      const body = c.req.valid("json");
      const { id } = c.req.valid("param");
      const caller = claimedCaller(c);
      return once(c, caller.id, { id, ...body }, async (key) => {
        const absence = unwrap(await createAbsence(depsOf(c), caller, id, body, key));
        return c.json(absence, 201, { Location: absencePath(id, absence.id) });
      });
    },
  )
  .openapi(
    operation("removeAbsence", ["not_found"], {
      method: "delete",
      path: "/{id}/absences/{absence_id}",
      tags,
      summary: "Remove an absence of a staff member",
      description: "SALES removes only their own.",
      request: { params: absenceParams },
      responses: { 204: { description: "It is removed" } },
    }),
    async (c) => {
      const { id, absence_id } = c.req.valid("param");
      unwrap(await removeAbsence(depsOf(c), claimedCaller(c), id, absence_id));
      return c.body(null, 204);
    },
  )
  .openapi(
    operation("createCalendarFeed", ["not_found"], {
      method: "post",
      path: "/{id}/calendar",
      tags,
      summary: "Make or renew the calendar feed of a staff member",
      description:
        "A calendar program that follows the address shows the test drives of this person. An address from before ends at once. SALES makes only their own.",
      request: { params: idParam },
      responses: { 201: jsonAnswer("The secret address", calendarFeedSchema) },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      return c.json(unwrap(await createCalendarFeed(depsOf(c), claimedCaller(c), id)), 201);
    },
  )
  .openapi(
    operation("removeCalendarFeed", ["not_found"], {
      method: "delete",
      path: "/{id}/calendar",
      tags,
      summary: "Switch off the calendar feed of a staff member",
      description: "SALES switches off only their own.",
      request: { params: idParam },
      responses: { 204: { description: "No address shows this person's test drives" } },
    }),
    async (c) => {
      const { id } = c.req.valid("param");
      unwrap(await removeCalendarFeed(depsOf(c), claimedCaller(c), id));
      return c.body(null, 204);
    },
  );

/** The routes under /calendars. */
export const calendarRoutes = createRouter().openapi(
  operation("getCalendarFeed", ["not_found"], {
    method: "get",
    path: "/{file}",
    tags,
    summary: "Get a calendar feed",
    description:
      "The test drives of the member of staff to whom the secret address belongs, from a week ago on. Those that do not take place, or that somebody else makes, are left out.",
    request: { params: feedParam },
    responses: {
      200: {
        description: "The calendar (RFC 5545)",
        content: { "text/calendar": { schema: { type: "string" } } },
      },
    },
  }),
  async (c) => {
    const token = c.req.valid("param").file.slice(0, -".ics".length);
    const calendar = unwrap(await readCalendarFeed(depsOf(c), token));
    return c.body(calendar, 200, {
      "Content-Type": "text/calendar; charset=utf-8",
      "Cache-Control": "private, no-store",
    });
  },
);
