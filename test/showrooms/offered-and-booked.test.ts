/**
 * What is offered can be booked, and nothing else can: random showrooms, each tried by booking. Every start that is
 * offered is booked and given back; starts beside them, taken ones and random ones are refused.
 * `OFFERED_POLICIES=200` tries more.
 */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { Random } from "../../tools/random.ts";
import { answer, call, car, person } from "../support/world.ts";

const POLICIES = Number(env.OFFERED_POLICIES ?? "12");
const MINUTE = 60_000;
const GRID = 5 * MINUTE;
const DAY = 24 * 60 * MINUTE;

const admin = await person("ADMIN");

const clock = (minutes: number) =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

/** At most three windows of a day, in order, on the grid. */
const windows = fc
  .uniqueArray(fc.integer({ min: 0, max: 288 }), { minLength: 2, maxLength: 6 })
  .map((ends) => ends.sort((a, b) => a - b))
  .map((ends) =>
    Array.from({ length: Math.floor(ends.length / 2) }, (_, i) =>
      ends.slice(2 * i, 2 * i + 2).map((at) => clock(at * 5)),
    ),
  );

const minutes = (min: number, max: number) => fc.integer({ min: min / 5, max: max / 5 }).map((n) => n * 5);

const showrooms = fc.record({
  time_zone: fc.constantFrom("Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"),
  hours: fc
    .tuple(windows, windows)
    .map(([one, other]) => ({ mon: one, tue: other, wed: one, thu: one, fri: other, sat: one, sun: other })),
  policy: fc.record({
    slot_minutes: minutes(15, 180),
    step_minutes: minutes(10, 120),
    buffer_before_minutes: minutes(0, 60),
    buffer_after_minutes: minutes(0, 60),
    lead_minutes: minutes(0, 1000),
    horizon_days: fc.integer({ min: 2, max: 5 }),
  }),
});

/** Nobody may change bookings often in an hour, so each customer books once. */
async function book(carId: string, at: number) {
  const customer = await person();
  const json = { car: carId, start_at: new Date(at).toISOString() };
  const { status, body } = await answer(call("POST", "/api/bookings/", { token: customer.token, json }));
  const giveBack = () => call("PATCH", `/api/bookings/${body.id}/cancel/`, { token: customer.token });
  return { status, code: body.errors?.[0]?.code ?? body.code, giveBack };
}

async function offered(carId: string, from: string, to: string): Promise<number[]> {
  const { status, body } = await answer(
    call("GET", `/api/cars/${carId}/available-slots/?from=${from}&to=${to}`),
  );
  expect(status).toBe(200);
  return body.map(({ start_at }: { start_at: string }) => Date.parse(start_at));
}

let made = 0;

async function trial(showroom: object, special: string[][] | undefined, after: number, random: Random) {
  made += 1;
  const json = { name: "A showroom", code: `random-${made}`, ...showroom };
  const added = await answer(call("POST", "/api/showrooms/", { token: admin.token, json }));
  expect([added.status, added.body.errors]).toEqual([201, undefined]);
  const { id, time_zone: zone } = added.body;
  const from = addDays(localDate(Date.now(), zone), after);
  const to = addDays(from, 1);
  if (special) {
    const days = { token: admin.token, json: { from, to: from, windows: special } };
    expect((await call("POST", `/api/showrooms/${id}/special-hours/`, days)).status).toBe(201);
  }
  const carId = await car({ showroomId: id });
  // Two drives that stay, so that slots are taken and buffers matter.
  for (const start of (await offered(carId, from, to))
    .filter((_, i) => i % 7 === random.between(0, 6))
    .slice(0, 2))
    await book(carId, start);
  const open = await offered(carId, from, to);
  for (const start of open.filter((_, i) => i % Math.ceil(open.length / 6) === 0)) {
    const booked = await book(carId, start);
    // The lead time may have begun since.
    if (booked.status !== 201) expect(await offered(carId, from, to)).not.toContain(start);
    else expect((await booked.giveBack()).status).toBe(200);
  }
  const first = Date.parse(from) - 12 * 60 * MINUTE;
  const beside = open
    .flatMap((start) => [start - GRID, start + GRID])
    .filter(() => random.between(0, 3) === 0);
  const anywhere = Array.from({ length: 12 }, () => first + random.between(0, (3 * DAY) / GRID - 1) * GRID);
  for (const start of [...beside.slice(0, 12), ...anywhere]) {
    const day = localDate(start, zone);
    if (day < from || day > to || open.includes(start)) continue;
    const { status, code } = await book(carId, start);
    const known = ["in_the_past", "too_soon", "too_far_ahead", "not_a_slot", "slot_taken"];
    expect([status, known.includes(code)], `${new Date(start).toISOString()} ${code}`).toEqual([
      code === "slot_taken" ? 409 : 400,
      true,
    ]);
  }
  return open.length;
}

test(`in ${POLICIES} random showrooms, a start can be booked if and only if it is offered`, async () => {
  const scenes = fc.sample(
    fc.record({
      showroom: showrooms,
      special: fc.option(windows, { nil: undefined }),
      after: fc.integer({ min: 0, max: 2 }),
      seed: fc.nat(),
    }),
    { numRuns: POLICIES, seed: 2026 },
  );
  let slots = 0;
  for (const { showroom, special, after, seed } of scenes) {
    const random = new Random(seed);
    slots += await trial(showroom, special, after, random);
  }
  // Most of them are open.
  expect(slots).toBeGreaterThan(POLICIES);
}, 600_000);
