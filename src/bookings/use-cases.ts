/** The use cases of test drives. */
import { salespersonById } from "../auth/salespeople.ts";
import { userById } from "../auth/users.ts";
import { readAs, readPublic } from "../auth/verification.ts";
import { isKnownCar, rememberCar } from "../cars/known-cars.ts";
import { execute } from "../coordinator.ts";
import type { IdempotencyKey } from "../db/idempotency.ts";
import type { Query, RowsOf } from "../db/statement.ts";
import type { Deps } from "../deps.ts";
import { type ClaimedCaller, isStaff, type VerifiedCaller } from "../shared/callers.ts";
import type { BookingStatus, ShownBookingStatus } from "../shared/enums.ts";
import { ok, type Refusal, type RefusalCode, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { DAY_MS, parseInstant, utcDate } from "../shared/showroom-time.ts";
import { scheduleOf, showroomOfCar, sinceYesterday } from "../showrooms/store.ts";
import type { Booking } from "./booking.ts";
import { aroundDays, daysAround, nearest, offeredSlots, type Slot, START_MESSAGES } from "./slots.ts";
import { bookingById, bookingList, calendarOfCar, occupiedOf, onDay, zoneOfBooking } from "./store.ts";

/** A page of bookings, and the number of bookings on all pages. */
type Bookings = { count: number; rows: Booking[] };
type Window = { limit: number; offset: number };

/** What a new booking is made of. `customer` and `salesperson` are for staff to say. */
type NewBooking = {
  carId: string;
  startAt: string;
  notes: string;
  customer?: string | undefined;
  salesperson?: string | undefined;
};

/**
 * Requests a test drive for the caller. It is PENDING until staff approve it.
 * @param input `startAt` as the client sent it; without an offset it is showroom time
 */
export async function createBooking(
  deps: Deps,
  caller: ClaimedCaller,
  input: NewBooking,
  key: IdempotencyKey | undefined,
): Promise<Result<Booking>> {
  const { carId, notes, customer, salesperson } = input;
  if (customer !== undefined) return onlyForStaff("customer");
  if (salesperson !== undefined) return onlyForStaff("salesperson");
  let startAt = parseInstant(input.startAt);
  if (startAt === undefined || !isKnownCar(carId)) {
    const read = await readAs(deps, caller, showroomOfCar({ carId, from: sinceYesterday(deps.now) }));
    if (!read.ok) return read;
    const [[showroom]] = read.value.rows;
    if (!showroom) return refuse("car_not_found");
    rememberCar(carId);
    const { timeZone } = scheduleOf(showroom, deps.config.showroom);
    startAt ??= parseInstant(input.startAt, timeZone);
    if (startAt === undefined) return invalidStart();
  }
  const command = { type: "book", customerId: caller.id, startAt, notes } as const;
  const outcome = await execute(deps, carId, caller, command, key && { key });
  if (outcome.ok) return bookingOf(outcome);
  return withAlternatives(deps, caller, outcome, { carId, customerId: caller.id, startAt });
}

/**
 * Books a test drive for a customer who rang up or walked in. It is APPROVED at once, and may be within the lead time and
 * beyond the horizon. Two round trips.
 * @param input `salesperson`: the id of the user or profile of who drives along; without it the showroom's policy decides
 */
export async function bookForCustomer(
  deps: Deps,
  claimed: ClaimedCaller,
  input: NewBooking,
  key: IdempotencyKey | undefined,
): Promise<Result<Booking>> {
  const { carId, notes, customer: customerId, salesperson = null } = input;
  if (customerId === undefined) return refuseField("customer", "required", "Say for whom it is");
  const read = await readAs(
    deps,
    claimed,
    showroomOfCar({ carId, from: sinceYesterday(deps.now) }),
    userById({ id: customerId }),
    salespersonById({ salesperson }),
  );
  if (!read.ok) return read;
  const [[showroom], [customer], [person]] = read.value.rows;
  if (!showroom) return refuse("car_not_found");
  if (customer?.role !== "CUSTOMER" || !customer.isActive)
    return refuseField("customer", "unknown", "Must be an active customer");
  if (salesperson !== null && !person?.isActive) return notActiveStaff();
  const startAt = parseInstant(input.startAt, scheduleOf(showroom, deps.config.showroom).timeZone);
  if (startAt === undefined) return invalidStart();
  const { caller } = read.value;
  const command = {
    type: "book",
    customerId,
    startAt,
    notes,
    by: caller.id,
    salespersonId: person?.userId,
  } as const;
  const outcome = await execute(deps, carId, caller, command, key && { key });
  if (outcome.ok) return bookingOf(outcome);
  return withAlternatives(deps, claimed, outcome, { carId, customerId, startAt });
}

/** The reasons for which another slot may suit. */
const MOVABLE: ReadonlySet<RefusalCode> = new Set([
  "slot_taken",
  "customer_busy",
  "salesperson_busy",
  "salesperson_absent",
  "no_salesperson_free",
]);

/**
 * Adds the nearest slots that the customer is offered for the car to a refusal for which another slot may suit. One round
 * trip, which also verifies a caller whom no commit has verified.
 */
async function withAlternatives(
  deps: Deps,
  claimed: ClaimedCaller,
  refused: { ok: false; refusal: Refusal },
  { carId, customerId, startAt }: Pick<Booking, "carId" | "customerId" | "startAt">,
): Promise<{ ok: false; refusal: Refusal }> {
  const { refusal } = refused;
  if (!MOVABLE.has(refusal.code)) return refused;
  const { now, config } = deps;
  // The zone is not known yet. A day more on either side covers them all.
  const around = aroundDays({ from: utcDate(startAt - 8 * DAY_MS), to: utcDate(startAt + 8 * DAY_MS) });
  const read = await readAs(
    // Not older than the decision, or the slot that was refused might be among them.
    { ...deps, db: deps.primary() },
    claimed,
    calendarOfCar({ carId, customerId, now, from: sinceYesterday(now), ...around }),
  );
  if (!read.ok) return read;
  const [[row]] = read.value.rows;
  if (!row) return refused;
  const schedule = scheduleOf(row, config.showroom);
  const offered = offeredSlots(schedule, daysAround(startAt, schedule), now, occupiedOf(row));
  const slots = nearest(offered, startAt);
  return { ok: false, refusal: { ...refusal, alternatives: { slots, timeZone: schedule.timeZone } } };
}

/**
 * The free slots of a car on the local days from `from` to `to`, earliest first. None of a sold car; a removed car is not
 * found. One round trip, which starts no Durable Object and writes nothing.
 */
export async function listAvailableSlots(
  deps: Deps,
  claimed: ClaimedCaller | undefined,
  carId: string,
  from: string,
  to: string,
): Promise<Result<{ slots: Slot[]; timeZone: string }>> {
  const { now, config } = deps;
  const around = aroundDays({ from, to });
  const query = calendarOfCar({ carId, customerId: null, now, from: sinceYesterday(now), ...around });
  const read = await readPublic(deps, claimed, () => [query] as const);
  if (!read.ok) return read;
  const [[row]] = read.value.rows;
  if (!row || row.carStatus === "REMOVED") return refuse("car_not_found");
  rememberCar(carId);
  const schedule = scheduleOf(row, config.showroom);
  const slots = offeredSlots(schedule, { from, to }, now, occupiedOf(row));
  return ok({ slots, timeZone: schedule.timeZone });
}

/** The caller's own bookings, newest start first. One round trip. */
export const listOwnBookings = (
  deps: Deps,
  caller: ClaimedCaller,
  filters: { status?: ShownBookingStatus | undefined },
  window: Window,
): Promise<Result<Bookings>> => listMatching(deps, caller, { ...filters, customer: caller.id }, window);

/**
 * The bookings of all customers, newest start first; `date` is the local day of the start in the booking's showroom. One
 * round trip.
 */
export function listBookings(
  deps: Deps,
  caller: ClaimedCaller,
  filters: {
    status?: ShownBookingStatus | undefined;
    showroom?: string | undefined;
    car?: string | undefined;
    customer?: string | undefined;
    salesperson?: string | undefined;
    date?: string | undefined;
  },
  window: Window,
): Promise<Result<Bookings>> {
  const { date, ...others } = filters;
  return listMatching(
    deps,
    caller,
    { ...others, ...(date === undefined ? {} : onDay(date, deps.config.showroom.timeZone)) },
    window,
  );
}

async function listMatching(
  deps: Deps,
  caller: ClaimedCaller,
  filters: Parameters<typeof bookingList>[0],
  window: Window,
): Promise<Result<Bookings>> {
  const read = await readAs(deps, caller, ...bookingList({ ...filters, now: deps.now }, window));
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows });
}

/** One booking: staff get any, customers get their own. Others are not found. One round trip. */
export async function getBooking(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<Booking>> {
  const found = await findVisible(deps, claimed, id, []);
  return found.ok ? ok(found.value.booking) : found;
}

/** A booking that the caller may see, and what `more` finds in the same round trip. */
async function findVisible<const More extends readonly Query[]>(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  more: More,
): Promise<Result<{ caller: VerifiedCaller; booking: Booking; found: RowsOf<More> }>> {
  const read = await readAs(deps, claimed, bookingById({ id }), ...more);
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[booking], ...found] = rows as unknown as [Booking[], ...RowsOf<More>];
  if (!booking || !(isStaff(caller) || booking.customerId === caller.id)) return refuse("not_found");
  return ok({ caller, booking, found: found as RowsOf<More> });
}

/** Changes the status of a booking that the caller may see. `reason`: why, in the words of the caller. */
export async function transitionBooking(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  to: BookingStatus,
  reason?: string | undefined,
): Promise<Result<Booking>> {
  const found = await findVisible(deps, claimed, id, []);
  if (!found.ok) return found;
  const { caller, booking } = found.value;
  const by = isStaff(caller) ? caller.id : undefined;
  const command = { type: "transition", bookingId: id, to, by, reason } as const;
  return bookingOf(await execute(deps, booking.carId, caller, command));
}

/** Moves a booking that the caller may see. The old slot is kept until the new slot is booked. */
export async function rescheduleBooking(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  start: string,
): Promise<Result<Booking>> {
  const visible = await findVisible(deps, claimed, id, [zoneOfBooking({ id })]);
  if (!visible.ok) return visible;
  const { caller, booking, found } = visible.value;
  const [[zone]] = found;
  const startAt = parseInstant(start, zone?.timeZone ?? deps.config.showroom.timeZone);
  if (startAt === undefined) return invalidStart();
  const command = { type: "reschedule", bookingId: id, startAt, confirmed: isStaff(caller) } as const;
  const outcome = await execute(deps, booking.carId, caller, command);
  if (outcome.ok) return bookingOf(outcome);
  return withAlternatives(deps, claimed, outcome, { ...booking, startAt });
}

/**
 * Says who drives along: an active staff member, also out of their shifts, or nobody where the showroom does not assign.
 * @param salesperson the id of their user or profile
 */
export async function assignBooking(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  salesperson: string | null,
): Promise<Result<Booking>> {
  const visible = await findVisible(deps, claimed, id, [salespersonById({ salesperson })]);
  if (!visible.ok) return visible;
  const { caller, booking, found } = visible.value;
  const [[person]] = found;
  if (salesperson !== null && !person?.isActive) return notActiveStaff();
  const command = { type: "assign", bookingId: id, salespersonId: person?.userId ?? null } as const;
  return bookingOf(await execute(deps, booking.carId, caller, command));
}

const onlyForStaff = (field: string) => refuseField(field, "only_for_staff", "Only staff can say this");

const notActiveStaff = () => refuseField("salesperson", "not_active_staff", "Must be an active staff member");

const invalidStart = () => refuseField("start_at", "invalid_instant", START_MESSAGES.invalid_instant);

/** Returns the booking that a command changed. */
function bookingOf(outcome: Awaited<ReturnType<typeof execute>>): Result<Booking> {
  if (!outcome.ok) return outcome;
  if (!outcome.booking) throw new Error("the outcome of a booking's command has no booking");
  return ok(outcome.booking);
}
