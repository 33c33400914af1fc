import { and, eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { absences, allocations, bookings, calendars, notifications } from "../../src/db/schema.ts";
import { openShowroom, salesperson } from "../support/showroom.ts";
import { answer, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");
const HOUR_MS = 3_600_000;

const absent = (
  token: string,
  id: string,
  at: number,
  more: object = {},
  headers: Record<string, string> = {},
) =>
  answer(
    call("POST", `/api/staff/${id}/absences/`, {
      token,
      json: { from: iso(at), to: iso(at + 8 * HOUR_MS), ...more },
      headers,
    }),
  );
const absencesOf = (id: string) => db.select().from(absences).where(eq(absences.userId, id));
const rowOf = async (id: string) => (await db.select().from(bookings).where(eq(bookings.id, id)))[0];

/** A showroom with people, and a drive of the first of them on a day. */
async function stage(colleagues = 1) {
  const room = await openShowroom(admin);
  const sam = await salesperson(admin, room);
  const carId = await car({ showroomId: room });
  const customer = await person();
  const json = { car: carId, start_at: iso(slot(3, 2)) };
  const { body } = await answer(call("POST", "/api/bookings/", { token: customer.token, json }));
  expect(body.salesperson).toBe(sam.id);
  const others = [];
  for (let n = 0; n < colleagues; n += 1) others.push(await salesperson(admin, room));
  return { room, sam, carId, customer, others, drive: body.id as string };
}

describe("an absence", () => {
  test("is added with its path, listed latest first and removed", async () => {
    const sue = await person("SALES");
    const first = await absent(sue.token, sue.id, slot(3), { reason: "A course" });
    expect(first.body).toEqual({
      id: first.body.id,
      from: `${iso(slot(3)).slice(0, 19)}Z`,
      to: `${iso(slot(3) + 8 * HOUR_MS).slice(0, 19)}Z`,
      reason: "A course",
      created_at: expect.any(String),
    });
    const second = await absent(admin.token, sue.id, slot(5));
    const { body } = await answer(call("GET", `/api/staff/${sue.id}/absences/`, { token: sue.token }));
    expect(body.results.map(({ id }: { id: string }) => id)).toEqual([second.body.id, first.body.id]);
    const path = first.headers.get("Location") ?? "";
    expect((await call("DELETE", path, { token: sue.token })).status).toBe(204);
    expect((await call("DELETE", path, { token: sue.token })).status).toBe(404);
    expect(await absencesOf(sue.id)).toHaveLength(1);
  });

  test("is added once for one key, also at once", async () => {
    const sue = await person("SALES");
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const answers = await Promise.all([1, 2, 3].map(() => absent(sue.token, sue.id, slot(3), {}, headers)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(await absencesOf(sue.id)).toHaveLength(1);
  });

  test.each([
    ["an end that is not later", { to: iso(slot(3)) }, "to", "not_after_from"],
    ["an instant that does not exist", { from: "2030-02-30T10:00:00Z" }, "from", "invalid_instant"],
    ["a reason of 501 characters", { reason: "r".repeat(501) }, "reason", "too_big"],
  ])("is refused for %s", async (_, more, field, code) => {
    const sue = await person("SALES");
    const { status, body } = await absent(sue.token, sue.id, slot(3), more);
    expect([status, body.errors]).toMatchObject([400, [{ field, code }]]);
  });

  test("is nobody else's business but an ADMIN's", async () => {
    const [sue, sam, carol] = [await person("SALES"), await person("SALES"), await person()];
    expect((await absent(sam.token, sue.id, slot(3))).status).toBe(404);
    expect((await absent(carol.token, sue.id, slot(3))).status).toBe(403);
    const { body } = await absent(sue.token, sue.id, slot(3));
    const path = `/api/staff/${sue.id}/absences/${body.id}/`;
    expect((await call("DELETE", path, { token: sam.token })).status).toBe(404);
    expect(
      (await call("DELETE", `/api/staff/${sam.id}/absences/${body.id}/`, { token: sam.token })).status,
    ).toBe(404);
    expect(await absencesOf(sue.id)).toHaveLength(1);
  });
});

describe("an absence with drives inside", () => {
  test("is refused with the list of them, and changes nothing", async () => {
    const { sam, drive, carId } = await stage();
    const refused = await absent(sam.token, sam.id, slot(3));
    expect([refused.status, refused.body.code]).toEqual([409, "has_bookings"]);
    const at = slot(3, 2);
    const times = { start_at: `${iso(at).slice(0, 19)}Z`, end_at: `${iso(at + HOUR_MS).slice(0, 19)}Z` };
    expect(refused.body.bookings).toEqual([{ id: drive, car: carId, ...times }]);
    expect([await absencesOf(sam.id), (await rowOf(drive))?.sequence]).toEqual([[], 0]);
    // Beside it, there is none.
    expect((await absent(sam.token, sam.id, slot(3, 3))).status).toBe(201);
  });

  test("gives them to free colleagues on request, who are told, and coordinators know", async () => {
    const { sam, drive, carId, others, customer } = await stage();
    expect((await absent(sam.token, sam.id, slot(3), { reassign: true })).status).toBe(201);
    expect(await rowOf(drive)).toMatchObject({
      salespersonId: others[0]?.id,
      assignedBy: "AUTO",
      sequence: 1,
    });
    const mails = await db
      .select()
      .from(notifications)
      .where(and(eq(notifications.bookingId, drive), eq(notifications.kind, "staff_booking")))
      .orderBy(notifications.id);
    expect(
      mails.map(({ recipient, facts }) => [recipient, (facts as { handover?: string }).handover]),
    ).toEqual([
      [sam.email, undefined],
      [others[0]?.email, "given"],
      [sam.email, "taken"],
    ]);
    expect((await db.select().from(calendars).where(eq(calendars.carId, carId)))[0]?.epoch).toBeGreaterThan(
      1,
    );
    const json = { start_at: iso(slot(3, 3)) };
    const moved = await answer(
      call("PATCH", `/api/bookings/${drive}/reschedule/`, { token: customer.token, json }),
    );
    expect(moved.body.salesperson).toBe(others[0]?.id);
  });

  test("is refused as a whole when one of them can be given to nobody", async () => {
    const { sam, room, drive, others } = await stage();
    const other = await car({ showroomId: room });
    const json = { car: other, start_at: iso(slot(3, 4)) };
    const { body } = await answer(call("POST", "/api/bookings/", { token: (await person()).token, json }));
    const assign = { token: admin.token, json: { salesperson: sam.id } };
    if (body.salesperson !== sam.id) await call("PATCH", `/api/bookings/${body.id}/assign/`, assign);
    expect((await absent(others[0]?.token ?? "", others[0]?.id ?? "", slot(3, 4))).status).toBe(201);
    const refused = await absent(sam.token, sam.id, slot(3), { reassign: true });
    expect([refused.status, refused.body.code, refused.body.bookings?.length]).toEqual([
      409,
      "has_bookings",
      2,
    ]);
    expect(await absencesOf(sam.id)).toEqual([]);
    expect((await rowOf(drive))?.salespersonId).toBe(sam.id);
  });
});

describe("the end of a salesperson's access", () => {
  test.each(["staff", "users"])("gives their coming drives to colleagues, through /api/%s", async (area) => {
    const { sam, drive, others } = await stage();
    const ended = await answer(
      call("PATCH", `/api/${area}/${sam.id}/`, { token: admin.token, json: { is_active: false } }),
    );
    expect(ended.status).toBe(200);
    if (area === "staff") expect(ended.body.bookings_unassigned).toEqual([]);
    expect(await rowOf(drive)).toMatchObject({ salespersonId: others[0]?.id, assignedBy: "AUTO" });
  });

  test("is never held up: drives that nobody can make are left without anybody, and listed", async () => {
    const { sam, drive, carId } = await stage(0);
    const ended = await answer(
      call("PATCH", `/api/staff/${sam.id}/`, { token: admin.token, json: { is_active: false } }),
    );
    expect([ended.status, ended.body.is_active, ended.body.bookings_unassigned]).toEqual([
      200,
      false,
      [drive],
    ]);
    expect(await rowOf(drive)).toMatchObject({ salespersonId: null, assignedBy: null, status: "PENDING" });
    expect(await db.select().from(allocations).where(eq(allocations.bookingId, drive))).toHaveLength(2);
    const json = { car: carId, start_at: iso(slot(3, 5)) };
    const next = await answer(call("POST", "/api/bookings/", { token: (await person()).token, json }));
    expect(next.body.code).toBe("no_salesperson_free");
  });
});
