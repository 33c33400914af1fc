/**
 * What the writer of one car does when commands come one at a time, as clients see it. Written from the contract
 * alone: it shares no code with the writer that it judges.
 */
import type { Specification } from "./linearizability.ts";

const HOUR = 3_600_000;
/** When a test drive may begin on the only day: at nine, and at each hour until four. */
const STARTS = Array.from({ length: 8 }, (_, index) => Date.UTC(2026, 11, 1, 9 + index));

/** A booking as the specification keeps it; `id` is unknown when its maker never got an answer. */
export type Entry = {
  id: string | undefined;
  startAt: number;
  status: string;
  /** When a deactivation cancelled it. */
  closedAt?: number;
};

/** The specification's state. `keys`: which booking an Idempotency-Key made, by its place among the entries. */
export type State = {
  status: string;
  entries: readonly Entry[];
  keys: Readonly<Record<string, number>>;
};

/** What a client knows. `unknown`: no answer, or one that promises nothing (503). */
export type Result<Ok> =
  | { type: "ok"; value: Ok; bookmark?: string }
  | { type: "refused"; code: string }
  | { type: "unknown" };

/** How the status of the car is changed: by a sale, by its void, or by hand to a status. */
export type StatusChange = "sell" | "void_sale" | "AVAILABLE" | "RESERVED" | "REMOVED";

/** The earliest and the latest time that the clock of the decision may have shown. */
export type Clock = { from: number; to: number };

/** A command with the answer it got. */
export type Operation =
  /** `made`: the id of the booking whose maker never heard of it, if others may have. */
  | {
      type: "book";
      startAt: number;
      key?: string | undefined;
      made?: string | undefined;
      result: Result<{ id: string; replayed: boolean }>;
    }
  | { type: "transition"; id: string; to: string; clock: Clock; result: Result<{ status: string }> }
  | {
      type: "reschedule";
      id: string;
      startAt: number;
      confirmed: boolean;
      clock: Clock;
      result: Result<{ status: string; startAt: number }>;
    }
  /** `at`: what the clock may have said. `cancelled`: the starts of the bookings that were cancelled. */
  | {
      type: "set_status";
      by: StatusChange;
      at: number[];
      result: Result<{ cancelled: number[]; at: number }>;
    }
  /** The customer is deactivated at `now`. `cancelled`: the starts of the bookings that were cancelled. */
  | { type: "close"; now: number; result: Result<{ cancelled: number[] }> }
  /** The starts of the free slots of the day, as a reader saw them whose clock said `now`. */
  | { type: "slots"; now: number; result: Result<number[]> }
  /** All bookings there ever were, as "start status", sorted: what the database says. */
  | { type: "inspect"; result: Result<{ status: string; all: string[] }> };

type Of<Type extends Operation["type"]> = Extract<Operation, { type: Type }>;

const TRANSITIONS: Record<string, string[]> = {
  PENDING: ["APPROVED", "DECLINED", "CANCELLED"],
  APPROVED: ["COMPLETED", "NO_SHOW", "CANCELLED"],
};

const isActive = ({ status }: Entry): boolean => status === "PENDING" || status === "APPROVED";
const isForSale = ({ status }: State): boolean => status === "AVAILABLE" || status === "RESERVED";

const isTaken = ({ entries }: State, startAt: number, except?: Entry): boolean =>
  entries.some((e) => e !== except && isActive(e) && Math.abs(e.startAt - startAt) < HOUR);

const written = (entries: readonly Entry[]): string[] =>
  entries.map(({ startAt, status }) => `${startAt} ${status}`).sort();

const replace = (state: State, old: Entry, changes: Partial<Entry>): State => ({
  ...state,
  entries: state.entries.map((entry) => (entry === old ? { ...entry, ...changes } : entry)),
});

const when = (holds: boolean, state: State): State[] => (holds ? [state] : []);

const equal = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

function book(state: State, { startAt, key, made, result }: Of<"book">): State[] {
  const earlier = key === undefined ? undefined : state.keys[key];
  const entry = earlier === undefined ? undefined : state.entries[earlier];
  if (result.type === "ok" && entry) {
    if (!result.value.replayed) return [];
    // The key's maker never heard the id; from now on it is known.
    if (entry.id === undefined) return [replace(state, entry, { id: result.value.id })];
    return when(entry.id === result.value.id, state);
  }
  const possible = isForSale(state) && !isTaken(state, startAt) && earlier === undefined;
  if (result.type === "refused") {
    if (result.code === "slot_taken") return when(isForSale(state) && isTaken(state, startAt), state);
    if (result.code === "car_not_bookable") return when(!isForSale(state), state);
    return when(result.code === "invalid_request" || result.code === "busy", state);
  }
  if (!possible) return [];
  const added = { id: result.type === "ok" ? result.value.id : made, startAt, status: "PENDING" };
  return [
    {
      ...state,
      entries: [...state.entries, added],
      keys: key === undefined ? state.keys : { ...state.keys, [key]: state.entries.length },
    },
  ];
}

const endOf = ({ startAt }: Entry): number => startAt + HOUR;

function transition(state: State, { id, to, clock, result }: Of<"transition">): State[] {
  const entry = state.entries.find((e) => e.id === id);
  const legal = entry !== undefined && (TRANSITIONS[entry.status] ?? []).includes(to);
  const needsBegin = to === "COMPLETED" || to === "NO_SHOW";
  if (result.type === "refused")
    switch (result.code) {
      case "illegal_transition":
        return when(!legal, state);
      case "too_early":
        return when(legal && needsBegin && clock.from < entry.startAt, state);
      case "too_late":
        return when(legal && to === "CANCELLED" && clock.to >= endOf(entry), state);
      default:
        return when(result.code === "busy", state);
    }
  // A cancellation that was lost finds another one, of the same time, and cannot tell whose it is.
  const { closedAt } = entry ?? {};
  if (result.type === "ok" && to === "CANCELLED" && closedAt !== undefined)
    return when(clock.from <= closedAt && closedAt <= clock.to, state);
  if (!legal || (result.type === "ok" && result.value.status !== to)) return [];
  if (needsBegin && clock.to < entry.startAt) return [];
  if (to === "CANCELLED" && clock.from >= endOf(entry)) return [];
  return [replace(state, entry, { status: to })];
}

function reschedule(state: State, { id, startAt, confirmed, clock, result }: Of<"reschedule">): State[] {
  const entry = state.entries.find((e) => e.id === id);
  const active = entry !== undefined && isActive(entry);
  if (result.type === "refused")
    switch (result.code) {
      case "illegal_transition":
        return when(!active, state);
      case "too_late":
        return when(active && clock.to >= endOf(entry), state);
      case "slot_taken":
        return when(active && isForSale(state) && isTaken(state, startAt, entry), state);
      case "car_not_bookable":
        return when(active && !isForSale(state), state);
      default:
        return when(result.code === "busy" || (result.code === "invalid_request" && active), state);
    }
  if (!active || clock.from >= endOf(entry)) return [];
  const stays = entry.startAt === startAt;
  if (!stays && (!isForSale(state) || isTaken(state, startAt, entry))) return [];
  const status = stays || confirmed ? entry.status : "PENDING";
  const fits =
    result.type === "unknown" || (result.value.status === status && result.value.startAt === startAt);
  return when(fits, stays ? state : replace(state, entry, { startAt, status }));
}

function setStatus(state: State, { by, at, result }: Of<"set_status">): State[] {
  const isSold = state.status === "SOLD";
  const [possible, refusal] =
    by === "sell"
      ? [isForSale(state), "car_not_sellable"]
      : by === "void_sale"
        ? [isSold, "already_void"]
        : [!isSold, "car_sold"];
  if (result.type === "refused")
    return when(result.code === "busy" || (result.code === refusal && !possible), state);
  if (!possible) return [];
  const to = by === "sell" ? "SOLD" : by === "void_sale" ? "AVAILABLE" : by;
  const after = (now: number) => {
    const leaves = to === "SOLD" || to === "REMOVED";
    const over = state.entries.filter((e) => leaves && isActive(e) && e.startAt > now);
    const entries = state.entries.map((e) => (over.includes(e) ? { ...e, status: "CANCELLED" } : e));
    return { state: { ...state, status: to, entries }, cancelled: over.map((e) => e.startAt).sort() };
  };
  if (result.type === "unknown") return at.map((now) => after(now).state);
  const { state: next, cancelled } = after(result.value.at);
  return when(equal(cancelled, result.value.cancelled.toSorted()), next);
}

function close(state: State, { now, result }: Of<"close">): State[] {
  const over = state.entries.filter((e) => isActive(e) && e.startAt > now);
  const entries = state.entries.map((e) =>
    over.includes(e) ? { ...e, status: "CANCELLED", closedAt: now } : e,
  );
  const starts = over.map((e) => e.startAt).sort();
  const fits = result.type !== "ok" || equal(starts, result.value.cancelled.toSorted());
  return when(fits, { ...state, entries });
}

/** The specification of a car that is for sale and has no bookings. */
export const carSpecification: Specification<State, Operation> = {
  initial: { status: "AVAILABLE", entries: [], keys: {} },
  step(state, operation) {
    switch (operation.type) {
      case "book":
        return book(state, operation);
      case "transition":
        return transition(state, operation);
      case "reschedule":
        return reschedule(state, operation);
      case "set_status":
        return setStatus(state, operation);
      case "close":
        return close(state, operation);
      case "slots": {
        if (operation.result.type !== "ok") return [state];
        const free = STARTS.filter((start) => start > operation.now && !isTaken(state, start));
        return when(equal(operation.result.value, isForSale(state) ? free : []), state);
      }
      case "inspect": {
        if (operation.result.type !== "ok") return [state];
        const { status, all } = operation.result.value;
        return when(status === state.status && equal(all, written(state.entries)), state);
      }
    }
  },
  keyOf: (state) => JSON.stringify(state),
};
