/**
 * The one table of errors. It gives each answer its status and title, and the OpenAPI document its responses.
 * Bodies are RFC 9457 problem details.
 */

import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type SharedHeader, sharedHeaders } from "./openapi.ts";

type Entry = { status: ContentfulStatusCode; title: string };

/** Every `code` a client can meet, with what it means. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: "The request is not valid" },
  invalid_image: { status: 400, title: "The file is not a whole and plain image" },
  malformed_json: { status: 400, title: "The body is not valid JSON" },
  not_authenticated: { status: 401, title: "Sign in first" },
  invalid_token: { status: 401, title: "The access token is not valid" },
  invalid_credentials: { status: 401, title: "Username or password is wrong" },
  invalid_refresh_token: { status: 401, title: "The refresh token is not valid" },
  forbidden: { status: 403, title: "You may not do this" },
  not_found: { status: 404, title: "There is nothing here" },
  car_not_found: { status: 404, title: "There is no such car" },
  photo_not_found: { status: 404, title: "There is no such photo" },
  method_not_allowed: { status: 405, title: "This method is not allowed here" },
  slot_taken: { status: 409, title: "This time is already taken" },
  car_not_bookable: { status: 409, title: "This car can no longer be booked" },
  already_sent: { status: 409, title: "This notification was delivered" },
  illegal_transition: { status: 409, title: "The booking's state does not allow this" },
  car_not_sellable: { status: 409, title: "This car is not for sale" },
  already_void: { status: 409, title: "This sale is void already" },
  last_admin: { status: 409, title: "The last active administrator must stay" },
  car_sold: { status: 409, title: "The car is sold, and stays so until the sale is made void" },
  primary_photo_needed: { status: 409, title: "A car with photos has a primary one" },
  too_many_photos: { status: 409, title: "The car has as many photos as it may have" },
  duplicate_request: { status: 409, title: "The same request is being carried out" },
  precondition_failed: { status: 412, title: "It has changed since you looked" },
  too_large: { status: 413, title: "The request is too large" },
  unsupported_media_type: { status: 415, title: "The body is of a type not understood here" },
  range_not_satisfiable: { status: 416, title: "The file has no such part" },
  idempotency_key_reused: { status: 422, title: "This Idempotency-Key came with another request before" },
  too_many_requests: { status: 429, title: "Too many requests" },
  internal_error: { status: 500, title: "Something went wrong on our side" },
  misconfigured: { status: 503, title: "The service is not configured" },
  unavailable: { status: 503, title: "The service is not available right now" },
  busy: { status: 503, title: "Too many people want this car at once" },
} as const satisfies Record<string, Entry>;

/** A stable word that names an error. */
export type ProblemCode = keyof typeof PROBLEMS;

/** One fault of an invalid request. `field` is a path like `start_at`, or the name of a parameter or header. */
export type FieldFault = { field: string; code: string; message: string };

/** Seconds after which a caller may try again when a dependency was down. */
const RETRY_AFTER_SECONDS = 2;

/** An expected refusal on its way to the client. Thrown by the shells of the routes, answered in one place. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  /** More members of the body, such as `errors` or `alternatives`. */
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    code: ProblemCode,
    detail: string = PROBLEMS[code].title,
    more: { members?: Record<string, unknown>; headers?: Record<string, string> } = {},
  ) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.members = more.members ?? {};
    this.headers = { ...defaultHeaders(code), ...more.headers };
  }
}

function defaultHeaders(code: ProblemCode): Record<string, string> {
  switch (PROBLEMS[code].status) {
    case 401:
      return {
        "WWW-Authenticate":
          code === "invalid_token" ? 'Bearer realm="api", error="invalid_token"' : 'Bearer realm="api"',
      };
    case 429:
    case 503:
      return { "Retry-After": String(RETRY_AFTER_SECONDS) };
    default:
      return {};
  }
}

/** An `invalid_request` problem that names each faulty field. */
export function invalid(errors: readonly FieldFault[]): Problem {
  const fields = [...new Set(errors.map((error) => error.field))].join(", ");
  return new Problem("invalid_request", `Please correct: ${fields}`, { members: { errors } });
}

/** Writes a problem as the answer of the request in `c`. */
export function answerProblem(c: Context, problem: Problem): Response {
  const { status, title } = PROBLEMS[problem.code];
  const body = {
    type: `urn:problem:${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance: c.req.path,
    code: problem.code,
    request_id: c.get("requestId"),
    ...problem.members,
  };
  return c.body(JSON.stringify(body), status, {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    ...problem.headers,
  });
}

/** The wire form of a problem. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().openapi({ description: "A stable word to program against" }),
    request_id: z.string(),
    errors: z
      .array(z.object({ field: z.string(), code: z.string(), message: z.string() }))
      .optional()
      .openapi({ description: "With `invalid_request`: each fault" }),
    alternatives: z
      .array(z.object({ start_at: z.string(), end_at: z.string() }))
      .optional()
      .openapi({ description: "With `slot_taken`: the nearest free slots" }),
  })
  .openapi("Problem");

const HEADERS_OF_STATUS: Partial<Record<number, SharedHeader[]>> = {
  401: ["WWW-Authenticate"],
  429: ["Retry-After"],
  503: ["Retry-After"],
};

/** The OpenAPI responses of an operation that may answer with these problems. */
export function problemResponses(codes: readonly ProblemCode[]) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, members]) => [
      status,
      {
        description: members.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join(" · "),
        headers: sharedHeaders("X-Request-Id", ...(HEADERS_OF_STATUS[status] ?? [])),
        content: { "application/problem+json": { schema: problemSchema } },
      },
    ]),
  );
}
