/** Describes the operations of the API, and guards each one by its rule in the access table. */
import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "../http/context.ts";
import { Problem, type ProblemCode, problemResponses, unwrap } from "../http/problems.ts";
import { allowNoBody, refuseBody } from "../http/request-body.ts";
import { depsOf } from "../http/request-deps.ts";
import { sharedHeaders, sharedParameters } from "../http/shared-headers.ts";
import { closed } from "../http/validation.ts";
import { type Caller, type ClaimedCaller, isStaff, type VerifiedCaller } from "../shared/callers.ts";
import { ROLES } from "../shared/enums.ts";
import { type OperationId, type Rule, ruleOf } from "./access.ts";
import { verifyAccessToken } from "./tokens.ts";
import { readAs } from "./verification.ts";

const NO_QUERY = closed({});

type Operation<P extends string> = Omit<RouteConfig, "operationId" | "security" | "middleware"> & { path: P };

/**
 * Describes one operation: its guarded route, and its place in the OpenAPI document. Problems are thrown, so the
 * handler's type has only the successful responses.
 * @param problems the problems of this operation, besides those that every operation of its kind has; one with
 * `idempotency_key_reused` accepts an Idempotency-Key
 */
export function operation<P extends string, R extends Operation<P>>(
  operationId: OperationId,
  problems: readonly ProblemCode[],
  route: R,
) {
  const rule = ruleOf(operationId);
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
    // An operation without a query schema accepts no parameter.
    request: { query: NO_QUERY, ...route.request },
    operationId,
    middleware: [...(rule === "public" ? [] : [guard(rule)]), ...bodyRule(route)],
    security: rule === "public" ? [] : rule === "optional" ? [{}, { bearer: [] }] : [{ bearer: [] }],
    "x-roles": guarded ? rule : undefined,
    parameters: sharedParameters("X-D1-Bookmark", ...(isKeyed ? (["Idempotency-Key"] as const) : [])),
    responses: { ...Object.fromEntries(successes), ...problemResponses(codes) },
  };
  // The additions are for the document and the router. The handler's types are those of the original route.
  return createRoute<P, R>(whole as unknown as R);
}

/** What a body of an operation that does not need one may be. */
const bodyRule = ({
  method,
  request,
}: Pick<RouteConfig, "method" | "request">): MiddlewareHandler<AppEnv>[] =>
  method === "get" || request?.body?.required ? [] : request?.body ? [allowNoBody] : [refuseBody];

/**
 * Reads the token, and ensures that no caller is answered before verification. A handler verifies the caller first
 * (`verifiedCaller`), or passes the claimed caller (`claimedCaller`) to a use case that verifies as part of its work: a
 * read in the same round trip, a write in its transaction.
 */
function guard(rule: Exclude<Rule, "public">): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const caller = await readToken(c);
    if (!caller && rule !== "optional") throw new Problem("not_authenticated");
    // A customer sees the same as anybody, so the database need not confirm who they are.
    if (!caller || (rule === "optional" && !isStaff(caller))) return next();
    const allowedRoles = rule === "optional" ? ROLES : rule;
    c.set("claimed", { ...caller, allowedRoles });
    // The role may have changed since the token was issued.
    if (!allowedRoles.includes(caller.role)) await verifiedCaller(c);
    await next();
    // If the handler ended before the caller was verified, 401 and 403 take precedence over its response.
    try {
      await verifiedCaller(c);
    } catch (error) {
      // The answer that is replaced leaves its headers behind, and these speak of what the caller may not see.
      for (const name of ["Location", "ETag", "Idempotency-Replayed"]) c.res.headers.delete(name);
      throw error;
    }
  };
}

/**
 * Reads the claimed caller from the request's token, if it has one.
 * @throws `invalid_token` when it has invalid credentials
 */
async function readToken(c: Context<AppEnv>): Promise<Caller | undefined> {
  const header = c.req.header("Authorization");
  if (header === undefined) return undefined;
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
  const claims = token ? await verifyAccessToken(token, c.get("config").jwtSecrets) : undefined;
  if (!claims) throw new Problem("invalid_token");
  return { id: claims.userId, role: claims.role, sessionId: claims.sessionId };
}

/** Returns the claimed caller, for a use case that verifies as part of its work. */
export function claimedCaller(c: Context<AppEnv>): ClaimedCaller {
  const claimed = c.get("claimed");
  if (!claimed) throw new Problem("not_authenticated");
  return claimed;
}

/**
 * Returns the claimed caller of an operation that customers and staff call in different ways. From then on the caller must
 * have a role of the claimed kind: somebody who has become staff does not act as a customer by an old token, nor the other
 * way round.
 */
export function claimedOfItsKind(c: Context<AppEnv>): ClaimedCaller {
  const claimed = claimedCaller(c);
  const allowedRoles = claimed.allowedRoles.filter((role) => isStaff({ role }) === isStaff(claimed));
  const narrowed = { ...claimed, allowedRoles };
  c.set("claimed", narrowed);
  return narrowed;
}

/** Returns the verified caller. Verifies once per request. @throws `invalid_token` or `forbidden` */
export async function verifiedCaller(c: Context<AppEnv>): Promise<VerifiedCaller> {
  const deps = depsOf(c);
  return deps.found.caller ?? unwrap(await readAs(deps, claimedCaller(c))).caller;
}

/** Returns the staff member, as claimed, who calls an operation that anybody may call; undefined for anybody else. */
export const claimedStaff = (c: Context<AppEnv>): ClaimedCaller | undefined => c.get("claimed");
