/** /api/users, for administrators, and /api/auth/me as far as it is about all data of a user. */
import { limitHashing } from "../auth/login-throttling.ts";
import { claimedCaller, operation } from "../auth/operation.ts";
import { unwrap } from "../http/problems.ts";
import { depsOf } from "../http/request-deps.ts";
import { createRouter, jsonAnswer, jsonBody } from "../http/router.ts";
import { idParam } from "../http/validation.ts";
import { erasure, exportQuery, exportSchema, managedUserSchema, userChange } from "./schemas.ts";
import { managedUserBody } from "./store.ts";
import { changeUser, eraseOwnData, exportOwnData, getUser } from "./use-cases.ts";

/** The routes under /api/users. */
export const userRoutes = createRouter()
  .openapi(
    operation("getUser", ["not_found"], {
      method: "get",
      path: "/{id}",
      tags: ["Users"],
      summary: "Get a user",
      request: { params: idParam },
      responses: { 200: jsonAnswer("The user", managedUserSchema) },
    }),
    async (c) => {
      const user = unwrap(await getUser(depsOf(c), claimedCaller(c), c.req.valid("param").id));
      return c.json(managedUserBody(user), 200);
    },
  )
  .openapi(
    operation("updateUser", ["not_found", "last_admin"], {
      method: "patch",
      path: "/{id}",
      tags: ["Users"],
      summary: "Deactivate or reactivate a user",
      description:
        "A deactivation ends all sessions of the user, and cancels their coming test drives without a mail to them. The sales team gets one mail about it. A reactivation does not bring the test drives back.",
      request: { params: idParam, body: jsonBody(userChange) },
      responses: { 200: jsonAnswer("The user as they are now", managedUserSchema) },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      const { is_active } = c.req.valid("json");
      const user = unwrap(await changeUser(depsOf(c), caller, c.req.valid("param").id, is_active));
      return c.json(managedUserBody(user), 200);
    },
  );

/** The routes under /api/auth. */
export const ownDataRoutes = createRouter()
  .openapi(
    operation("exportMe", [], {
      method: "get",
      path: "/me/export",
      tags: ["Auth"],
      summary: "Export all data about the current user",
      description: "Each list has at most 500 rows, newest first; `next` leads to further ones.",
      request: { query: exportQuery },
      responses: { 200: jsonAnswer("All data about the user", exportSchema) },
    }),
    async (c) => {
      const { page } = c.req.valid("query");
      const urlOf = (to: number) => `${c.get("config").publicUrl}/api/auth/me/export/?page=${to}`;
      const body = unwrap(await exportOwnData(depsOf(c), claimedCaller(c), page, urlOf));
      return c.json(body, 200, {
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="personal-data.json"',
      });
    },
  )
  .openapi(
    operation("eraseMe", [], {
      method: "delete",
      path: "/me",
      tags: ["Auth"],
      summary: "Erase the personal data of the current user",
      description:
        "For customers; it cannot be undone. Names, addresses and free texts are erased, coming test drives cancelled, and all sessions end. Bookings and sales stay on record without them, as the law demands. An administrator must end the employment of a staff member first.",
      request: { body: jsonBody(erasure) },
      responses: { 204: { description: "Done" } },
    }),
    async (c) => {
      const caller = claimedCaller(c);
      await limitHashing(c);
      unwrap(await eraseOwnData(depsOf(c), caller, c.req.valid("json").password));
      return c.body(null, 204);
    },
  );
