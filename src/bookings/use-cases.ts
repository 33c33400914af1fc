/** The use cases of test drives. */
import { readAs, readPublic } from "../auth/verification.ts";
import { isKnownCar, rememberCar } from "../cars/known-cars.ts";
import { carStatus } from "../cars/store.ts";
import { execute } from "../coordinator.ts";
import type { IdempotencyKey } from "../db/idempotency.ts";
import type { Deps } from "../deps.ts";
import { type ClaimedCaller, isStaff, type VerifiedCaller } from "../shared/callers.ts";
import type { BookingStatus } from "../shared/enums.ts";
import { ok, type Result, refuse, refuseField } from "../shared/refusals.ts";
import { daySpan, parseInstant } from "../shared/showroom-time.ts";
import type { Booking } from "./booking.ts";
import { futureSlots, offeredSlots, type Slot, START_MESSAGES, spanOf } from "./slots.ts";
import { bookingById, bookingList, takenTimes } from "./store.ts";

/** A page of bookings, and the number of bookings on all pages. */
type Bookings = { count: number; rows: Booking[] };
type Window = { limit: number; offset: number };

/**
 * Requests a test drive for the caller. It is PENDING until staff approve it.
 * @param input `startAt` as the client sent it; without an offset it is showroom time
 */
export async function createBooking(
  deps: Deps,
  caller: ClaimedCaller,
  input: { carId: string; startAt: string; notes: string },
  key: IdempotencyKey | undefined,
): Promise<Result<Booking>> {
  const startAt = readStart(deps, input.startAt);
  if (!startAt.ok) return startAt;
  if (!isKnownCar(input.carId)) {
    const read = await readAs(deps, caller, carStatus({ carId: input.carId }));
    if (!read.ok) return read;
    if (read.value.rows[0].length === 0) return refuse("car_not_found");
    rememberCar(input.carId);
  }
  const command = {
    type: "book",
    customerId: caller.id,
    startAt: startAt.value,
    notes: input.notes,
  } as const;
  return bookingOf(await execute(deps, input.carId, caller, command, key && { key }));
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
): Promise<Result<Slot[]>> {
  const { showroom, bookingHorizonDays: horizonDays } = deps.config;
  const slots = futureSlots(from, to, deps.now, { timeZone: showroom.timeZone, horizonDays });
  const queries = [carStatus({ carId }), takenTimes({ carId, ...spanOf(slots) })] as const;
  const read = await readPublic(deps, claimed, () => queries);
  if (!read.ok) return read;
  const [[car], taken] = read.value.rows;
  if (!car || car.status === "REMOVED") return refuse("car_not_found");
  rememberCar(carId);
  return ok(offeredSlots(slots, car.status, taken));
}

/** The caller's own bookings, newest start first. One round trip. */
export const listOwnBookings = (
  deps: Deps,
  caller: ClaimedCaller,
  filters: { status?: BookingStatus | undefined },
  window: Window,
): Promise<Result<Bookings>> => listMatching(deps, caller, { ...filters, customer: caller.id }, window);

/** The bookings of all customers, newest start first; `date` is the local day of the start. One round trip. */
export function listBookings(
  deps: Deps,
  caller: ClaimedCaller,
  filters: {
    status?: BookingStatus | undefined;
    car?: string | undefined;
    customer?: string | undefined;
    date?: string | undefined;
  },
  window: Window,
): Promise<Result<Bookings>> {
  const { date, ...others } = filters;
  return listMatching(
    deps,
    caller,
    { ...others, ...daySpan(date, date, deps.config.showroom.timeZone) },
    window,
  );
}

async function listMatching(
  deps: Deps,
  caller: ClaimedCaller,
  filters: Parameters<typeof bookingList>[0],
  window: Window,
): Promise<Result<Bookings>> {
  const read = await readAs(deps, caller, ...bookingList(filters, window));
  if (!read.ok) return read;
  const [rows, [total]] = read.value.rows;
  return ok({ count: total?.count ?? 0, rows });
}

/** One booking: staff get any, customers get their own. Others are not found. One round trip. */
export async function getBooking(deps: Deps, claimed: ClaimedCaller, id: string): Promise<Result<Booking>> {
  const found = await findVisible(deps, claimed, id);
  return found.ok ? ok(found.value.booking) : found;
}

async function findVisible(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
): Promise<Result<{ caller: VerifiedCaller; booking: Booking }>> {
  const read = await readAs(deps, claimed, bookingById({ id }));
  if (!read.ok) return read;
  const { caller, rows } = read.value;
  const [[booking]] = rows;
  if (!booking || !(isStaff(caller) || booking.customerId === caller.id)) return refuse("not_found");
  return ok({ caller, booking });
}

/** Changes the status of a booking that the caller may see. `reason`: why, in the words of the caller. */
export async function transitionBooking(
  deps: Deps,
  claimed: ClaimedCaller,
  id: string,
  to: BookingStatus,
  reason?: string | undefined,
): Promise<Result<Booking>> {
  const found = await findVisible(deps, claimed, id);
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
  const startAt = readStart(deps, start);
  if (!startAt.ok) return startAt;
  const found = await findVisible(deps, claimed, id);
  if (!found.ok) return found;
  const { caller, booking } = found.value;
  return bookingOf(
    await execute(deps, booking.carId, caller, {
      type: "reschedule",
      bookingId: id,
      startAt: startAt.value,
      confirmed: isStaff(caller),
    }),
  );
}

/** Reads a start as the client sent it. */
function readStart(deps: Deps, text: string): Result<number> {
  const startAt = parseInstant(text, deps.config.showroom.timeZone);
  return startAt === undefined
    ? refuseField("start_at", "invalid_instant", START_MESSAGES.invalid_instant)
    : ok(startAt);
}

/** Returns the booking that a command changed. */
function bookingOf(outcome: Awaited<ReturnType<typeof execute>>): Result<Booking> {
  if (!outcome.ok) return outcome;
  if (!outcome.booking) throw new Error("the outcome of a booking's command has no booking");
  return ok(outcome.booking);
}
