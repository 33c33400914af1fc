import { describe, expect, test } from "vitest";
import { isLinearizable, type Observed } from "../../tools/simulation/linearizability.ts";
import { carSpecification, type Operation } from "../../tools/simulation/specification.ts";

const NINE = Date.UTC(2026, 11, 1, 9);
const TEN = NINE + 3_600_000;
const STARTS = Array.from({ length: 8 }, (_, index) => NINE + index * 3_600_000);

type Book = Extract<Operation, { type: "book" }>;

const book = (startAt: number, result: Book["result"], key?: string): Book => ({
  type: "book",
  startAt,
  key,
  result,
});
const won = (id: string, replayed = false): Book["result"] => ({ type: "ok", value: { id, replayed } });
const refused = (code: string) => ({ type: "refused", code }) as const;
const unknown = { type: "unknown" } as const;
const taken = refused("slot_taken");

/** A read of the free slots, before the first of them, that finds all free but these. */
const read = (...taken: number[]): Operation => ({
  type: "slots",
  now: NINE - 1,
  result: { type: "ok", value: STARTS.filter((start) => !taken.includes(start)) },
});
const inspect = (...all: string[]): Operation => ({
  type: "inspect",
  result: { type: "ok", value: { status: "AVAILABLE", all } },
});
const at = (now: number) => ({ from: now, to: now });
const become = (id: string, to: string, answer: true | string = true, now = 0): Operation => ({
  type: "transition",
  id,
  to,
  clock: at(now),
  result: answer === true ? { type: "ok", value: { status: to } } : refused(answer),
});
const move = (id: string, startAt: number, status: string, confirmed = false, now = 0): Operation => ({
  type: "reschedule",
  id,
  startAt,
  confirmed,
  clock: at(now),
  result: { type: "ok", value: { status, startAt } },
});
const sell = (...cancelled: number[]): Operation => ({
  type: "set_status",
  by: "sell",
  at: [0],
  result: { type: "ok", value: { cancelled, at: 0 } },
});

/** From when to when; one that ends at infinity was never answered. */
type Span = [operation: Operation, called: number, answered: number];

const history = (...spans: Span[]): Observed<Operation>[] =>
  spans.map(([operation, called, answered]) => ({
    operation,
    called,
    answered: Number.isFinite(answered) ? answered : undefined,
  }));

const explained = (...spans: Span[]) => isLinearizable(carSpecification, history(...spans));
const NEVER = Number.POSITIVE_INFINITY;

describe("an impossible history is detected:", () => {
  test.each<[string, ...Span[]]>([
    ["one slot won twice", [book(NINE, won("a")), 1, 2], [book(NINE, won("b")), 3, 4]],
    ["one slot won twice at once", [book(NINE, won("a")), 1, 4], [book(NINE, won("b")), 2, 3]],
    [
      "slots won that overlap by half",
      [book(NINE, won("a")), 1, 2],
      [book(NINE + 1_800_000, won("b")), 3, 4],
    ],
    ["a free slot refused", [book(NINE, taken), 1, 2]],
    ["a slot refused for a neighbour's sake", [book(NINE, won("a")), 1, 2], [book(TEN, taken), 3, 4]],
    ["a slot refused before anybody asked for it", [book(NINE, taken), 1, 2], [book(NINE, won("a")), 3, 4]],
    ["an acknowledged booking lost", [book(NINE, won("a")), 1, 2], [inspect(), 3, 4]],
    [
      "a refused booking in the database",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED"), 3, 4],
      [book(NINE, refused("busy")), 5, 6],
      [inspect(`${NINE} CANCELLED`, `${NINE} PENDING`), 7, 8],
    ],
    ["a booking nobody asked for", [inspect(`${NINE} PENDING`), 1, 2]],
    ["a stale read", [book(NINE, won("a")), 1, 2], [read(), 3, 4]],
    ["a read of the future", [read(NINE), 1, 2], [book(NINE, won("a")), 3, 4]],
    ["reads that go back in time", [book(NINE, won("a")), 1, 10], [read(NINE), 2, 3], [read(), 4, 5]],
    [
      "an unanswered booking that comes and goes",
      [book(NINE, unknown), 1, NEVER],
      [read(NINE), 2, 3],
      [read(), 4, 5],
    ],
    [
      "a freed slot still refused",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED"), 3, 4],
      [book(NINE, taken), 5, 6],
    ],
    [
      "a booking approved twice",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 6],
      [become("a", "APPROVED"), 4, 5],
    ],
    [
      "a cancelled booking approved",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED"), 3, 4],
      [become("a", "APPROVED"), 5, 6],
    ],
    [
      "a legal step refused",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED", "illegal_transition"), 3, 4],
    ],
    ["two bookings for one key", [book(NINE, won("a"), "k"), 1, 2], [book(TEN, won("b"), "k"), 3, 4]],
    [
      "a key that answers with another booking",
      [book(NINE, won("a"), "k"), 1, 2],
      [book(NINE, won("b", true), "k"), 3, 4],
    ],
    [
      "a move onto a taken slot",
      [book(NINE, won("a")), 1, 2],
      [book(TEN, won("b")), 3, 4],
      [move("a", TEN, "PENDING"), 5, 6],
    ],
    [
      "a move that keeps both slots",
      [book(NINE, won("a")), 1, 2],
      [move("a", TEN, "PENDING"), 3, 4],
      [book(NINE, taken), 5, 6],
    ],
    [
      "a customer's move that stays approved",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 4],
      [move("a", TEN, "APPROVED"), 5, 6],
    ],
    [
      "a drive completed before it begins",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 4],
      [become("a", "COMPLETED", true, NINE - 1), 5, 6],
    ],
    [
      "a drive that has begun refused as too early",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 4],
      [become("a", "NO_SHOW", "too_early", NINE), 5, 6],
    ],
    [
      "a drive cancelled after it is over",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED", true, TEN), 3, 4],
    ],
    [
      "a drive under way refused as too late",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED", "too_late", TEN - 1), 3, 4],
    ],
    [
      "a drive moved after it is over",
      [book(NINE, won("a")), 1, 2],
      [move("a", TEN + 3_600_000, "PENDING", false, TEN), 3, 4],
    ],
    ["a booking that outlives the sale of its car", [book(NINE, won("a")), 1, 2], [sell(), 3, 4]],
    ["free slots of a sold car", [sell(), 1, 2], [read(), 3, 4]],
    ["a booking of a sold car", [sell(), 1, 2], [book(NINE, won("a")), 3, 4]],
  ])("%s", (_, ...spans) => expect(explained(...spans)).toBe(false));
});

test("a read by a client with a bookmark comes after the write that answered it, and not after later writes", () => {
  const [first, second] = history([book(NINE, won("a")), 1, 2], [book(TEN, won("b")), 3, 4]);
  const sees = (...taken: number[]): Observed<Operation> => ({
    operation: read(...taken),
    called: 0,
    answered: 5,
    after: first,
  });
  const isExplained = (seen: Observed<Operation>) =>
    first && second && isLinearizable(carSpecification, [first, second, seen]);
  expect(isExplained(sees())).toBe(false);
  expect(isExplained(sees(NINE))).toBe(true);
  expect(isExplained(sees(NINE, TEN))).toBe(true);
});

describe("a possible history is accepted:", () => {
  test.each<[string, ...Span[]]>([
    ["nothing"],
    ["two at once, either may win", [book(NINE, taken), 1, 4], [book(NINE, won("b")), 2, 3]],
    ["neighbours", [book(NINE, won("a")), 1, 2], [book(TEN, won("b")), 3, 4]],
    [
      "an unanswered booking that came to nothing",
      [book(NINE, unknown), 1, NEVER],
      [book(NINE, won("b")), 2, 3],
    ],
    [
      "an unanswered booking that took effect late",
      [book(NINE, unknown), 1, NEVER],
      [read(), 2, 3],
      [book(NINE, taken), 4, 5],
    ],
    [
      "a retry that finds the unanswered first try",
      [book(NINE, unknown, "k"), 1, NEVER],
      [book(NINE, won("a", true), "k"), 2, 3],
      [become("a", "APPROVED"), 4, 5],
    ],
    ["equal requests at once", [book(NINE, won("a", true), "k"), 1, 4], [book(NINE, won("a"), "k"), 2, 3]],
    [
      "a slot freed and won again",
      [book(NINE, won("a")), 1, 2],
      [become("a", "DECLINED"), 3, 4],
      [book(NINE, won("b")), 5, 6],
    ],
    ["a read while a booking is under way, before it", [book(NINE, won("a")), 1, 4], [read(), 2, 3]],
    ["a read while a booking is under way, after it", [book(NINE, won("a")), 1, 4], [read(NINE), 2, 3]],
    [
      "staff's move that stays approved",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 4],
      [move("a", TEN, "APPROVED", true), 5, 6],
    ],
    [
      "a drive completed as soon as it begins",
      [book(NINE, won("a")), 1, 2],
      [become("a", "APPROVED"), 3, 4],
      [become("a", "COMPLETED", "too_early", NINE - 1), 5, 6],
      [become("a", "COMPLETED", true, NINE), 7, 8],
    ],
    [
      "a drive that is over and only declined",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED", "too_late", TEN), 3, 4],
      [become("a", "DECLINED", true, TEN), 5, 6],
    ],
    [
      "a drive cancelled while it is under way",
      [book(NINE, won("a")), 1, 2],
      [become("a", "CANCELLED", true, TEN - 1), 3, 4],
    ],
    [
      "a read of an older state, by a client without a bookmark",
      [book(NINE, won("a")), 1, 2],
      [read(), 0, 4],
    ],
    [
      "a sale that calls bookings off",
      [book(NINE, won("a")), 1, 2],
      [sell(NINE), 3, 4],
      [become("a", "APPROVED", "illegal_transition"), 5, 6],
    ],
  ])("%s", (_, ...spans) => expect(explained(...spans)).toBe(true));
});
