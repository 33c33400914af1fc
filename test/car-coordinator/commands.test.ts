import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  apply,
  type CarState,
  type Command,
  type Decision,
  decide,
} from "../../src/car-coordinator/commands.ts";
import type { Commission, Sale } from "../../src/sales/store.ts";
import { BOOKING_STATUSES } from "../../src/shared/enums.ts";
import { overlaps } from "../../src/shared/showroom-time.ts";
import { defaultSchedule } from "../../src/showrooms/schedule.ts";
import { carSpecification, type Operation, type State } from "../../tools/simulation/specification.ts";

const HOUR = 3_600_000;
const SCHEDULE = defaultSchedule("showroom", "Europe/Berlin", 3);
/** The evening before the clocks go forward. */
const EVE = Date.UTC(2026, 2, 28, 17);

type World = { state: CarState; now: number; ids: number };
type Model = { state: State };

const localHour = new Intl.DateTimeFormat("en-GB", {
  timeZone: "Europe/Berlin",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** Computed by another library than the one under test. */
const isSlot = (at: number): boolean =>
  at % 1000 === 0 && /^(09|1[0-6]):00:00$/.test(localHour.format(new Date(at)));

const localDay = new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Berlin" });
const dayNumber = (at: number): number => Date.parse(localDay.format(new Date(at))) / (24 * HOUR);

/** Staff are not bound by the horizon. */
const mayStart = (at: number, now: number, byStaff: boolean): boolean =>
  at > now && (byStaff || dayNumber(at) - dayNumber(now) <= SCHEDULE.policy.horizonDays) && isSlot(at);

const isByStaff = (command: Command): boolean => command.type === "reschedule" && command.confirmed;

/** What a client would have seen of this decision, for the specification to judge. */
function operationOf(command: Command, decision: Decision, now: number): Operation {
  const clock = { from: now, to: now };
  const refusal = decision.ok ? undefined : ({ type: "refused", code: decision.refusal.code } as const);
  const booking = decision.ok ? decisionBooking(decision) : undefined;
  const ok = <T>(value: T) => refusal ?? ({ type: "ok", value } as const);
  switch (command.type) {
    case "book":
      return {
        type: "book",
        startAt: command.startAt,
        result: ok({ id: booking?.id ?? "", replayed: false }),
      };
    case "transition":
      return {
        type: "transition",
        id: command.bookingId,
        to: command.to,
        clock,
        result: ok({ status: booking?.status ?? "" }),
      };
    case "reschedule": {
      const { bookingId: id, startAt, confirmed } = command;
      const value = { status: booking?.status ?? "", startAt: booking?.startAt ?? 0 };
      return { type: "reschedule", id, startAt, confirmed, clock, result: ok(value) };
    }
    case "confirm":
      throw new Error("the specification of one car knows no holds");
    case "assign":
      throw new Error("the specification of one car knows no salespeople");
    case "set_status":
    case "sell":
    case "void_sale": {
      const change = decision.ok && decision.change?.type === "status_changed" ? decision.change : undefined;
      const value = { cancelled: change?.cancelled.map(({ startAt }) => startAt) ?? [], at: change?.at ?? 0 };
      const by = command.type === "set_status" ? command.to : command.type;
      return { type: "set_status", by, at: [], result: ok(value) };
    }
  }
}

const decisionBooking = (decision: Decision & { ok: true }) =>
  decision.change === undefined
    ? decision.booking
    : decision.change.type === "status_changed"
      ? undefined
      : decision.change.booking;

/** A command as drawn; a booking is named by its place among those made so far. */
class Step implements fc.Command<Model, World> {
  readonly #draw: (ids: number) => Command;
  readonly #pass: number;
  #text = "";

  constructor(pass: number, draw: (ids: number) => Command) {
    this.#pass = pass;
    this.#draw = draw;
  }

  check = () => true;
  toString = () => this.#text;

  run(model: Model, world: World): void {
    world.now += this.#pass;
    const command = this.#draw(world.ids);
    this.#text = `+${this.#pass / HOUR} h ${JSON.stringify(command)}`;
    const before = JSON.stringify([world.state.status, ...world.state.active.values()]);
    const decision = decide(world.state, command, {
      carId: "car",
      now: world.now,
      newId: `b${world.ids}`,
    });
    expect(JSON.stringify([world.state.status, ...world.state.active.values()])).toBe(before);

    const [next, ...others] = carSpecification.step(model.state, operationOf(command, decision, world.now));
    expect(others).toEqual([]);
    if (!next) throw new Error(`the specification does not allow ${JSON.stringify(decision)}`);
    model.state = next;

    if (decision.ok && decision.change) {
      if (decision.change.type === "booked") world.ids += 1;
      if (decision.change.type === "booked" || decision.change.type === "rescheduled")
        expect(mayStart(decision.change.booking.startAt, world.now, isByStaff(command))).toBe(true);
      world.state = apply(world.state, decision.change);
    }
    if (!decision.ok) this.#checkRefusal(world, command, decision.refusal);
    checkState(model.state, world.state);
  }

  #checkRefusal({ now }: World, command: Command, refusal: (Decision & { ok: false })["refusal"]) {
    if (refusal.code === "invalid_request")
      expect(mayStart("startAt" in command ? command.startAt : 0, now, isByStaff(command))).toBe(false);
  }
}

function checkState(state: State, { status, active }: CarState): void {
  const all = [...active.values()];
  for (const one of all) expect(all.some((other) => other !== one && overlaps(one, other))).toBe(false);
  expect(status).toBe(state.status);
  const expected = state.entries.filter((entry) => ["PENDING", "APPROVED"].includes(entry.status));
  const brief = (b: { id: string | undefined; startAt: number; status: string }) =>
    `${b.id} ${b.startAt} ${b.status}`;
  expect(all.map(brief).sort()).toEqual(expected.map(brief).sort());
}

const start = fc.oneof(
  // Sunday and Monday, nine to one o'clock, where most of them meet.
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(1), fc.nat(4)).map(([day, hour]) => EVE + (14 + day * 24 + hour) * HOUR),
  },
  { weight: 1, arbitrary: fc.integer({ min: -30, max: 100 }).map((half) => EVE + half * (HOUR / 2)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 4 * 24 * HOUR }).map((ms) => EVE + ms) },
);
const pass = fc.constantFrom(0, 0, 0, HOUR / 2, 12 * HOUR);
const nth = fc.nat(20);

const SETTABLE = ["AVAILABLE", "RESERVED", "REMOVED"] as const;
const setStatus = (to: (typeof SETTABLE)[number]): Command => ({ type: "set_status", to });
// What is recorded of a sale is of no consequence here.
const SELL: Command = { type: "sell", sale: {} as Sale, commission: {} as Commission };
const VOID_SALE: Command = { type: "void_sale", sale: {} as Sale, reversal: {} as Commission };

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(pass, start)
      .map(([ms, startAt]) => new Step(ms, () => ({ type: "book", customerId: "c", startAt, notes: "" }))),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(pass, nth, fc.constantFrom(...BOOKING_STATUSES))
      .map(
        ([ms, n, to]) => new Step(ms, (ids) => ({ type: "transition", bookingId: `b${n % (ids + 1)}`, to })),
      ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(pass, nth, start, fc.boolean())
      .map(
        ([ms, n, startAt, confirmed]) =>
          new Step(ms, (ids) => ({ type: "reschedule", bookingId: `b${n % (ids + 1)}`, startAt, confirmed })),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(pass, fc.constantFrom<Command>(...SETTABLE.map(setStatus), SELL, VOID_SALE, VOID_SALE))
      .map(([ms, command]) => new Step(ms, () => command)),
  },
);

describe("decide and apply", () => {
  test("behave like the specification for any order of commands, across a clock change", () => {
    fc.assert(
      fc.property(fc.commands([step], { maxCommands: 60, size: "max" }), (commands) => {
        fc.modelRun(
          () => ({
            model: { state: carSpecification.initial },
            real: {
              state: { status: "AVAILABLE" as const, schedule: SCHEDULE, active: new Map() },
              now: EVE,
              ids: 0,
            },
          }),
          commands,
        );
      }),
      { numRuns: 500, seed: 20261201 },
    );
  });

  test("refuse commands about an unknown car, and allow only the legal changes of a status", () => {
    const context = { carId: "car", now: EVE, newId: "b" };
    const codeOf = (state: CarState, command: Command) => {
      const decision = decide(state, command, context);
      return decision.ok ? "ok" : decision.refusal.code;
    };
    const book: Command = { type: "book", customerId: "c", startAt: EVE + 14 * HOUR, notes: "" };
    const commands = [book, setStatus("REMOVED"), SELL, VOID_SALE];
    const inStatus = (status: CarState["status"]) =>
      commands.map((command) => codeOf({ status, schedule: SCHEDULE, active: new Map() }, command));
    expect(inStatus(undefined)).toEqual(Array(4).fill("car_not_found"));
    expect(inStatus("AVAILABLE")).toEqual(["ok", "ok", "ok", "already_void"]);
    expect(inStatus("RESERVED")).toEqual(["ok", "ok", "ok", "already_void"]);
    expect(inStatus("REMOVED")).toEqual(["car_not_bookable", "ok", "car_not_sellable", "already_void"]);
    expect(inStatus("SOLD")).toEqual(["car_not_bookable", "car_sold", "car_not_sellable", "ok"]);
  });

  test("do not confirm a hold over whose slot a clock that is ahead has booked", () => {
    const [startAt, heldUntil] = [EVE + 14 * HOUR, EVE + HOUR];
    let state: CarState = { status: "AVAILABLE", schedule: SCHEDULE, active: new Map() };
    const run = (now: number, newId: string, command: Command) => {
      const decision = decide(state, command, { carId: "car", now, newId });
      if (decision.ok && decision.change) state = apply(state, decision.change);
      return decision.ok ? "ok" : decision.refusal.code;
    };
    const book = (customerId: string, until?: number): Command => ({
      type: "book",
      customerId,
      startAt,
      notes: "",
      heldUntil: until,
    });
    expect(run(EVE, "hold", book("a", heldUntil))).toBe("ok");
    expect(run(heldUntil - 1, "early", book("b"))).toBe("slot_taken");
    expect(run(heldUntil, "booked", book("b"))).toBe("ok");
    expect(run(heldUntil - 1, "", { type: "confirm", bookingId: "hold" })).toBe("hold_expired");
    expect(run(heldUntil - 1, "", { type: "transition", bookingId: "booked", to: "APPROVED" })).toBe("ok");
    expect(state.active.get("booked")).toMatchObject({ status: "APPROVED", updatedAt: heldUntil });
  });

  test("refuse a command of a newer version with `unavailable`, and change nothing", () => {
    const state: CarState = { status: "AVAILABLE", schedule: SCHEDULE, active: new Map() };
    const unknown = { type: "rent", days: 3 } as unknown as Command;
    const context = { carId: "car", now: EVE, newId: "b" };
    expect(decide(state, unknown, context)).toEqual({ ok: false, refusal: { code: "unavailable" } });
  });
});
