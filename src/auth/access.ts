/**
 * Who may do what: one table, read by the middleware, the OpenAPI document and the tests. A route is made with
 * `operation()`, which takes its name from the table; so there is no route without a rule.
 */
import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import { and, eq, isNull } from "drizzle-orm";
import type { Context, MiddlewareHandler } from "hono";
import { sessions, users } from "../db/schema.ts";
import type { AppEnv, Caller } from "../http/context.ts";
import { sharedHeaders, sharedParameters } from "../http/openapi.ts";
import { Problem, type ProblemCode, problemResponses } from "../http/problems.ts";
import { ROLES, type Role, STAFF_ROLES } from "../vocabulary.ts";
import { verifyAccessToken } from "./tokens.ts";

/** `public`: the caller is never looked at. `optional`: a caller who signed in may see more. Else: these roles. */
type Rule = "public" | "optional" | readonly Role[];

const ADMIN = ["ADMIN"] as const;
const STAFF = STAFF_ROLES;
const CUSTOMER = ["CUSTOMER"] as const;
const ANYBODY_SIGNED_IN = ROLES;

/** The rule of every operation, by its operationId. */
export const ACCESS = {
  register: "public",
  login: "public",
  refresh: "public",
  logout: "public",
  getMe: ANYBODY_SIGNED_IN,
  updateMe: ANYBODY_SIGNED_IN,
  changePassword: ANYBODY_SIGNED_IN,
  forgotPassword: "public",
  resetPassword: "public",

  listCars: "optional",
  countCarFacets: "optional",
  getCar: "optional",
  createCar: STAFF,
  replaceCar: STAFF,
  updateCar: STAFF,
  removeCar: STAFF,
  addPhoto: STAFF,
  orderPhotos: STAFF,
  updatePhoto: STAFF,
  removePhoto: STAFF,
  getPhotoFile: "public",
  listAvailableSlots: "optional",

  createBooking: CUSTOMER,
  listBookings: STAFF,
  listMyBookings: CUSTOMER,
  getBooking: ANYBODY_SIGNED_IN,
  approveBooking: STAFF,
  declineBooking: STAFF,
  completeBooking: STAFF,
  markBookingNoShow: STAFF,
  cancelBooking: ANYBODY_SIGNED_IN,
  rescheduleBooking: ANYBODY_SIGNED_IN,

  createSale: STAFF,
  listSales: STAFF,
  getSale: STAFF,
  voidSale: ADMIN,

  createStaff: ADMIN,
  listStaff: ADMIN,
  getStaff: STAFF,
  getStaffMetrics: STAFF,
  updateStaff: ADMIN,

  listNotifications: ADMIN,
  replayNotification: ADMIN,
} as const satisfies Record<string, Rule>;

/** The name of an operation. */
export type OperationId = keyof typeof ACCESS;

const rules: Record<OperationId, Rule> = ACCESS;

type Operation<P extends string> = Omit<RouteConfig, "operationId" | "security" | "middleware"> & { path: P };

/**
 * Describes one operation of the API: its route, guarded as the table says, and its place in the OpenAPI document.
 * Refusals are thrown as `Problem`s, so only the answers of success are part of the handler's type.
 * @param problems what the operation itself may answer with, besides what every operation of its kind may; one that
 * may answer `idempotency_key_reused` takes an Idempotency-Key
 */
export function operation<P extends string, R extends Operation<P>>(
  operationId: OperationId,
  problems: readonly ProblemCode[],
  route: R,
) {
  const rule = rules[operationId];
  const guarded = rule !== "public" && rule !== "optional";
  const codes: ProblemCode[] = [
    "invalid_request",
    ...(route.request?.body ? (["malformed_json", "too_large", "unsupported_media_type"] as const) : []),
    ...(rule === "public" ? [] : (["invalid_token"] as const)),
    ...(guarded ? (["not_authenticated", "forbidden"] as const) : []),
    ...problems,
    "too_many_requests",
    "unavailable",
  ];
  const isWrite = route.method !== "get";
  const isKeyed = problems.includes("idempotency_key_reused");
  const successes = Object.entries(route.responses).map(([status, response]) => [
    status,
    {
      ...response,
      headers: {
        ...sharedHeaders(
          "X-Request-Id",
          ...(isWrite ? (["X-D1-Bookmark"] as const) : []),
          ...(isKeyed ? (["Idempotency-Replayed"] as const) : []),
        ),
        ...("headers" in response ? response.headers : {}),
      },
    },
  ]);
  const whole = {
    ...route,
    operationId,
    middleware: guard(rule),
    security: rule === "public" ? [] : rule === "optional" ? [{}, { bearer: [] }] : [{ bearer: [] }],
    "x-roles": guarded ? rule : undefined,
    parameters: sharedParameters("X-D1-Bookmark", ...(isKeyed ? (["Idempotency-Key"] as const) : [])),
    responses: { ...Object.fromEntries(successes), ...problemResponses(codes) },
  };
  return createRoute<P, R>(whole as unknown as R);
}

function guard(rule: Rule): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (rule !== "public") {
      const caller = await identify(c);
      if (rule !== "optional") {
        if (!caller) throw new Problem("not_authenticated");
        if (!rule.includes(caller.role)) throw new Problem("forbidden");
      }
      c.set("caller", caller);
    }
    await next();
  };
}

/**
 * Who sent this request. The user is read from the database each time, so that deactivation, demotion, a logout or
 * a password change bites on the next request.
 * @throws `invalid_token` when credentials were sent that are not good
 */
async function identify(c: Context<AppEnv>): Promise<Caller | undefined> {
  const header = c.req.header("Authorization");
  if (header === undefined) return undefined;
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
  const claims = token ? await verifyAccessToken(token, c.var.config.jwtSecrets) : undefined;
  if (!claims) throw new Problem("invalid_token");
  const user = await c.var.db
    .select({ role: users.role })
    .from(users)
    .innerJoin(sessions, eq(sessions.userId, users.id))
    .where(
      and(
        eq(users.id, claims.userId),
        eq(users.isActive, true),
        eq(sessions.id, claims.sessionId),
        isNull(sessions.endedAt),
      ),
    )
    .get();
  if (!user) throw new Problem("invalid_token");
  return { id: claims.userId, role: user.role, sessionId: claims.sessionId };
}

/** The caller of an operation that only signed-in callers reach. */
export function callerOf(c: Context<AppEnv>): Caller {
  const { caller } = c.var;
  if (!caller) throw new Problem("not_authenticated");
  return caller;
}

/** Whether the caller works for the dealership. */
export const isStaff = (caller: Caller | undefined): boolean =>
  caller !== undefined && (STAFF as readonly Role[]).includes(caller.role);
