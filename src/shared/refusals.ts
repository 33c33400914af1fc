/** Expected refusals as plain values: a use case returns one when it does not do what the caller requested. */
import type { TimeSpan } from "./showroom-time.ts";

/** The code of every refusal. `http/problems.ts` gives each its form on the wire. */
export type RefusalCode =
  | "invalid_request"
  | "invalid_image"
  | "invalid_token"
  | "invalid_credentials"
  | "invalid_refresh_token"
  | "forbidden"
  | "email_not_verified"
  | "not_found"
  | "car_not_found"
  | "photo_not_found"
  | "slot_taken"
  | "customer_busy"
  | "salesperson_busy"
  | "salesperson_absent"
  | "no_salesperson_free"
  | "hold_expired"
  | "too_many_holds"
  | "last_showroom"
  | "has_bookings"
  | "too_many_special_hours"
  | "car_not_bookable"
  | "too_many_bookings"
  | "already_sent"
  | "recipient_deleted"
  | "illegal_transition"
  | "too_early"
  | "too_late"
  | "car_not_sellable"
  | "already_void"
  | "last_admin"
  | "car_sold"
  | "primary_photo_needed"
  | "too_many_photos"
  | "too_many_uploads"
  | "duplicate_request"
  | "precondition_failed"
  | "too_large"
  | "too_many_requests"
  | "too_many_changes"
  | "unsupported_media_type"
  | "busy"
  | "unavailable";

/** One fault of an input. `field` is a path such as `start_at`, or the name of a parameter or header. */
export type FieldFault = { field: string; code: string; message: string };

/** A refusal. Plain data, because it crosses RPC. */
export type Refusal = {
  code: RefusalCode;
  /** A sentence for people, when the title of the code is not precise enough. */
  detail?: string | undefined;
  /** With `invalid_request`: each fault. */
  faults?: readonly FieldFault[] | undefined;
  /** With `slot_taken`, `customer_busy` and those about salespeople: the nearest slots that are free, and the showroom's time zone. */
  alternatives?: { slots: readonly TimeSpan[]; timeZone: string } | undefined;
  /** With `has_bookings` of a salesperson: their drives, earliest first. */
  drives?: readonly (TimeSpan & { id: string; carId: string })[] | undefined;
  /** With `too_many_requests`: the name of the limit, for the log. */
  policy?: string | undefined;
  /** Seconds after which the same request may succeed. */
  retryAfter?: number | undefined;
};

/** The result of a use case: a value or a refusal. */
export type Result<Value> = { ok: true; value: Value } | { ok: false; refusal: Refusal };

/** A result that holds a value. */
export const ok = <Value>(value: Value): { ok: true; value: Value } => ({ ok: true, value });

/** A result that refuses. */
export const refuse = (
  code: RefusalCode,
  more: Omit<Refusal, "code"> = {},
): { ok: false; refusal: Refusal } => ({
  ok: false,
  refusal: { code, ...more },
});

/** A result that refuses an input because of one field. */
export const refuseField = (field: string, code: string, message: string) =>
  refuse("invalid_request", { faults: [{ field, code, message }] });
