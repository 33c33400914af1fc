/** /api/showrooms: showrooms and their special hours. */
import type { Context } from "hono";
import { claimedCaller, claimedStaff, operation } from "../auth/operation.ts";
import type { IdempotencyKey } from "../db/idempotency.ts";
import { expectedVersions, notModifiedAnswer, versionTag } from "../http/conditional.ts";
import type { AppEnv } from "../http/context.ts";
import { once } from "../http/idempotency.ts";
import { framePage, pageOf, window } from "../http/pagination.ts";
import { unwrap } from "../http/problems.ts";
import { answerRead } from "../http/public-cache.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import type { Result } from "../shared/refusals.ts";
import { outcomeBody } from "./outside.ts";
import {
  cancellationQuery,
  changedShowroomSchema,
  ifMatch,
  madeSpecialHoursSchema,
  newShowroom,
  outcomeSchema,
  showroomChange,
  showroomSchema,
  showroomsQuery,
  specialHours,
  specialHoursParams,
  specialHoursQuery,
  specialHoursSchema,
} from "./schemas.ts";
import {
  changeShowroom,
  concernsHours,
  createShowroom,
  createSpecialHours,
  getShowroom,
  listShowrooms,
  listSpecialHours,
  removeSpecialHours,
  settleBookings,
  settleSpecialHours,
  showroomPath,
  specialHoursPath,
  type VersionedShowroom,
} from "./use-cases.ts";

const tags = ["Showrooms"];

const SETTLES =
  "It cancels nothing by itself: the answer lists the coming bookings that are outside the opening hours now. With `cancel_outside=true` they are cancelled, at most 500 at once, and their customers are notified.";

/** The routes under /api/showrooms. */
export const showroomRoutes = createRouter()
  .openapi(
    operation("listShowrooms", ["not_found"], {
      method: "get",
      path: "/",
      tags,
      summary: "List showrooms, ordered by code",
      description: "Only staff see showrooms that are not active.",
      request: { query: showroomsQuery },
      responses: {
        200: jsonAnswer("One page of showrooms", pageOf(showroomSchema), "ETag"),
        304: notModifiedAnswer,
      },
    }),
    async (c) => {
      const query = c.req.valid("query");
      return answerRead(c, async () => {
        const found = unwrap(await listShowrooms(depsOf(c), claimedStaff(c), window(query)));
        return { body: framePage(c, query, found, (showroom) => showroom) };
      });
    },
  )
  .openapi(
    operation("getShowroom", ["not_found"], {
      method: "get",
      path: "/{id}",
      tags,
      summary: "Get a showroom",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The showroom", showroomSchema, "ETag"), 304: notModifiedAnswer },
    }),
    async (c) =>
      answerRead(c, async () => {
        const found = await getShowroom(depsOf(c), claimedStaff(c), c.req.valid("param").id);
        const { body, version } = unwrap(found);
        return { body, tag: versionTag(version) };
      }),
  )
  .openapi(
    operation("createShowroom", ["duplicate_request", "idempotency_key_reused"], {
      method: "post",
      path: "/",
      tags,
      summary: "Create a showroom",
      description:
        "Without `hours` it is open every day from 09:00 to 17:00. Members that `policy` leaves out are 60 minutes for a drive, the length of a drive for a step, no buffers, no lead time, and the configured horizon.",
      request: { body: jsonBody(newShowroom) },
      responses: { 201: jsonAnswer("The new showroom", showroomSchema, "ETag", "Location") },
    }),
    async (c) => {
      const input = c.req.valid("json");
      const caller = claimedCaller(c);
      return once(c, caller.id, input, async (key) => {
        const showroom = withTag(c, await createShowroom(depsOf(c), caller, input, key));
        return c.json(showroom, 201, { Location: showroomPath(showroom.id) });
      });
    },
  )
  .openapi(
    operation(
      "updateShowroom",
      ["not_found", "last_showroom", "has_bookings", "precondition_failed", "busy"],
      {
        method: "patch",
        path: "/{id}",
        tags,
        summary: "Update a showroom",
        description: `\`hours\` replaces the week; members that \`policy\` leaves out stay. \`is_active: false\` closes the showroom for good: nothing can be booked there. ${SETTLES}`,
        request: {
          params: idParam,
          query: cancellationQuery,
          headers: ifMatch,
          body: jsonBody(showroomChange),
        },
        responses: { 200: jsonAnswer("The updated showroom", changedShowroomSchema, "ETag") },
      },
    ),
    async (c) => {
      const [caller, { id }, query, change] = [
        claimedCaller(c),
        c.req.valid("param"),
        c.req.valid("query"),
        c.req.valid("json"),
      ];
      const deps = depsOf(c);
      const showroom = withTag(c, await changeShowroom(deps, caller, id, change, expectedVersions(c)));
      const outcome =
        query.cancel_outside || concernsHours(change)
          ? outcomeBody(unwrap(await settleBookings(deps, caller, id, query)))
          : {};
      return c.json({ ...showroom, ...outcome }, 200);
    },
  )
  .openapi(
    operation("listSpecialHours", ["not_found"], {
      method: "get",
      path: "/{id}/special-hours",
      tags,
      summary: "List the special hours of a showroom",
      description: "Those that end today or later, in the order of their days.",
      request: { params: idParam, query: specialHoursQuery },
      responses: {
        200: jsonAnswer("One page of special hours", pageOf(specialHoursSchema), "ETag"),
        304: notModifiedAnswer,
      },
    }),
    async (c) => {
      const query = c.req.valid("query");
      return answerRead(c, async () => {
        const { id } = c.req.valid("param");
        const past = query.past ?? false;
        const found = await listSpecialHours(depsOf(c), claimedStaff(c), id, past, window(query));
        return { body: framePage(c, query, unwrap(found), (hours) => hours) };
      });
    },
  )
  .openapi(
    operation(
      "createSpecialHours",
      ["not_found", "too_many_special_hours", "duplicate_request", "idempotency_key_reused", "busy"],
      {
        method: "post",
        path: "/{id}/special-hours",
        tags,
        summary: "Add special hours to a showroom",
        description: `From the first to the last day, local days have these windows instead of the usual ones; where special hours overlap, the later added ones count. ${SETTLES}`,
        request: { params: idParam, query: cancellationQuery, body: jsonBody(specialHours) },
        responses: { 201: jsonAnswer("The new special hours", madeSpecialHoursSchema, "Location") },
      },
    ),
    async (c) => {
      const [caller, { id }, query, input] = [
        claimedCaller(c),
        c.req.valid("param"),
        c.req.valid("query"),
        c.req.valid("json"),
      ];
      const deps = depsOf(c);
      let key: IdempotencyKey | undefined;
      const answered = await once(c, caller.id, { input, query }, async (given) => {
        key = given;
        return c.json(unwrap(await createSpecialHours(deps, caller, id, input, key)), 201);
      });
      const stored: unknown = await answered.json();
      const isReplayed = answered.headers.has("Idempotency-Replayed");
      const complete = madeSpecialHoursSchema.safeParse(stored);
      const made = complete.success
        ? complete.data
        : unwrap(await settleSpecialHours(deps, caller, id, specialHoursSchema.parse(stored), query, key));
      return c.json(made, 201, {
        Location: specialHoursPath(id, made.id),
        ...(isReplayed ? { "Idempotency-Replayed": "true" } : {}),
      });
    },
  )
  .openapi(
    operation("removeSpecialHours", ["not_found", "busy"], {
      method: "delete",
      path: "/{id}/special-hours/{special_id}",
      tags,
      summary: "Remove special hours from a showroom",
      description: SETTLES,
      request: { params: specialHoursParams, query: cancellationQuery },
      responses: { 200: jsonAnswer("What is outside the opening hours now", outcomeSchema) },
    }),
    async (c) => {
      const [caller, { id, special_id }] = [claimedCaller(c), c.req.valid("param")];
      const deps = depsOf(c);
      unwrap(await removeSpecialHours(deps, caller, id, special_id));
      const outcome = await settleBookings(deps, caller, id, c.req.valid("query"));
      return c.json(outcomeBody(unwrap(outcome)), 200);
    },
  );

/** Answers with the written showroom; its version becomes the entity tag. */
function withTag(c: Context<AppEnv>, result: Result<VersionedShowroom>) {
  const { body, version } = unwrap(result);
  c.header("ETag", versionTag(version));
  return body;
}
