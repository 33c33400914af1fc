import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { eq } from "drizzle-orm";
import { expect, test } from "vitest";
import type { Booking } from "../../src/bookings/booking.ts";
import { insertBooking, moveBooking } from "../../src/bookings/store.ts";
import type { Change } from "../../src/car-coordinator/commands.ts";
import { absences, bookings } from "../../src/db/schema.ts";
import { build, insertInto, type Statement, statementOf } from "../../src/db/statement.ts";
import { BOOKING_STATUSES, type CarStatus } from "../../src/shared/enums.ts";
import { defaultSchedule } from "../../src/showrooms/schedule.ts";
import { Random } from "../../tools/random.ts";
import { Ledger } from "../../tools/simulation/ledger.ts";

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 11, 1, 12);
const SHOWROOM = "00000000-0000-7000-8000-000000000001";
const STATUS_OF_CAR: Record<string, CarStatus> = { red: "AVAILABLE", blue: "RESERVED", old: "REMOVED" };

const PEOPLE = ["sam", "sue"];

const SEEDS = 260;

/** A database with all migrations and the cars, which begin again with each `ROLLBACK`. */
function migrated(): DatabaseSync {
  const database = new DatabaseSync(":memory:", { enableForeignKeyConstraints: false });
  for (const file of readdirSync("migrations")
    .filter((name) => name.endsWith(".sql"))
    .sort())
    database.exec(readFileSync(`migrations/${file}`, "utf8"));
  database.exec("PRAGMA ignore_check_constraints = ON");
  const columns = database.prepare("PRAGMA table_info(cars)").all();
  const needed = columns
    .filter((c) => c["notnull"] === 1 && c["dflt_value"] === null)
    .map((c) => String(c["name"]));
  const row = (id: string) => ({ ...Object.fromEntries(needed.map((name) => [name, id])), id });
  for (const [id, status] of Object.entries(STATUS_OF_CAR)) {
    const car: Record<string, string> = { ...row(id), status };
    const names = Object.keys(car);
    database
      .prepare(`INSERT INTO cars (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`)
      .run(...Object.values(car));
  }
  for (const id of PEOPLE)
    database
      .prepare(
        `INSERT INTO users (id, username, username_key, password_hash, role, created_at, updated_at)
         VALUES (?1, ?1, ?1, 'none', 'SALES', 0, 0)`,
      )
      .run(id);
  database.exec("PRAGMA ignore_check_constraints = OFF");
  return database;
}

const assigned = (salespersonId: string | null) =>
  ({ salespersonId, assignedBy: salespersonId === null ? null : "STAFF" }) as const;

/** A booking as nobody may write it, or as somebody may. */
function draw(random: Random, old: Booking | undefined, id: string): Booking {
  const now = NOON + random.between(-4, 4) * (HOUR / 2);
  const startAt = old && random.chance(0.6) ? old.startAt : NOON + random.between(0, 6) * (HOUR / 2);
  const buffer = () => random.pick([0, HOUR / 2]);
  const hasBuffers = random.chance(0.6);
  const place = {
    startAt,
    endAt: startAt + HOUR,
    footprintStartAt: hasBuffers ? startAt - buffer() : null,
    footprintEndAt: hasBuffers ? startAt + HOUR + buffer() : null,
  };
  // Another slot of which the car needs the same time: the buffers have changed since then.
  const [from, to] = [old?.footprintStartAt ?? Infinity, old?.footprintEndAt ?? 0];
  if (from <= place.startAt && place.endAt <= to && random.chance(0.5))
    Object.assign(place, { footprintStartAt: from, footprintEndAt: to });
  const heldUntil = random.chance(0.5) ? null : now + random.between(-1, 3) * (HOUR / 2);
  if (old) {
    return {
      ...old,
      ...(startAt === old.startAt ? {} : place),
      heldUntil: random.chance(0.6) ? old.heldUntil : heldUntil,
      ...(random.chance(0.7) ? {} : assigned(random.pick([null, ...PEOPLE]))),
      status: random.chance(0.5) ? old.status : random.pick(BOOKING_STATUSES),
      sequence: old.sequence + 1,
      updatedAt: now,
    };
  }
  return {
    id,
    carId: random.pick(["red", "red", "blue", "blue", "old"]),
    customerId: random.pick(["ada", "bob"]),
    ...place,
    heldUntil,
    ...assigned(random.pick([null, ...PEOPLE])),
    source: "ONLINE",
    status: "PENDING",
    notes: "",
    reason: "",
    handledBy: null,
    sequence: 0,
    createdAt: now,
    updatedAt: now,
    showroomId: SHOWROOM,
    localDate: "2026-12-01",
  };
}

/** A write of a booking by any writer, or by one that leaves the choice of the salesperson to the database. */
function writeOf(
  random: Random,
  old: Booking | undefined,
  booking: Booking,
): { statement: Statement; change: Change } {
  const isMove = old && old.startAt !== booking.startAt;
  if ((!old || isMove) && random.chance(0.4)) {
    // Of several, the real database would choose the one who is next.
    const candidates = random.chance(0.2) ? [] : [random.pick(PEOPLE)];
    if (!old) {
      const nobody = { ...booking, ...assigned(null) };
      return {
        statement: insertBooking(nobody, candidates),
        change: { type: "booked", booking: nobody, candidates },
      };
    }
    const same = { ...booking, salespersonId: old.salespersonId, assignedBy: old.assignedBy };
    return {
      statement: moveBooking(same, candidates),
      change: { type: "rescheduled", booking: same, before: old, candidates },
    };
  }
  if (!old) return { statement: insertBooking(booking), change: { type: "booked", booking } };
  const { id, carId, customerId, createdAt, ...columns } = booking;
  const { startAt, endAt, footprintStartAt, footprintEndAt, showroomId, localDate, ...rest } = columns;
  const statement = build
    .update(bookings)
    .set(isMove ? columns : rest)
    .where(eq(bookings.id, id));
  return {
    statement: statementOf(statement),
    change: { type: "transitioned", booking, before: old, by: "staff" },
  };
}

/** Rules that only the real database has, so that in the simulation the writer alone must keep them. */
const ONLY_REAL = ["too_early", "too_late", "CHECK"];

test("the simulated database allows and refuses what the triggers of the real one do, for the same reason", () => {
  const database = migrated();
  const seen = new Map<string, number>();
  const prepared = new Map<string, StatementSync>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = new Random(seed);
    const cars = Object.entries(STATUS_OF_CAR).map(
      ([id, status]) => [id, { status, since: 0, showroomId: SHOWROOM }] as const,
    );
    const assignment = random.pick(["NONE", "AUTOMATIC"] as const);
    const schedule = defaultSchedule(SHOWROOM, "UTC", 365);
    const schedules = new Map([[SHOWROOM, { ...schedule, policy: { ...schedule.policy, assignment } }]]);
    const ledger = new Ledger({}, { cars: new Map(cars), schedules }, () => 0);
    database.exec("BEGIN");
    database.exec(`UPDATE showrooms SET assignment = '${assignment}'`);
    const run = ({ sql, params }: Statement): string => {
      try {
        const statement = prepared.get(sql) ?? database.prepare(sql);
        prepared.set(sql, statement);
        statement.all(...(params as string[]));
        return "done";
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (let step = 0; step < 25; step += 1) {
      if (random.chance(0.15)) {
        const startAt = NOON + random.between(-1, 6) * (HOUR / 2);
        const absence = { userId: random.pick(PEOPLE), startAt, endAt: startAt + HOUR / 2 };
        const real = run(insertInto(absences, { ...absence, id: `${seed}-${step}`, createdAt: NOON }));
        expect(ledger.addAbsence(absence, NOON) ?? "done", `seed ${seed}`).toBe(real);
        seen.set(`absence: ${real}`, (seen.get(`absence: ${real}`) ?? 0) + 1);
        continue;
      }
      const stored = [...ledger.state.bookings.values()];
      const old = stored.length > 0 && random.chance(0.6) ? random.pick(stored) : undefined;
      const booking = draw(random, old, `${seed}-${step}`);
      const { statement, change } = writeOf(random, old, booking);
      const real = run(statement);
      if (ONLY_REAL.some((rule) => real.includes(rule))) continue;
      const basis = { epoch: 0, schedule: undefined };
      const simulated = ledger.commit(booking.carId, basis, change, undefined) ?? "done";
      expect(simulated, `seed ${seed}: ${JSON.stringify({ old, change })}`).toBe(real);
      seen.set(real, (seen.get(real) ?? 0) + 1);
    }
    const people = database.prepare("SELECT id, salesperson_id, assigned_by FROM bookings ORDER BY id").all();
    const inLedger = [...ledger.state.bookings.values()].map((b) =>
      [b.id, b.salespersonId, b.assignedBy].join(),
    );
    expect(inLedger.sort()).toEqual(people.map((row) => Object.values(row).join()).sort());
    const allocations = database
      .prepare("SELECT kind, resource_id, start_at, end_at, booking_id, expires_at FROM allocations")
      .all()
      .map((row) => Object.values(row).join(" "));
    const simulated = ledger.state.allocations.map((a) =>
      [a.kind, a.resource, a.startAt, a.endAt, a.bookingId, a.expiresAt].map((v) => v ?? "").join(" "),
    );
    expect(simulated.sort()).toEqual(allocations.map((line) => line.replace("null", "")).sort());
    database.exec("ROLLBACK");
  }
  // All of them were drawn often enough for the comparison to mean something.
  for (const rule of [
    "done",
    "slot_taken",
    "customer_busy",
    "car_not_bookable",
    "illegal_transition",
    "hold_expired",
    "too_many_holds",
    "salesperson_busy",
    "salesperson_absent",
    "no_salesperson_free",
    "absence: done",
    "absence: has_bookings",
  ])
    expect(seen.get(rule), rule).toBeGreaterThan(20);
});
