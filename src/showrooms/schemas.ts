/** What goes over the wire under /api/showrooms. */
import { z } from "@hono/zod-openapi";
import { email, phone } from "../auth/schemas.ts";
import { closing, opening } from "../http/local-time.ts";
import { pageQuery } from "../http/pagination.ts";
import { closed, day, fromBeforeTo, id, ignored, instant, line, prose, rule } from "../http/validation.ts";
import { ASSIGNMENTS } from "../shared/enums.ts";
import type { OpeningWindow } from "../shared/opening-hours.ts";
import { isTimeZone } from "../shared/showroom-time.ts";
import type { Policy } from "./schedule.ts";

const MAX_WINDOWS = 4;

/** How many bookings outside the opening hours one answer lists, and one request cancels. */
export const MAX_OUTSIDE = 500;

/** Local times between which a showroom is open, on one day. */
const openingWindow = z
  .tuple([opening, closing])
  .check(
    rule<OpeningWindow>(
      "not_after_opening",
      "Must be later than the opening, on the same day: 24:00 at the latest",
      // Texts of this form are in the order of the times.
      ([from, to]) => from < to,
      "1",
    ),
  )
  .openapi({ minItems: 2, maxItems: 2, example: ["09:00", "12:00"] });

/** The windows of one day. */
const windows = z
  .array(openingWindow)
  .max(MAX_WINDOWS, `At most ${MAX_WINDOWS} windows a day`)
  .check(
    rule<OpeningWindow[]>("overlapping_windows", "Windows must be in order and must not overlap", (all) =>
      all.every(([from], i) => i === 0 || (all[i - 1]?.[1] ?? "") <= from),
    ),
  );

const ofWeekday = windows.default([]);

/** The opening hours of a week. A day that is left out is closed. */
export const weeklyHours = closed({
  mon: ofWeekday,
  tue: ofWeekday,
  wed: ofWeekday,
  thu: ofWeekday,
  fri: ofWeekday,
  sat: ofWeekday,
  sun: ofWeekday,
}).openapi("WeeklyHours", {
  description: "Local times. A day that is left out is closed.",
  example: {
    mon: [
      ["09:00", "12:00"],
      ["13:00", "17:00"],
    ],
  },
});

/** Opening hours that replace those of whole local days. */
export const specialHours = closed({
  from: day,
  to: day,
  windows: windows.openapi({ description: "Empty when the showroom is closed" }),
  reason: line(200).default("").openapi({ example: "Christmas" }),
})
  .check(fromBeforeTo)
  .openapi("NewSpecialHours");

/** A whole number. The rule about several members is for numbers within their bounds. */
const whole = (min: number, max: number, description: string) =>
  z.int().min(min, { abort: true }).max(max, { abort: true }).openapi({ description });

const MINUTES_OF_DAY = 24 * 60;

const policyMembers = {
  slot_minutes: whole(15, 480, "The length of a test drive"),
  step_minutes: whole(5, 480, "The time from one start to the next"),
  buffer_before_minutes: whole(0, 240, "How long before a drive its car is occupied"),
  buffer_after_minutes: whole(0, 240, "How long after a drive its car is occupied"),
  lead_minutes: whole(
    0,
    30 * MINUTES_OF_DAY,
    "How long before its start a customer can book at the latest; less than the horizon",
  ),
  horizon_days: whole(1, 3650, "How many days ahead a customer can book"),
  assignment: z.enum(ASSIGNMENTS).openapi({
    description:
      "AUTOMATIC: each drive needs a salesperson who is in shift, and is given one in a fair order",
  }),
};

/** The booking policy of a showroom. */
const policySchema = z.object(policyMembers).openapi("BookingPolicy");

/** Members of a booking policy; read as those of a `Policy`. Undefined members stay as they are. */
const policyChange = closed(z.object(policyMembers).partial().shape)
  .openapi("BookingPolicyChange")
  .transform(
    (body): Partial<Policy> => ({
      slotMinutes: body.slot_minutes,
      stepMinutes: body.step_minutes,
      bufferBeforeMinutes: body.buffer_before_minutes,
      bufferAfterMinutes: body.buffer_after_minutes,
      leadMinutes: body.lead_minutes,
      horizonDays: body.horizon_days,
      assignment: body.assignment,
    }),
  );

/** The wire form of a policy. */
export const policyBody = (of: Policy): z.infer<typeof policySchema> => ({
  slot_minutes: of.slotMinutes,
  step_minutes: of.stepMinutes,
  buffer_before_minutes: of.bufferBeforeMinutes,
  buffer_after_minutes: of.bufferAfterMinutes,
  lead_minutes: of.leadMinutes,
  horizon_days: of.horizonDays,
  assignment: of.assignment,
});

/** Whether there is a time between the lead time and the horizon of a policy. */
export const isBookableAhead = ({ leadMinutes, horizonDays }: Policy): boolean =>
  leadMinutes < horizonDays * MINUTES_OF_DAY;

const degrees = (max: number) => z.number().min(-max).max(max).nullable();

/** Unique whatever its case. ASCII, because the database folds no other letters. */
const code = line(40)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "Letters A to Z, digits and . _ - only")
  .openapi({ example: "berlin-mitte" });

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, "Must be the IANA name of a time zone")
  .openapi({ example: "Europe/Berlin" });

const described = {
  name: line(200).min(1).openapi({ example: "Berlin Mitte" }),
  code,
  address: line(200),
  postal_code: line(20),
  city: line(100),
  country: line(100),
  latitude: degrees(90),
  longitude: degrees(180),
  phone,
  email,
  time_zone: timeZone,
  hours: weeklyHours,
  policy: policyChange,
};

/** A showroom. */
export const showroomSchema = z
  .object({
    id,
    name: z.string(),
    code: z.string().openapi({ example: "berlin-mitte" }),
    address: z.string(),
    postal_code: z.string(),
    city: z.string(),
    country: z.string(),
    latitude: z.number().nullable(),
    longitude: z.number().nullable(),
    phone: z.string(),
    email: z.string().nullable(),
    time_zone: z.string().openapi({ example: "Europe/Berlin" }),
    is_active: z.boolean(),
    hours: weeklyHours,
    policy: policySchema,
  })
  .openapi("Showroom");

/** A coming test drive outside the opening hours. */
const outsideSchema = z
  .object({
    id,
    car: id,
    customer: id,
    start_at: instant,
    end_at: instant,
    status: z.enum(["HELD", "PENDING", "APPROVED"]),
  })
  .openapi("BookingOutside");

/** The members of an answer to a change of the hours. */
const outcomeShape = {
  bookings_outside: z.array(outsideSchema).openapi({
    description: `The coming active bookings of the showroom that are outside its opening hours now, earliest first; at most ${MAX_OUTSIDE}`,
  }),
  bookings_outside_count: z.int().openapi({ description: "Their number" }),
  bookings_cancelled: z
    .array(id)
    .optional()
    .openapi({ description: "With `cancel_outside=true`: the bookings that this request has cancelled" }),
};

const outcomeNames = Object.keys(outcomeShape);

/** Answer of `PATCH /{id}/`. The members about bookings are there when the change may have put some outside. */
export const changedShowroomSchema = showroomSchema
  .extend(z.object(outcomeShape).partial().shape)
  .openapi("ChangedShowroom");

/** Body of `POST /`. */
export const newShowroom = closed({
  ...ignored("id", ...outcomeNames),
  ...described,
  address: described.address.default(""),
  postal_code: described.postal_code.default(""),
  city: described.city.default(""),
  country: described.country.default(""),
  latitude: described.latitude.default(null),
  longitude: described.longitude.default(null),
  phone: phone.default(""),
  email: email.default(null),
  is_active: z.boolean().default(true),
  hours: weeklyHours.optional(),
  policy: policyChange.optional(),
}).openapi("NewShowroom");

/** Body of `PATCH /{id}/`. */
export const showroomChange = closed({
  ...ignored("id", ...outcomeNames),
  ...z.object(described).partial().shape,
  is_active: z.boolean().optional(),
}).openapi("ShowroomChange");

/** The input for a new showroom. */
export type NewShowroom = z.infer<typeof newShowroom>;
/** The input for a change of a showroom. */
export type ShowroomChange = z.infer<typeof showroomChange>;
/** The input for special hours. */
export type NewSpecialHours = z.infer<typeof specialHours>;

/** Query of `GET /`. */
export const showroomsQuery = closed(pageQuery);

const flag = z.enum(["true", "false"]).transform((word) => word === "true");

/** Query of a change of the hours. */
export const cancellationQuery = closed({
  cancel_outside: flag.optional().openapi({
    description: "`true`: cancel the bookings that are outside the opening hours afterwards",
  }),
  reason: prose(500).optional().openapi({ description: "With `cancel_outside`: sent to the customers" }),
}).check(
  rule<{ cancel_outside?: boolean | undefined; reason?: string | undefined }>(
    "required",
    "A reason goes with cancel_outside=true",
    ({ cancel_outside, reason }) => reason === undefined || cancel_outside === true,
    "cancel_outside",
  ),
);

/** Whether the bookings outside are cancelled, and why. */
export type Cancellation = z.infer<typeof cancellationQuery>;

/** Query of `GET /{id}/special-hours/`. */
export const specialHoursQuery = closed({
  ...pageQuery,
  past: flag.optional().openapi({ description: "For staff: also those that are over" }),
});

/** Special hours of a showroom. */
export const specialHoursSchema = z
  .object({ id, from: day, to: day, windows, reason: z.string() })
  .openapi("SpecialHours");

/** Answer of `POST /{id}/special-hours/`. */
export const madeSpecialHoursSchema = specialHoursSchema.extend(outcomeShape).openapi("MadeSpecialHours");

/** Answer of `DELETE /{id}/special-hours/{special_id}/`. */
export const outcomeSchema = z.object(outcomeShape).openapi("BookingsOutside");

/** The `{id}` and `{special_id}` of a path. */
export const specialHoursParams = z.object({ id, special_id: id });

/** The header that makes a write depend on the caller's version. */
export const ifMatch = z.object({
  "if-match": z.string().optional().openapi({
    description: "The `ETag` of the showroom as the caller last read it; 412 when it has changed since",
  }),
});
