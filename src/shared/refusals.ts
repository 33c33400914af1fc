/** Expected refusals, as plain values: what a use case answers when it does not do what was asked. */
import type { TimeSpan } from "./showroom-time.ts";

/** Every reason for which a use case refuses. The wire form of each is in `http/problems.ts`. */
export type RefusalCode =
  | "invalid_request"
  | "invalid_image"
  | "invalid_token"
  | "invalid_credentials"
  | "invalid_refresh_token"
  | "forbidden"
  | "not_found"
  | "car_not_found"
  | "photo_not_found"
  | "slot_taken"
  | "car_not_bookable"
  | "already_sent"
  | "illegal_transition"
  | "car_not_sellable"
  | "already_void"
  | "last_admin"
  | "car_sold"
  | "primary_photo_needed"
  | "too_many_photos"
  | "duplicate_request"
  | "precondition_failed"
  | "too_large"
  | "unsupported_media_type"
  | "busy"
  | "unavailable";

/** One fault of an input. `field` is a path such as `start_at`, or the name of a parameter or header. */
export type FieldFault = { field: string; code: string; message: string };

/** Why something was refused. Plain data, so that it can cross RPC. */
export type Refusal = {
  code: RefusalCode;
  /** A sentence for people, where the title of the code says too little. */
  detail?: string | undefined;
  /** With `invalid_request`: each fault. */
  faults?: readonly FieldFault[] | undefined;
  /** With `slot_taken`: the nearest free slots. */
  alternatives?: readonly TimeSpan[] | undefined;
};

/** What a use case comes to. */
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
