/** Converts zod's issues to faults for the client, and defines the building blocks of wire schemas. */
import { z } from "@hono/zod-openapi";
import type { FieldFault } from "../shared/refusals.ts";
import { isDate } from "../shared/showroom-time.ts";
import { isPlainLine, isPlainProse } from "../shared/text.ts";
import { invalid, Problem } from "./problems.ts";

type Issue = z.core.$ZodIssue;

const REQUIRED = "Required";

/** The maximum number of faults in a response, and length of a field's name: they limit the size of a response. */
const MAX_FAULTS = 20;
const MAX_FIELD = 100;

z.config({
  customError: ({ code, input }) =>
    (code === "invalid_type" || code === "invalid_union") && input === undefined ? REQUIRED : undefined,
});

function faultsOf(issue: Issue): FieldFault[] {
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys")
    return unknownMembers(
      issue.keys.map((key) => (path ? `${path}.${key}` : key)),
      issue.message,
    );
  return [{ field: path || "(body)", code: codeOf(issue), message: issue.message }];
}

/** The faults of unknown members. Only the first one says which members are known. */
export const unknownMembers = (names: string[], message = "Unknown; allowed are none"): FieldFault[] =>
  names.slice(0, MAX_FAULTS).map((name, index) => ({
    field: name.slice(0, MAX_FIELD),
    code: "unknown_field",
    message: index === 0 ? message : "Unknown",
  }));

function codeOf(issue: Issue): string {
  if (issue.code === "custom") return issue.params?.["code"] ?? "invalid_value";
  if (issue.message === REQUIRED) return "required";
  return issue.code === "invalid_union" ? "invalid_value" : issue.code;
}

/** Refuses a request that does not match its schema. A path whose id is not a UUID is not found. */
export function refuseInvalid(result: { success: boolean; target?: string; error?: unknown }): void {
  if (result.success || !(result.error instanceof z.core.$ZodError)) return;
  if (result.target === "param") throw new Problem("not_found");
  throw invalid(result.error.issues.slice(0, MAX_FAULTS).flatMap(faultsOf).slice(0, MAX_FAULTS));
}

/** An object that refuses unknown members, and names the known ones. */
export function closed<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `Unknown; allowed are ${Object.keys(shape).join(", ") || "none"}`
        : undefined,
  });
}

/**
 * Accepts read-only members, which a client may send back with a changed resource, and drops them.
 * @param names the read-only members
 */
export const ignored = (...names: string[]) =>
  Object.fromEntries(
    names.map((name) => [
      name,
      z
        .unknown()
        .transform(() => undefined)
        .optional()
        .openapi({ readOnly: true }),
    ]),
  );

/** A rule whose failure has its own code; `at` names the faulty member. */
export function rule<T>(
  code: string,
  message: string,
  holds: (value: T) => boolean,
  ...at: string[]
): z.core.CheckFn<T> {
  return (context) => {
    if (!holds(context.value))
      // A copy, because zod lengthens the path of an issue in place.
      context.issues.push({ code: "custom", message, params: { code }, input: context.value, path: [...at] });
  };
}

const plain = (isPlain: (text: string) => boolean) =>
  rule<string>(
    "invalid_characters",
    "Control characters, invisible characters and broken Unicode are not allowed",
    isPlain,
  );

/** Text of one line, at most `max` characters, without surrounding white space. */
export const line = (max: number) => z.string().trim().max(max).check(plain(isPlainLine));

/** Text of any number of lines, at most `max` characters. */
export const prose = (max: number) => z.string().max(max).check(plain(isPlainProse));

/** The id of anything: a UUID. */
export const id = z.uuid().toLowerCase().openapi({ example: "01936f7e-8a3b-7c4d-9e5f-123456789abc" });

/** The `{id}` of a path. */
export const idParam = z.object({ id });

/** A whole number in a query string. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, "Must be a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max));

/** An instant on the wire: ISO 8601 in UTC, whole seconds. */
export const instant = z.string().openapi({ format: "date-time", example: "2026-12-01T14:00:00Z" });

/** A day on the wire. */
export const day = z
  .string()
  .refine(isDate, { error: "Must be an existing day, written YYYY-MM-DD", abort: true })
  .openapi({ format: "date", example: "2026-12-01" });

/** The rule that day `to` is not before day `from`. */
export const fromBeforeTo = rule<{ from?: string | undefined; to?: string | undefined }>(
  "before_from",
  "Must not be before from",
  ({ from, to }) => !from || !to || from <= to,
  "to",
);
