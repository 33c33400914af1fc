/** The guard of the database: nothing is in two places at one time, whoever writes it. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { violationOf } from "../../src/db/violations.ts";
import { car, person } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const NOW = Date.UTC(2027, 0, 4, 8);
const at = (hours: number) => NOW + hours * HOUR_MS;

type Row = {
  id?: string;
  car: string;
  customer: string;
  start: number;
  end?: number;
  /** The footprint, when there are buffers. */
  footprint?: [number, number];
  status?: string;
  heldUntil?: number;
  decidedAt?: number;
};

/** Writes a booking by plain SQL. Returns its id, or the rule that refused it. */
async function book(row: Row): Promise<string> {
  const { id = crypto.randomUUID(), start, end = start + HOUR_MS, decidedAt = NOW } = row;
  const statement = env.DB.prepare(
    `INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, footprint_start_at, footprint_end_at, status,
       held_until, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)`,
  ).bind(
    id,
    row.car,
    row.customer,
    start,
    end,
    row.footprint?.[0] ?? null,
    row.footprint?.[1] ?? null,
    row.status ?? "PENDING",
    row.heldUntil ?? null,
    decidedAt,
  );
  return (await refusalOf(statement)) ?? id;
}

const change = (id: string, set: string, decidedAt = NOW) =>
  refusalOf(env.DB.prepare(`UPDATE bookings SET ${set}, updated_at = ?2 WHERE id = ?1`).bind(id, decidedAt));

async function refusalOf(statement: D1PreparedStatement): Promise<string | undefined> {
  try {
    await statement.run();
  } catch (error) {
    return violationOf(error) ?? String(error);
  }
  return undefined;
}

const allocationsOf = async (id: string) =>
  (
    await env.DB.prepare(
      "SELECT kind, start_at AS start, end_at AS end, expires_at AS expires FROM allocations WHERE booking_id = ? ORDER BY kind",
    )
      .bind(id)
      .all()
  ).results;

const world = async () => ({
  cars: [await car(), await car()] as const,
  customers: [(await person()).id, (await person()).id] as const,
});

describe("an active booking", () => {
  test("occupies its car with the buffers and its customer without them", async () => {
    const { cars, customers } = await world();
    const id = await book({
      car: cars[0],
      customer: customers[0],
      start: at(1),
      footprint: [at(0.5), at(2.25)],
    });
    expect(await allocationsOf(id)).toEqual([
      { kind: "CAR", start: at(0.5), end: at(2.25), expires: null },
      { kind: "CUSTOMER", start: at(1), end: at(2), expires: null },
    ]);
  });

  test.each([
    ["the same time", 0, 1, "slot_taken"],
    ["a start within it", 0.5, 1.5, "slot_taken"],
    ["an end within it", -0.5, 0.5, "slot_taken"],
    ["a time around it", -1, 2, "slot_taken"],
    ["a time inside it", 0.25, 0.75, "slot_taken"],
  ])("keeps others from its car at %s", async (_, from, to, refused) => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10) });
    const other = { car: cars[0], customer: customers[1], start: at(10 + from), end: at(10 + to) };
    expect(await book(other)).toBe(refused);
  });

  test("lets others follow and precede it without a gap", async () => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10) });
    const [before, after] = [at(9), at(11)];
    for (const start of [before, after])
      expect(await book({ car: cars[0], customer: customers[1], start })).not.toBe("slot_taken");
  });

  test("keeps others out of its buffers, and its own buffers out of others", async () => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10), footprint: [at(9.5), at(11.5)] });
    expect(await book({ car: cars[0], customer: customers[1], start: at(11) })).toBe("slot_taken");
    const reaching = {
      car: cars[0],
      customer: customers[1],
      start: at(8),
      footprint: [at(8), at(9.75)] as [number, number],
    };
    expect(await book(reaching)).toBe("slot_taken");
    expect(await book({ car: cars[0], customer: customers[1], start: at(11.5) })).not.toBe("slot_taken");
  });

  test("keeps its customer from every other car at that time", async () => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10) });
    expect(await book({ car: cars[1], customer: customers[0], start: at(10.5) })).toBe("customer_busy");
    expect(await book({ car: cars[1], customer: customers[0], start: at(11) })).not.toBe("customer_busy");
  });

  test("lets go of both when it ends, and of the old time when it moves", async () => {
    const { cars, customers } = await world();
    const id = await book({ car: cars[0], customer: customers[0], start: at(10) });
    expect(await change(id, `start_at = ${at(12)}, end_at = ${at(13)}`)).toBeUndefined();
    const next = await book({ car: cars[0], customer: customers[1], start: at(10) });
    expect(await change(next, `start_at = ${at(12)}, end_at = ${at(13)}`)).toBe("slot_taken");
    expect(await change(id, "status = 'CANCELLED'")).toBeUndefined();
    expect(await allocationsOf(id)).toEqual([]);
    expect(await change(next, `start_at = ${at(12)}, end_at = ${at(13)}`)).toBeUndefined();
  });

  test("is refused where moving it would put its customer into two cars", async () => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10) });
    const id = await book({ car: cars[1], customer: customers[0], start: at(14) });
    expect(await change(id, `start_at = ${at(10)}, end_at = ${at(11)}`)).toBe("customer_busy");
    expect(await allocationsOf(id)).toHaveLength(2);
  });
});

describe("an allocation", () => {
  test.each(["CAR", "CUSTOMER", "SALESPERSON"])(
    "of a %s is refused by plain SQL when it overlaps",
    async (kind) => {
      const resource = crypto.randomUUID();
      const insert = (start: number, end: number) =>
        refusalOf(
          env.DB.prepare("INSERT INTO allocations VALUES (?, ?, ?, ?, ?, NULL)").bind(
            kind,
            resource,
            start,
            end,
            crypto.randomUUID(),
          ),
        );
      expect(await insert(at(1), at(2))).toBeUndefined();
      const refused = kind === "CAR" ? "slot_taken" : `${kind.toLowerCase()}_busy`;
      for (const [start, end] of [
        [1, 2],
        [0, 3],
        [1.5, 1.75],
        [0.5, 1.5],
        [1.5, 2.5],
        [-20, 1.1],
      ] as const)
        expect(await insert(at(start), at(end)), `${start} to ${end}`).toBe(refused);
      expect(await insert(at(2), at(3))).toBeUndefined();
      const moved = env.DB.prepare(
        "UPDATE allocations SET start_at = ? WHERE resource_id = ? AND start_at = ?",
      );
      expect(await refusalOf(moved.bind(at(1), resource, at(2)))).toBe("immutable");
    },
  );

  test("lasts at most a day, because an overlap is searched a day back", async () => {
    const { cars, customers } = await world();
    const long = { car: cars[0], customer: customers[0], start: at(10) };
    expect(await book({ ...long, footprint: [at(0), at(24.1)] })).toMatch(/^check:/);
    expect(await book({ ...long, footprint: [at(10.1), at(12)] })).toMatch(/^check:/);
    expect(await book({ ...long, footprint: [at(9), at(10.5)] })).toMatch(/^check:/);
    const id = await book({ ...long, footprint: [at(0), at(24)] });
    expect(await book({ car: cars[0], customer: customers[1], start: at(23.5) })).toBe("slot_taken");
    expect(await allocationsOf(id)).toHaveLength(2);
  });

  test("of an active booking cannot be deleted", async () => {
    const { cars, customers } = await world();
    const id = await book({ car: cars[0], customer: customers[0], start: at(10) });
    const taken = env.DB.prepare("DELETE FROM allocations WHERE booking_id = ?").bind(id);
    expect(await refusalOf(taken)).toBe("immutable");
  });
});

describe("a hold", () => {
  test("occupies its slot until the instant it ends, and then nothing, without a sweep", async () => {
    const { cars, customers } = await world();
    await book({ car: cars[0], customer: customers[0], start: at(10), heldUntil: NOW + 1000 });
    const other = { car: cars[0], customer: customers[1], start: at(10) };
    expect(await book({ ...other, decidedAt: NOW + 999 })).toBe("slot_taken");
    expect(await book({ ...other, decidedAt: NOW + 1000 })).not.toBe("slot_taken");
    const own = { car: cars[1], customer: customers[0], start: at(10), decidedAt: NOW + 1000 };
    expect(await book(own)).not.toBe("customer_busy");
  });

  test("is confirmed before it ends, and not after", async () => {
    const { cars, customers } = await world();
    const [early, late] = [
      await book({ car: cars[0], customer: customers[0], start: at(10), heldUntil: NOW + 1000 }),
      await book({ car: cars[1], customer: customers[1], start: at(10), heldUntil: NOW + 1000 }),
    ];
    expect(await change(early, "held_until = NULL", NOW + 999)).toBeUndefined();
    expect(await allocationsOf(early)).toMatchObject([{ expires: null }, { expires: null }]);
    expect(await change(late, "held_until = NULL", NOW + 1000)).toBe("hold_expired");
    expect(await change(late, "status = 'CANCELLED'", NOW + 1000)).toBeUndefined();
  });

  test("is not prolonged, approved or moved, and a booking does not become one", async () => {
    const { cars, customers } = await world();
    const id = await book({ car: cars[0], customer: customers[0], start: at(10), heldUntil: NOW + 1000 });
    expect(await change(id, `held_until = ${NOW + 2000}`)).toBe("illegal_transition");
    expect(await change(id, "status = 'APPROVED'")).toMatch(/^(illegal_transition|check:.*)$/);
    expect(await change(id, `start_at = ${at(12)}, end_at = ${at(13)}`)).toBe("illegal_transition");
    const booked = await book({ car: cars[1], customer: customers[1], start: at(10) });
    expect(await change(booked, `held_until = ${NOW + 1000}`)).toBe("illegal_transition");
  });

  test("is one of at most two of a customer", async () => {
    const { cars, customers } = await world();
    const hold = (start: number, decidedAt = NOW) =>
      book({
        car: cars[0],
        customer: customers[0],
        start: at(start),
        heldUntil: decidedAt + 1000,
        decidedAt,
      });
    await hold(10);
    await hold(12);
    expect(await hold(14)).toBe("too_many_holds");
    expect(await hold(14, NOW + 1000)).not.toBe("too_many_holds");
  });
});

describe("a showroom", () => {
  test("gets a higher version with each change of it or its special hours, so that older decisions fail", async () => {
    const id = crypto.randomUUID();
    await env.DB.prepare(
      "INSERT INTO showrooms (id, code, name, time_zone, horizon_days, hours, created_at, updated_at) VALUES (?1, ?1, 'x', 'Europe/Berlin', 30, '{}', 0, 0)",
    )
      .bind(id)
      .run();
    const version = () =>
      env.DB.prepare("SELECT version FROM showrooms WHERE id = ?").bind(id).first<number>("version");
    const decidedBy = (known: number) =>
      refusalOf(env.DB.prepare("INSERT INTO schedule_versions VALUES (?, ?)").bind(id, known));
    for (const [step, sql] of [
      "UPDATE showrooms SET name = 'y' WHERE id = ?1",
      "INSERT INTO special_hours VALUES (?1, ?1, '2027-01-01', '2027-01-01', '[]', '', 0)",
      "UPDATE special_hours SET to_date = '2027-01-02' WHERE showroom_id = ?1",
      "DELETE FROM special_hours WHERE showroom_id = ?1",
    ].entries()) {
      expect(await version()).toBe(step + 1);
      expect(await decidedBy(step + 1)).toBeUndefined();
      await env.DB.prepare(sql).bind(id).run();
      expect(await decidedBy(step + 1)).toBe("schedule_changed");
    }
    expect(await version()).toBe(5);
  });

  test("exists for each car, and is never deleted", async () => {
    const carId = await car();
    const move = env.DB.prepare("UPDATE cars SET showroom_id = 'nowhere' WHERE id = ?").bind(carId);
    expect(await refusalOf(move)).toBe("unknown_showroom");
    expect(await refusalOf(env.DB.prepare("DELETE FROM showrooms"))).toBe("immutable");
  });
});
