/** The use cases of showrooms and their special hours. */
import type { z } from "@hono/zod-openapi";
import { uuidv7 } from "uuidv7";
import { commitPublic, readAs, readPublic } from "../auth/verification.ts";
import { completeAnswer, type IdempotencyKey, storeAnswer } from "../db/idempotency.ts";
import type { Statement } from "../db/statement.ts";
import type { Violation } from "../db/violations.ts";
import type { Deps } from "../deps.ts";
import { enqueue } from "../outbox/outbox.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { type FieldFault, ok, type Refusal, type Result, refuse } from "../shared/refusals.ts";
import { localDate } from "../shared/showroom-time.ts";
import { cancelOutside, comingBookings, type Outcome, outcomeBody, outsideOf } from "./outside.ts";
import { defaultSchedule } from "./schedule.ts";
import {
  type Cancellation,
  isBookableAhead,
  MAX_OUTSIDE,
  type NewShowroom,
  type NewSpecialHours,
  type ShowroomChange,
  type showroomSchema,
  type specialHoursSchema,
} from "./schemas.ts";
import {
  checkSchedule,
  deleteSpecialHours,
  insertShowroom,
  insertSpecialHours,
  policyOf,
  type ShowroomColumns,
  type ShowroomDefaults,
  type StoredShowroom,
  type StoredSpecialHours,
  scheduleOf,
  showroomBody,
  showroomById,
  showroomList,
  showroomRow,
  sinceYesterday,
  specialHoursBody,
  specialHoursOf,
  updateShowroom,
} from "./store.ts";

/** A showroom in its wire form, and its version. */
export type VersionedShowroom = { body: z.infer<typeof showroomSchema>; version: number };
type SpecialHoursBody = z.infer<typeof specialHoursSchema>;
type Window = { limit: number; offset: number };

/** The path of a showroom. */
export const showroomPath = (id: string): string => `/api/showrooms/${id}/`;

/** The path of special hours. */
export const specialHoursPath = (showroomId: string, id: string): string =>
  `${showroomPath(showroomId)}special-hours/${id}/`;

const versioned = ({ config }: Deps, row: StoredShowroom): VersionedShowroom => ({
  body: showroomBody(row, config.showroom),
  version: row.version,
});

/** How often a change is decided when others are faster. */
const MAX_TRIES = 10;

/** A page of showrooms, ordered by code. Only staff see those that are closed for good. One round trip. */
export async function listShowrooms(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  window: Window,
): Promise<Result<{ count: number; rows: VersionedShowroom["body"][] }>> {
  const read = await readPublic(deps, claimed, (isStaff) =>
    showroomList({ active: isStaff ? undefined : true }, window),
  );
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows: rows.map((row) => versioned(deps, row).body) });
}

/** One showroom. Only staff find one that is closed for good. One round trip. */
export async function getShowroom(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  id: string,
): Promise<Result<VersionedShowroom>> {
  const read = await readPublic(deps, claimed, () => [showroomRow({ id })]);
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[row]] = rows;
  return row && (caller || row.isActive) ? ok(versioned(deps, row)) : refuse("not_found");
}

/** Adds a showroom. One round trip. */
export async function createShowroom(
  deps: Deps,
  claimed: ClaimedCaller,
  input: NewShowroom,
  key: IdempotencyKey | undefined,
): Promise<Result<VersionedShowroom>> {
  const { now, config } = deps;
  const { hours, policy } = defaultSchedule("", input.time_zone, config.showroom.horizonDays);
  const row: StoredShowroom = {
    id: uuidv7(),
    ...described(input),
    isActive: input.is_active ? 1 : 0,
    hours: JSON.stringify(input.hours ?? hours),
    ...policy,
    // A step is as long as a drive unless it says otherwise.
    stepMinutes: input.policy?.slotMinutes ?? policy.stepMinutes,
    // The configuration's.
    horizonDays: null,
    ...defined(input.policy ?? {}),
    version: 1,
    createdAt: now,
    updatedAt: now,
  };
  const faults = faultsOf(row, config.showroom);
  if (faults.length > 0) return refuse("invalid_request", { faults });
  const showroom = versioned(deps, row);
  const answer = { status: 201, body: showroom.body, location: showroomPath(row.id) } as const;
  const stored = await commitShowroom(deps, claimed, "showroom.create", row.id, [
    insertShowroom(row),
    ...storeAnswer(key, answer, now),
  ]);
  return stored.ok ? ok(showroom) : stored;
}

/**
 * Changes a showroom. Members that depend on each other are checked together, so a change is decided again when the
 * showroom has changed at the same time, unless the caller expects certain versions. Two round trips.
 */
export async function changeShowroom(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  change: ShowroomChange,
  versions: readonly number[] | undefined,
): Promise<Result<VersionedShowroom>> {
  const { now, config } = deps;
  for (let tries = 1; ; tries += 1) {
    const read = await readAs(deps, claimed, showroomRow({ id }));
    if (!read.ok) return read;
    const [[row]] = read.value.rows;
    if (!row) return refuse("not_found");
    if (versions && !versions.includes(row.version)) return refuse("precondition_failed");
    const { timeZone, ...columns } = columnsOf(change);
    const faults = faultsOf({ ...row, ...defined(columns) }, config.showroom, change);
    if (faults.length > 0) return refuse("invalid_request", { faults });
    const isSameZone = timeZone === (row.timeZone ?? config.showroom.timeZone);
    const written = await commitShowroom(deps, claimed, "showroom.update", id, [
      checkSchedule({ showroomId: id, version: row.version }),
      // The zone of the configuration is no other zone when it is named: it may be named while there are bookings.
      updateShowroom(id, isSameZone ? columns : { timeZone, ...columns }, now),
      showroomRow({ id }),
    ]);
    if (written.ok) {
      const [, , [changed]] = written.value;
      return changed ? ok(versioned(deps, changed)) : refuse("not_found");
    }
    if (versions || written.refusal.code !== "precondition_failed") return written;
    if (tries === MAX_TRIES) return refuse("busy");
  }
}

/** Whether a change may put bookings outside the opening hours. */
export const concernsHours = ({ hours, policy, is_active }: ShowroomChange): boolean =>
  hours !== undefined || policy !== undefined || is_active !== undefined;

/**
 * The special hours of a showroom that are not over, or for staff `past` ones as well, in the order of their days. One
 * round trip. A showroom has at most 400, so the page is cut here, where the local day is known.
 */
export async function listSpecialHours(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  id: string,
  past: boolean,
  { limit, offset }: Window,
): Promise<Result<{ count: number; rows: SpecialHoursBody[] }>> {
  const { now, config } = deps;
  const read = await readPublic(deps, claimed, (isStaff) => [
    showroomRow({ id }),
    specialHoursOf({ id, from: isStaff && past ? "" : sinceYesterday(now) }),
  ]);
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[showroom], stored] = rows;
  if (!showroom || !(caller || showroom.isActive)) return refuse("not_found");
  const today = localDate(now, showroom.timeZone ?? config.showroom.timeZone);
  const seen = caller && past ? stored : stored.filter(({ toDate }) => toDate >= today);
  return ok({ count: seen.length, rows: seen.slice(offset, offset + limit).map(specialHoursBody) });
}

/** Adds special hours. One round trip. What is outside them afterwards: `settleBookings`. */
export async function createSpecialHours(
  deps: Deps,
  claimed: ClaimedCaller,
  showroomId: string,
  input: NewSpecialHours,
  key: IdempotencyKey | undefined,
): Promise<Result<SpecialHoursBody>> {
  const row: StoredSpecialHours = {
    id: uuidv7(),
    showroomId,
    fromDate: input.from,
    toDate: input.to,
    windows: JSON.stringify(input.windows),
    reason: input.reason,
    createdAt: deps.now,
  };
  const body = specialHoursBody(row);
  const location = specialHoursPath(showroomId, row.id);
  const stored = await commitShowroom(deps, claimed, "special_hours.create", showroomId, [
    insertSpecialHours(row),
    ...storeAnswer(key, { status: 201, body, location }, deps.now),
  ]);
  return stored.ok ? ok(body) : stored;
}

/** Removes special hours. One round trip. What is outside the hours afterwards: `settleBookings`. */
export async function removeSpecialHours(
  deps: Deps,
  claimed: ClaimedCaller,
  showroomId: string,
  id: string,
): Promise<Result<undefined>> {
  const written = await commitShowroom(deps, claimed, "special_hours.remove", showroomId, [
    deleteSpecialHours(showroomId, id),
  ]);
  if (!written.ok) return written;
  const [[removed]] = written.value;
  return removed ? ok(undefined) : refuse("not_found");
}

/**
 * Finds the coming bookings that are outside the opening hours, after a change of them was committed: a booking that was
 * decided by an earlier schedule cannot be committed any more, so none is missed. On request it cancels them (the
 * earliest 500), if the schedule is still the one that they are outside of, and notifies their customers.
 */
export async function settleBookings(
  deps: Deps,
  claimed: ClaimedCaller,
  showroomId: string,
  { cancel_outside, reason = "" }: Cancellation,
): Promise<Result<Outcome>> {
  const { now, config, env, requestId } = deps;
  for (let tries = 1; ; tries += 1) {
    const [[row], coming] = await deps
      .primary()
      .ask(
        showroomById({ id: showroomId, from: sinceYesterday(now) }),
        comingBookings({ showroom: showroomId, now }),
      );
    if (!row) return refuse("not_found");
    const schedule = scheduleOf(row, config.showroom);
    const outside = outsideOf(schedule, coming);
    if (!cancel_outside || outside.length === 0)
      return ok({ outside, cancelled: cancel_outside ? [] : undefined });
    const listed = outside.slice(0, MAX_OUTSIDE);
    const written = await commitShowroom(deps, claimed, "showroom.cancel_outside", showroomId, [
      checkSchedule(schedule),
      ...cancelOutside(listed, reason, claimed.id, now),
      comingBookings({ showroom: showroomId, now }),
    ]);
    if (written.ok) {
      const [, notices, , cancelled, left] = written.value;
      deps.afterwards(
        enqueue(
          env.NOTIFICATIONS,
          notices.map(({ id }) => id),
          requestId,
        ),
      );
      return ok({ outside: outsideOf(schedule, left), cancelled: cancelled.map(({ id }) => id) });
    }
    if (written.refusal.code !== "precondition_failed") return written;
    if (tries === MAX_TRIES) return refuse("busy");
  }
}

/**
 * Settles the bookings after special hours were added, and completes the stored answer. A repeated request whose answer
 * is not complete settles them, too: the first one may have been interrupted.
 */
export async function settleSpecialHours(
  deps: Deps,
  claimed: ClaimedCaller,
  showroomId: string,
  made: SpecialHoursBody,
  cancellation: Cancellation,
  key: IdempotencyKey | undefined,
): Promise<Result<SpecialHoursBody & ReturnType<typeof outcomeBody>>> {
  const settled = await settleBookings(deps, claimed, showroomId, cancellation);
  if (!settled.ok) return settled;
  const whole = { ...made, ...outcomeBody(settled.value) };
  if (key) {
    const completed = await commitShowroom(deps, claimed, "special_hours.answer", showroomId, [
      completeAnswer(key, made, whole),
    ]);
    if (!completed.ok) return completed;
  }
  return ok(whole);
}

/** The columns that a change sets. */
const columnsOf = (change: ShowroomChange): ShowroomColumns => ({
  ...described(change),
  isActive: change.is_active,
  hours: change.hours,
  ...change.policy,
});

type Description = Pick<
  StoredShowroom,
  | "name"
  | "code"
  | "address"
  | "postalCode"
  | "city"
  | "country"
  | "latitude"
  | "longitude"
  | "phone"
  | "email"
  | "timeZone"
>;

/** The columns that say which showroom it is: all of a new one, those that are given of a change. */
function described(input: NewShowroom): Description;
function described(input: ShowroomChange): Partial<Description>;
function described(input: ShowroomChange): Partial<Description> {
  const {
    postal_code: postalCode,
    time_zone: timeZone,
    is_active: _,
    hours: __,
    policy: ___,
    ...same
  } = input;
  return { ...same, postalCode, timeZone };
}

type Defined<T> = { [Name in keyof T]: Exclude<T[Name], undefined> };

/** An object without its undefined members, so that they replace nothing. */
const defined = <T extends object>(object: T): Defined<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;

type Checked = Pick<StoredShowroom, "latitude" | "longitude"> & Parameters<typeof policyOf>[0];

/** The faults of members that depend on each other. The policy is checked only when the change has one. */
function faultsOf(
  row: Checked,
  defaults: ShowroomDefaults,
  change: Pick<ShowroomChange, "policy"> = { policy: {} },
): FieldFault[] {
  const faults: FieldFault[] = [];
  if ((row.latitude === null) !== (row.longitude === null))
    faults.push({
      field: row.latitude === null ? "latitude" : "longitude",
      code: "required",
      message: "Latitude and longitude go together",
    });
  if (change.policy && !isBookableAhead(policyOf(row, defaults)))
    faults.push({
      field: "policy.lead_minutes",
      code: "beyond_horizon",
      message: "Must be shorter than the horizon, or nothing can be booked",
    });
  return faults;
}

/** Commits a write of a showroom, which is public data. */
const commitShowroom = <const Statements extends readonly Statement[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  action: string,
  id: string,
  statements: Statements,
) => commitPublic(deps, claimed, action, `showroom:${id}`, statements, refusalOf);

/** Maps a violation to a refusal of a showroom's write. `undefined` when no write should cause it. */
function refusalOf(violation: Violation | undefined): Refusal | undefined {
  switch (violation) {
    case "schedule_changed":
      return { code: "precondition_failed" };
    case "last_showroom":
    case "has_bookings":
    case "too_many_special_hours":
      return { code: violation };
    // Special hours of a showroom that does not exist.
    case "foreign_key":
      return { code: "not_found" };
    case "unique:showrooms_code":
      return {
        code: "invalid_request",
        faults: [{ field: "code", code: "taken", message: "Another showroom has this code" }],
      };
    default:
      return undefined;
  }
}
