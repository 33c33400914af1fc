/**
 * The table of problems: the status and title of each refusal, also for the OpenAPI document. Bodies are RFC 9457
 * problem details.
 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { FieldFault, Refusal, RefusalCode, Result } from "../shared/refusals.ts";
import { formatInstant, formatSpan } from "../shared/showroom-time.ts";
import type { AppEnv } from "./context.ts";
import { type SharedHeader, sharedHeaders } from "./shared-headers.ts";

type Entry = { status: ContentfulStatusCode; title: string };

/** Every `code` that a client can get: the refusals of use cases, and those that HTTP adds. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: "The request is not valid" },
  invalid_image: { status: 400, title: "The file is not a complete still image" },
  malformed_json: { status: 400, title: "The body is not valid JSON" },
  not_authenticated: { status: 401, title: "Authentication is required" },
  invalid_token: { status: 401, title: "The access token is not valid" },
  invalid_credentials: { status: 401, title: "The username or the password is wrong" },
  invalid_refresh_token: { status: 401, title: "The refresh token is not valid" },
  forbidden: { status: 403, title: "This caller may not do this" },
  email_not_verified: { status: 403, title: "The e-mail address must be verified first" },
  not_found: { status: 404, title: "Not found" },
  car_not_found: { status: 404, title: "There is no such car" },
  photo_not_found: { status: 404, title: "There is no such photo" },
  method_not_allowed: { status: 405, title: "This path does not support this method" },
  upload_timeout: { status: 408, title: "The upload took too long" },
  slot_taken: { status: 409, title: "This slot is taken" },
  customer_busy: { status: 409, title: "The customer has another test drive at this time" },
  salesperson_busy: { status: 409, title: "The salesperson has another test drive at this time" },
  salesperson_absent: { status: 409, title: "The salesperson is absent at this time" },
  no_salesperson_free: { status: 409, title: "No salesperson is free at this time" },
  hold_expired: { status: 409, title: "The slot was not confirmed in time" },
  too_many_holds: { status: 409, title: "The customer has two slots to confirm already" },
  last_showroom: { status: 409, title: "The last active showroom must stay open" },
  has_bookings: { status: 409, title: "Coming test drives do not allow this" },
  too_many_special_hours: { status: 409, title: "The showroom has the maximum number of special hours" },
  car_not_bookable: { status: 409, title: "This car can no longer be booked" },
  too_many_bookings: { status: 409, title: "The customer has the maximum number of active bookings" },
  already_sent: { status: 409, title: "This notification has been sent" },
  recipient_deleted: { status: 409, title: "The address of this notification was deleted" },
  illegal_transition: { status: 409, title: "The status of the booking does not allow this" },
  too_early: { status: 409, title: "The test drive has not begun yet" },
  too_late: { status: 409, title: "The test drive is over" },
  car_not_sellable: { status: 409, title: "This car is not for sale" },
  already_void: { status: 409, title: "This sale is void already" },
  last_admin: { status: 409, title: "The last active administrator must stay" },
  car_sold: { status: 409, title: "The car is sold until its sale is voided" },
  primary_photo_needed: { status: 409, title: "A car with photos needs a primary photo" },
  too_many_photos: { status: 409, title: "The car has the maximum number of photos" },
  duplicate_request: { status: 409, title: "The same request is being processed" },
  precondition_failed: { status: 412, title: "The resource has changed since it was read" },
  too_large: { status: 413, title: "The request is too large" },
  unsupported_media_type: { status: 415, title: "This media type is not supported" },
  range_not_satisfiable: { status: 416, title: "The file does not have this range" },
  idempotency_key_reused: { status: 422, title: "This Idempotency-Key was used for another request" },
  too_many_requests: { status: 429, title: "Too many requests" },
  too_many_changes: { status: 429, title: "The customer has changed too many bookings in this hour" },
  internal_error: { status: 500, title: "Internal error" },
  misconfigured: { status: 503, title: "The service is not configured" },
  unavailable: { status: 503, title: "The service is temporarily unavailable" },
  too_many_uploads: { status: 503, title: "Too many photos are being uploaded at once" },
  busy: { status: 503, title: "Too many requests of this kind are waiting" },
} as const satisfies Record<RefusalCode, Entry> & Record<string, Entry>;

/** The stable code of a problem. */
export type ProblemCode = keyof typeof PROBLEMS;

/** Seconds after which a client may retry when a dependency was down. */
const RETRY_AFTER_SECONDS = 2;

/** A problem to be sent to the client. Only adapters throw it; use cases return refusals. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  /** More members of the body, such as `errors` or `alternatives`. */
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;
  /** The limit that was reached, for the log. */
  readonly policy: string | undefined;

  constructor(
    code: ProblemCode,
    detail: string = PROBLEMS[code].title,
    more: {
      members?: Record<string, unknown>;
      headers?: Record<string, string>;
      policy?: string | undefined;
    } = {},
  ) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.members = more.members ?? {};
    this.policy = more.policy;
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
export function invalid(
  errors: readonly FieldFault[],
  code: "invalid_request" | "invalid_image" = "invalid_request",
) {
  const fields = [...new Set(errors.map((error) => error.field))].join(", ");
  return new Problem(code, `Please correct: ${fields}`, { members: { errors } });
}

/**
 * Converts a refusal to a problem. An unknown code, from a coordinator of a newer or older version, becomes
 * `unavailable`.
 */
function toProblem({ code, detail, faults, alternatives, drives, retryAfter, policy }: Refusal): Problem {
  if (!Object.hasOwn(PROBLEMS, code)) return new Problem("unavailable");
  if (code === "invalid_request" && faults) return invalid(faults);
  return new Problem(code, detail, {
    policy,
    headers: retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) },
    members: {
      ...(faults ? { errors: faults } : {}),
      ...(alternatives
        ? { alternatives: alternatives.slots.map((slot) => formatSpan(slot, alternatives.timeZone)) }
        : {}),
      ...(drives ? { bookings: drives.map(driveBody) } : {}),
    },
  });
}

const driveBody = ({ id, carId, startAt, endAt }: NonNullable<Refusal["drives"]>[number]) => ({
  id,
  car: carId,
  start_at: formatInstant(startAt),
  end_at: formatInstant(endAt),
});

/** Returns the value of a result. @throws its refusal as a problem */
export function unwrap<Value>(result: Result<Value>): Value {
  if (result.ok) return result.value;
  throw toProblem(result.refusal);
}

/** Writes a problem as the response of `c`. */
export function answerProblem(c: Context<AppEnv>, problem: Problem): Response {
  const { status, title } = PROBLEMS[problem.code];
  c.set("problem", problem);
  // A Worker that is not configured does not know its own address. A relative reference is valid too.
  const config: AppEnv["Variables"]["config"] | undefined = c.get("config");
  const body = {
    type: `${config?.publicUrl ?? ""}/docs/errors#${problem.code}`,
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
    type: z.string().openapi({ format: "uri", description: "A page that explains the code" }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().openapi({ description: "A stable code for programs" }),
    request_id: z.string(),
    errors: z
      .array(z.object({ field: z.string(), code: z.string(), message: z.string() }))
      .optional()
      .openapi({ description: "With `invalid_request`: every fault" }),
    alternatives: z
      .array(z.object({ start_at: z.string(), end_at: z.string() }))
      .optional()
      .openapi({
        description:
          "With `slot_taken`, `customer_busy` and the refusals about salespeople: the nearest slots that are free",
      }),
    bookings: z
      .array(z.object({ id: z.string(), car: z.string(), start_at: z.string(), end_at: z.string() }))
      .optional()
      .openapi({ description: "With `has_bookings` of a salesperson: their drives, earliest first" }),
  })
  .openapi("Problem");

const HEADERS_OF_STATUS: Partial<Record<number, SharedHeader[]>> = {
  401: ["WWW-Authenticate"],
  429: ["Retry-After"],
  503: ["Retry-After"],
};

/** The OpenAPI responses of an operation with these problems. */
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
