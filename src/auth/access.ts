/**
 * Who may do what: one table, read by the middleware, the OpenAPI document and the tests. A route is made with
 * `operation()`, which takes its name from the table; so there is no route without a rule.
 */
import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { type Query, query, type RowsOf } from "../db/query.ts";
import type { Statement } from "../db/statement.ts";
import type { AppEnv, Caller } from "../http/context.ts";
import { databaseOf } from "../http/database.ts";
import { sharedHeaders, sharedParameters } from "../http/openapi.ts";
import { Problem, type ProblemCode, problemResponses } from "../http/problems.ts";
import { closed } from "../http/validation.ts";
import { ROLES, type Role, STAFF_ROLES } from "../shared/enums.ts";
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

/**
 * Operations that find out who is asking in the round trip of their own work, by `askAs`, or in their commit, by
 * `signedIn`. The others ask before they begin.
 */
const ASK_WITH_THE_WORK: ReadonlySet<OperationId> = new Set([
  "createBooking",
  "listBookings",
  "listMyBookings",
  "getBooking",
  "approveBooking",
  "declineBooking",
  "completeBooking",
  "markBookingNoShow",
  "cancelBooking",
  "rescheduleBooking",
  "createSale",
]);

/** The name of an operation. */
export type OperationId = keyof typeof ACCESS;

const rules: Record<OperationId, Rule> = ACCESS;

const NO_QUERY = closed({});

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
    // Without a query of its own an operation knows no parameter, and says so.
    request: { query: NO_QUERY, ...route.request },
    operationId,
    middleware: rule === "public" ? [] : guard(operationId, rule),
    security: rule === "public" ? [] : rule === "optional" ? [{}, { bearer: [] }] : [{ bearer: [] }],
    "x-roles": guarded ? rule : undefined,
    parameters: sharedParameters("X-D1-Bookmark", ...(isKeyed ? (["Idempotency-Key"] as const) : [])),
    responses: { ...Object.fromEntries(successes), ...problemResponses(codes) },
  };
  return createRoute<P, R>(whole as unknown as R);
}

function guard(operationId: OperationId, rule: Exclude<Rule, "public">): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const claimed = await readToken(c);
    if (!claimed && rule !== "optional") throw new Problem("not_authenticated");
    if (!claimed) return next();
    const roles = rule === "optional" ? ROLES : rule;
    c.set("asking", { claimed, roles });
    if (!roles.includes(claimed.role) || !ASK_WITH_THE_WORK.has(operationId)) await askAs(c);
    await next();
    // A refusal that came before anybody knew who asks. If nobody may ask, that is the answer instead.
    if (!c.get("caller")) await askAs(c);
  };
}

/**
 * What the request's token says, if it has one. Whether that is still so, only the database knows.
 * @throws `invalid_token` when credentials were sent that are not good
 */
async function readToken(c: Context<AppEnv>): Promise<Caller | undefined> {
  const header = c.req.header("Authorization");
  if (header === undefined) return undefined;
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
  const claims = token ? await verifyAccessToken(token, c.get("config").jwtSecrets) : undefined;
  if (!claims) throw new Problem("invalid_token");
  return { id: claims.userId, role: claims.role, sessionId: claims.sessionId };
}

/**
 * Asks queries in the same round trip as who is asking. The user is read from the database each time, so that
 * deactivation, demotion, a logout or a password change bites on the next request.
 * @throws `invalid_token` or `forbidden` when the caller may not ask; what was read is then dropped
 */
export async function askAs<const Queries extends readonly Query[]>(
  c: Context<AppEnv>,
  ...queries: Queries
): Promise<RowsOf<Queries>> {
  const { claimed, roles } = askingOf(c);
  const [[user], ...answers] = await databaseOf(c).ask(
    query<{
      role: Role;
    }>`SELECT role FROM signed_in WHERE user_id = ${claimed.id} AND session_id = ${claimed.sessionId}`,
    ...queries,
  );
  if (!user) throw new Problem("invalid_token");
  if (!roles.includes(user.role)) throw new Problem("forbidden");
  c.set("caller", { ...claimed, role: user.role });
  return answers as RowsOf<Queries>;
}

/** Who the token says is asking, before the database has said whether they may. */
export const claimedBy = (c: Context<AppEnv>): Caller => askingOf(c).claimed;

function askingOf(c: Context<AppEnv>) {
  const asking = c.get("asking");
  if (!asking) throw new Problem("not_authenticated");
  return asking;
}

/**
 * The statement that makes a batch fail, with `not_signed_in`, unless the caller is who the token says. A write that
 * holds it need not ask beforehand; `foundGood` then says that it was carried out.
 */
export function signedIn({ id, sessionId, role }: Caller): Statement {
  return {
    sql: "INSERT INTO signed_in (user_id, session_id, role) VALUES (?, ?, ?)",
    params: [id, sessionId, role],
  };
}

/** Notes that the caller is who the token says: a batch with their `signedIn` was committed, or a calendar asked. */
export const foundGood = (c: Context<AppEnv>, caller: Caller): void => c.set("caller", caller);

/** The caller of an operation that only signed-in callers reach. */
export function callerOf(c: Context<AppEnv>): Caller {
  const caller = c.get("caller");
  if (!caller) throw new Problem("not_authenticated");
  return caller;
}

/** Whether the caller works for the dealership. */
export const isStaff = (caller: Caller | undefined): boolean =>
  caller !== undefined && (STAFF as readonly Role[]).includes(caller.role);
