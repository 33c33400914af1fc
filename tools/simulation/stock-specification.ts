/**
 * What holds for several cars that share customers and showrooms. Written from the contract alone: it shares no code with
 * the writers that it judges.
 *
 * The database goes from one state to the next, so the order of its states is the order of events. `checkSteps` judges
 * each step by itself. `checkCalls` judges each answer: what was done is found among the steps between the call and the
 * answer, and a refusal is true of a state that there was between them.
 */
import type { Booking } from "../../src/bookings/booking.ts";
import type { Schedule } from "../../src/showrooms/schedule.ts";
import type { State } from "./ledger.ts";
import type { Clock, Result, StatusChange } from "./specification.ts";

/** What a client requests. `heldUntil`: the booking is a hold. */
export type Request =
  | {
      type: "book";
      carId: string;
      customerId: string;
      startAt: number;
      heldUntil: number | undefined;
      /** A member of staff books for the customer. */
      by?: string | undefined;
    }
  | { type: "confirm"; carId: string; id: string }
  | { type: "transition"; carId: string; id: string; to: string }
  | { type: "reschedule"; carId: string; id: string; startAt: number; confirmed: boolean }
  | { type: "assign"; carId: string; id: string; salespersonId: string | null }
  | { type: "set_status"; carId: string; by: StatusChange }
  /** A reader at `now` asks for what a customer is offered, of a state with this number or a later one. */
  | { type: "slots"; carId: string; customerId: string; since: number; now: number };

/** What a client is answered: a booking and whether the command changed it, when a status was changed, or slots. */
export type Answer = { booking: Booking; changed: boolean } | { at: number } | { slots: number[] };

/**
 * A call. `clock`: what the clock of the decision may have shown. `answered`: the moment of the answer; `undefined`, as
 * the result is unknown then: it may have had its effect at any time since, or never.
 */
export type Call = {
  request: Request;
  called: number;
  answered: number | undefined;
  clock: Clock;
  result: Result<Answer>;
};

const MINUTE = 60_000;
const MIDNIGHT = Date.UTC(2026, 11, 1);
const TRANSITIONS: Record<string, string[]> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
};

type Span = { startAt: number; endAt: number };
const overlap = (a: Span, b: Span): boolean => Math.max(a.startAt, b.startAt) < Math.min(a.endAt, b.endAt);
const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const isActive = ({ status }: Booking): boolean => status === "PENDING" || status === "APPROVED";
const isHold = (booking: Booking): boolean => booking.heldUntil !== null;
/** A hold occupies until its instant, and nothing after. */
const occupies = (booking: Booking, at: number): boolean =>
  isActive(booking) && (booking.heldUntil === null || at < booking.heldUntil);
const isLegal = (booking: Booking, to: string): boolean =>
  (TRANSITIONS[booking.status] ?? []).includes(to) && (!isHold(booking) || to === "CANCELLED");
const occupied = (booking: Booking): Span => ({
  startAt: booking.footprintStartAt ?? booking.startAt,
  endAt: booking.footprintEndAt ?? booking.endAt,
});

const scheduleOf = (state: State, carId: string): Schedule => {
  const schedule = state.schedules.get(state.cars.get(carId)?.showroomId ?? "");
  if (!schedule) throw new Error("a car without a schedule");
  return schedule;
};
const isForSale = (state: State, carId: string): boolean =>
  ["AVAILABLE", "RESERVED"].includes(state.cars.get(carId)?.status ?? "");

const minutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** The starts of the only day, a Tuesday in UTC. */
function startsOf({ hours, specialHours, policy }: Schedule): number[] {
  const starts: number[] = [];
  for (const [opening, closing] of specialHours.at(-1)?.windows ?? hours.tue)
    for (
      let minute = minutes(opening);
      minute + policy.slotMinutes <= minutes(closing);
      minute += policy.stepMinutes
    )
      starts.push(MIDNIGHT + minute * MINUTE);
  return starts;
}

/** The drive at `startAt`, and what it occupies of its car. */
function spansAt({ policy }: Schedule, startAt: number): { drive: Span; footprint: Span } {
  const drive = { startAt, endAt: startAt + policy.slotMinutes * MINUTE };
  const footprint = {
    startAt: drive.startAt - policy.bufferBeforeMinutes * MINUTE,
    endAt: drive.endAt + policy.bufferAfterMinutes * MINUTE,
  };
  return { drive, footprint };
}

/** The bookings other than `id` that occupy the car during `footprint` at `at`. */
const inTheWay = (state: State, carId: string, footprint: Span, at: number, id?: string): Booking[] =>
  [...state.bookings.values()].filter(
    (b) => b.id !== id && b.carId === carId && occupies(b, at) && overlap(occupied(b), footprint),
  );

/** The bookings other than `id` that occupy the customer during `drive` at `at`. */
const atTheSameTime = (state: State, customerId: string, drive: Span, at: number, id?: string): Booking[] =>
  [...state.bookings.values()].filter(
    (b) => b.id !== id && b.customerId === customerId && occupies(b, at) && overlap(b, drive),
  );

/** The bookings other than `id` in which a salesperson drives along during `time`, at `at`. */
const drivenBy = (state: State, person: string, time: Span, at: number, id?: string): Booking[] =>
  [...state.bookings.values()].filter(
    (b) => b.id !== id && b.salespersonId === person && occupies(b, at) && overlap(occupied(b), time),
  );

const isAway = (state: State, person: string, time: Span): boolean =>
  state.absences.some((absence) => absence.userId === person && overlap(absence, time));

const canDrive = (state: State, person: string, time: Span, at: number, id?: string): boolean =>
  !isAway(state, person, time) && drivenBy(state, person, time, at, id).length === 0;

/** Who works for the whole drive. */
const workersAt = ({ shifts }: Schedule, { startAt, endAt }: Span): string[] =>
  shifts
    .filter(
      ({ weekday, window: [from, to] }) =>
        weekday === "tue" &&
        MIDNIGHT + minutes(from) * MINUTE <= startAt &&
        endAt <= MIDNIGHT + minutes(to) * MINUTE,
    )
    .map(({ userId }) => userId);

const isAutomatic = (schedule: Schedule | undefined): boolean => schedule?.policy.assignment === "AUTOMATIC";

const holdsOf = (state: State, customerId: string, at: number): Booking[] =>
  [...state.bookings.values()].filter((b) => b.customerId === customerId && isHold(b) && occupies(b, at));

/** A booking as a step wrote it. */
type Written = { tick: number; booking: Booking; old: Booking | undefined; before: State };

function* writtenIn(states: readonly State[]): Generator<Written> {
  for (const [i, state] of states.entries()) {
    const before = states[i - 1];
    if (before)
      for (const booking of state.bookings.values()) {
        const old = before.bookings.get(booking.id);
        if (old !== booking) yield { tick: state.tick, booking, old, before };
      }
  }
}

/** What is wrong with the steps from each state of the database to the next. */
export function checkSteps(states: readonly State[]): string[] {
  const faults: string[] = [];
  for (const written of writtenIn(states))
    for (const fault of faultsOf(written)) faults.push(`${written.booking.id}: ${fault}`);
  for (const [i, state] of states.entries()) {
    const before = states[i - 1];
    if (!before) continue;
    for (const id of before.bookings.keys()) if (!state.bookings.has(id)) faults.push(`${id} is lost`);
    for (const [carId, car] of state.cars) {
      const old = before.cars.get(carId);
      if (old?.since === car.since || isForSale(state, carId)) continue;
      for (const booking of before.bookings.values())
        if (booking.carId === carId && booking.startAt > car.since && occupies(booking, car.since))
          if (state.bookings.get(booking.id)?.status !== "CANCELLED")
            faults.push(`${booking.id} outlives the end of its car's sale`);
    }
  }
  return faults;
}

function* faultsOf({ booking, old, before }: Written): Generator<string> {
  const { id, carId, customerId, updatedAt: at, status } = booking;
  if (booking.sequence !== (old ? old.sequence + 1 : 0)) yield "a change is not counted";
  const isMove = old !== undefined && old.startAt !== booking.startAt;
  const isConfirmation = old !== undefined && isHold(old) && !isHold(booking);

  if (!old && status !== (booking.source === "STAFF" ? "APPROVED" : "PENDING"))
    yield "it begins as another status than it should";
  if (old && old.status !== status && !isMove && !isLegal(old, status))
    yield `${old.status} became ${status}`;
  if (old && isHold(old) && at >= Number(old.heldUntil)) yield "a hold that had ended was changed";
  if (old && !isHold(old) && isHold(booking)) yield "a booking became a hold";
  if (["COMPLETED", "NO_SHOW"].includes(status) && at < booking.startAt) yield `${status} before it begins`;
  if (status === "CANCELLED" && at >= booking.endAt) yield "cancelled after it is over";
  if (isMove && (isHold(old) || !isActive(old) || at >= old.endAt)) yield "moved, but it could not be";

  if (!old || isMove) {
    const schedule = scheduleOf(before, carId);
    const { drive, footprint } = spansAt(schedule, booking.startAt);
    if (!startsOf(schedule).includes(booking.startAt)) yield "placed outside the schedule";
    if (booking.startAt <= at) yield "placed in the past";
    if (!isForSale(before, carId)) yield "placed in a car that is not for sale";
    if (booking.endAt !== drive.endAt || booking.showroomId !== schedule.showroomId) yield "placed wrongly";
    if (!equal(occupied(booking), footprint)) yield "does not occupy its buffers";
    if (isHold(booking) && holdsOf(before, customerId, at).length >= 2) yield "a third hold";
    yield* assignmentFaults(booking, old, before, schedule);
  }
  const { salespersonId: person } = booking;
  const isNewPerson = person !== (old?.salespersonId ?? null);
  if (person && isActive(booking) && (!old || isMove || isConfirmation || isNewPerson)) {
    if (drivenBy(before, person, occupied(booking), at, id).length > 0)
      yield "overlaps another booking of its salesperson";
    if (isAway(before, person, occupied(booking))) yield "its salesperson is absent";
  }
  if (isActive(booking) && old && !isMove && isNewPerson && !person)
    if (isAutomatic(before.schedules.get(booking.showroomId))) yield "left without a salesperson";
  if ((booking.assignedBy === null) !== (person === null)) yield "assigned by nobody, or nobody assigned";
  if (!old || isMove || isConfirmation) {
    if (inTheWay(before, carId, occupied(booking), at, id).length > 0)
      yield "overlaps another booking of its car";
    if (atTheSameTime(before, customerId, booking, at, id).length > 0)
      yield "overlaps another booking of its customer";
  }
  if (isActive(booking) && !isHold(booking))
    for (const other of before.bookings.values())
      if (other.id !== id && isActive(other) && !isHold(other)) {
        if (other.carId === carId && overlap(occupied(other), occupied(booking)))
          yield "its car is in use twice";
        if (other.customerId === customerId && overlap(other, booking)) yield "its customer is in two cars";
        if (person && other.salespersonId === person && overlap(occupied(other), occupied(booking)))
          yield "its salesperson is in two cars";
      }
}

/** Who drives along with a new or moved booking. */
function* assignmentFaults(
  booking: Booking,
  old: Booking | undefined,
  before: State,
  schedule: Schedule,
): Generator<string> {
  const { salespersonId: person, updatedAt: at, id } = booking;
  const { drive, footprint } = spansAt(schedule, booking.startAt);
  const had = old?.salespersonId ?? null;
  const mayStay =
    !isAutomatic(schedule) || old?.assignedBy === "STAFF" || workersAt(schedule, drive).includes(had ?? "");
  if (had && mayStay && canDrive(before, had, footprint, at, id)) {
    if (person !== had || booking.assignedBy !== old?.assignedBy) yield "its salesperson could have stayed";
    return;
  }
  if (!isAutomatic(schedule)) {
    if (person) yield "given to somebody where nobody is assigned";
    return;
  }
  if (!person) yield "nobody drives along";
  else if (!workersAt(schedule, drive).includes(person)) yield "its salesperson does not work then";
  else if (booking.assignedBy !== "AUTO") yield "not assigned by the showroom";
}

/** What is wrong with the answers to calls. */
export function checkCalls(states: readonly State[], calls: readonly Call[]): string[] {
  const written = [...writtenIn(states)];
  const faults: string[] = [];
  const blame = (call: Call, fault: string) => faults.push(`${fault}: ${JSON.stringify(call)}`);
  const done = new Set<Written>();

  for (const call of calls) {
    const { request, result, clock, called, answered } = call;
    // Without an answer it may have been done or not.
    if (result.type === "unknown" || answered === undefined) continue;
    const during = states.filter(
      ({ tick }, i) => tick < answered && called < (states[i + 1]?.tick ?? Number.POSITIVE_INFINITY),
    );
    if (result.type === "refused") {
      if (!during.some((state) => isTrue(result.code, request, state, clock)))
        blame(call, "a refusal that was true at no moment");
    } else if ("slots" in result.value) {
      const { slots } = result.value;
      const isOffer = states.some(
        (state, i) =>
          request.type === "slots" &&
          i >= request.since &&
          state.tick < answered &&
          equal(slots, offered(state, request)),
      );
      if (!isOffer) blame(call, "slots that were free at no moment");
    } else if ("at" in result.value) {
      const { at } = result.value;
      // Two changes to the same status at the same time look the same.
      const isDone = during.some(({ cars }) => {
        const car = cars.get(request.carId);
        return car?.since === at && becomes(request, car.status);
      });
      if (!isDone || at < clock.from || at > clock.to) blame(call, "a change of a status that never was");
    } else {
      // Two equal changes of a booking at the same time look the same, but nobody shares a new booking.
      const { booking, changed } = result.value;
      const change = written.find((w) => equal(w.booking, booking));
      const isNews = request.type !== "book" || (change && !change.old && !done.has(change));
      if (!isNews || !during.some(({ bookings }) => equal(bookings.get(booking.id), booking)))
        blame(call, "an answer that was true at no moment");
      else if (!isAsked(request, booking, changed ? change?.old : undefined))
        blame(call, "something else was done");
      else if (changed && (booking.updatedAt < clock.from || booking.updatedAt > clock.to))
        blame(call, "done at another time");
      if (request.type === "book" && change) done.add(change);
    }
  }
  return [...faults, ...madeForNobody(written, calls)];
}

/** Each booking has been requested by a call of its own. */
function madeForNobody(written: readonly Written[], calls: readonly Call[]): string[] {
  const makers = calls
    .filter(({ request, result }) => request.type === "book" && result.type !== "refused")
    // Who knows of a booking made it, rather than who never heard.
    .sort((a, b) => a.result.type.localeCompare(b.result.type));
  const faults: string[] = [];
  for (const { booking, old, tick } of written) {
    if (old) continue;
    const maker = makers.findIndex(
      ({ request, result, called }) =>
        called < tick &&
        isAsked(request, booking) &&
        (result.type !== "ok" || ("booking" in result.value && result.value.booking.id === booking.id)),
    );
    if (maker < 0) faults.push(`${booking.id} was made for nobody`);
    else makers.splice(maker, 1);
  }
  return faults;
}

/** Whether a booking is what was requested. `old`: what it was before, if the request changed it. */
function isAsked(request: Request, booking: Booking, old?: Booking): boolean {
  switch (request.type) {
    case "book":
      return (
        booking.carId === request.carId &&
        booking.customerId === request.customerId &&
        booking.startAt === request.startAt &&
        (booking.heldUntil ?? undefined) === request.heldUntil &&
        (booking.source === "STAFF") === (request.by !== undefined)
      );
    case "confirm":
      return booking.id === request.id && isActive(booking) && !isHold(booking);
    case "transition":
      return booking.id === request.id && booking.status === request.to;
    case "assign":
      return booking.id === request.id && booking.salespersonId === request.salespersonId;
    case "reschedule":
      return (
        booking.id === request.id &&
        booking.startAt === request.startAt &&
        (old ? booking.status === (request.confirmed ? old.status : "PENDING") : isActive(booking))
      );
    default:
      return false;
  }
}

const becomes = (request: Request, status: string): boolean =>
  request.type === "set_status" &&
  status === (request.by === "sell" ? "SOLD" : request.by === "void_sale" ? "AVAILABLE" : request.by);

/** What a customer is offered. */
function offered(state: State, { carId, customerId, now }: Request & { type: "slots" }): number[] {
  const schedule = scheduleOf(state, carId);
  if (!isForSale(state, carId)) return [];
  return startsOf(schedule).filter((start) => {
    const { drive, footprint } = spansAt(schedule, start);
    const isFree =
      inTheWay(state, carId, footprint, now).length === 0 &&
      atTheSameTime(state, customerId, drive, now).length === 0 &&
      (!isAutomatic(schedule) ||
        workersAt(schedule, drive).some((person) => canDrive(state, person, footprint, now)));
    return start > now && isFree;
  });
}

/** Whether a refusal of a request is true of a state, at some time that the clock may have shown. */
function isTrue(code: string, request: Request, state: State, clock: Clock): boolean {
  if (code === "busy") return true;
  const { carId } = request;
  const booking = "id" in request ? state.bookings.get(request.id) : undefined;
  const customerId = "customerId" in request ? request.customerId : (booking?.customerId ?? "");
  const spans = "startAt" in request ? spansAt(scheduleOf(state, carId), request.startAt) : undefined;
  switch (code) {
    case "slot_taken":
      return (
        spans !== undefined &&
        isForSale(state, carId) &&
        inTheWay(state, carId, spans.footprint, clock.from, booking?.id).length > 0
      );
    case "customer_busy": {
      // Who confirms or assigns a hold that has ended by another clock may find its customer in another car.
      const isOfHold = request.type === "confirm" || request.type === "assign";
      const drive = spans?.drive ?? (isOfHold ? booking : undefined);
      return !!drive && atTheSameTime(state, customerId, drive, clock.from, booking?.id).length > 0;
    }
    case "no_salesperson_free": {
      if (request.type === "assign")
        return request.salespersonId === null && isAutomatic(state.schedules.get(booking?.showroomId ?? ""));
      const schedule = scheduleOf(state, carId);
      if (!spans || !isAutomatic(schedule)) return false;
      const able = workersAt(schedule, spans.drive);
      if (booking?.salespersonId && booking.assignedBy === "STAFF") able.push(booking.salespersonId);
      return !able.some((person) => canDrive(state, person, spans.footprint, clock.from, booking?.id));
    }
    case "salesperson_busy":
    case "salesperson_absent": {
      const person = request.type === "assign" ? request.salespersonId : booking?.salespersonId;
      if (!person || !booking) return false;
      return code === "salesperson_absent"
        ? isAway(state, person, occupied(booking))
        : drivenBy(state, person, occupied(booking), clock.from, booking.id).length > 0;
    }
    case "invalid_request":
      return (
        "startAt" in request &&
        (request.startAt <= clock.to || !startsOf(scheduleOf(state, carId)).includes(request.startAt))
      );
    case "car_not_bookable":
      return "startAt" in request && !isForSale(state, carId);
    case "too_many_holds":
      return (
        request.type === "book" &&
        request.heldUntil !== undefined &&
        holdsOf(state, customerId, clock.from).length >= 2
      );
    case "hold_expired":
      return (
        request.type === "confirm" && !!booking && isHold(booking) && clock.to >= Number(booking.heldUntil)
      );
    case "illegal_transition":
      if (!booking) return "id" in request;
      if (request.type === "transition") return !isLegal(booking, request.to) || !occupies(booking, clock.to);
      if (request.type === "assign") return !occupies(booking, clock.to);
      return !isActive(booking) || (request.type === "reschedule" && isHold(booking));
    case "too_early":
      return request.type === "transition" && !!booking && clock.from < booking.startAt;
    case "too_late":
      return !!booking && request.type !== "confirm" && clock.to >= booking.endAt;
    case "car_not_sellable":
      return request.type === "set_status" && request.by === "sell" && !isForSale(state, carId);
    case "already_void":
      return (
        request.type === "set_status" &&
        request.by === "void_sale" &&
        state.cars.get(carId)?.status !== "SOLD"
      );
    case "car_sold":
      return request.type === "set_status" && state.cars.get(carId)?.status === "SOLD";
    default:
      return false;
  }
}
