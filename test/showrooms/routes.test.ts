import { env } from "cloudflare:workers";
import { and, eq, inArray } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { bookings, calendars, FIRST_SHOWROOM, notifications, showrooms } from "../../src/db/schema.ts";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { showroomSchema } from "../../src/showrooms/schemas.ts";
import { answer, booking, call, car, db, iso, person, slot, ZONE } from "../support/world.ts";

const admin = await person("ADMIN");

let made = 0;
const described = (more: Record<string, unknown> = {}) => {
  made += 1;
  return { name: "Berlin Mitte", code: `branch-${made}`, time_zone: "Europe/Berlin", ...more };
};

type Headers = Record<string, string>;
const as = (token: string | undefined) => ({
  create: (json: unknown, headers: Headers = {}) =>
    answer(call("POST", "/api/showrooms/", { token, json, headers })),
  change: (id: string, json: unknown, query = "", headers: Headers = {}) =>
    answer(call("PATCH", `/api/showrooms/${id}/${query}`, { token, json, headers })),
  show: (id: string) => answer(call("GET", `/api/showrooms/${id}/`, { token })),
  special: (id: string, json: unknown, query = "", headers: Headers = {}) =>
    answer(call("POST", `/api/showrooms/${id}/special-hours/${query}`, { token, json, headers })),
  specials: (id: string, query = "") =>
    answer(call("GET", `/api/showrooms/${id}/special-hours/${query}`, { token })),
  unspecial: (id: string, special: string, query = "") =>
    answer(call("DELETE", `/api/showrooms/${id}/special-hours/${special}/${query}`, { token })),
});
const { create, change, show, special, specials, unspecial } = as(admin.token);

/** A showroom with the hours and policy that a new one has; returns its id. */
async function showroom(more: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await create(described(more));
  expect([status, body.errors]).toEqual([201, undefined]);
  return body.id;
}

const day = (days: number) => addDays(localDate(Date.now(), ZONE), days);
const closedOn = (date: string) => ({ from: date, to: date, windows: [] });

/** A coming drive of a car of a showroom, in the slot of `slot(days, index)`. */
async function drive(showroomId: string, days = 3, index = 0, more: object = {}) {
  const customer = await person();
  const carId = await car({ showroomId });
  const id = await booking({
    carId,
    customerId: customer.id,
    showroomId,
    startAt: slot(days, index),
    status: "APPROVED",
    ...more,
  });
  return { id, carId, customer };
}

const bookingRow = async (id: string) => (await db.select().from(bookings).where(eq(bookings.id, id)))[0];
const noticesOf = (id: string) => db.select().from(notifications).where(eq(notifications.bookingId, id));
const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id);

describe("the showroom that a new database has", () => {
  test("is named by the configuration until an administrator names it", async () => {
    const first = await as(undefined).show(FIRST_SHOWROOM);
    expect(first.body).toMatchObject({
      code: "main",
      name: env.SHOWROOM_NAME,
      time_zone: ZONE,
      policy: { slot_minutes: 60, horizon_days: Number(env.BOOKING_HORIZON_DAYS) },
    });
    const named = await change(FIRST_SHOWROOM, { name: "Head office", time_zone: ZONE });
    expect([named.status, named.body.name, named.body.time_zone]).toEqual([200, "Head office", ZONE]);
    await db.update(showrooms).set({ name: null }).where(eq(showrooms.id, FIRST_SHOWROOM));
  });
});

describe("adding a showroom", () => {
  test("gets 201 with the showroom, its path and its tag, and everybody sees it", async () => {
    const answered = await create(described({ email: "mitte@example.com", latitude: 52.5, longitude: 13.4 }));
    expect(answered.status).toBe(201);
    const daily = [["09:00", "17:00"]];
    expect(showroomSchema.parse(answered.body)).toMatchObject({
      name: "Berlin Mitte",
      address: "",
      email: "mitte@example.com",
      latitude: 52.5,
      is_active: true,
      hours: { mon: daily, tue: daily, wed: daily, thu: daily, fri: daily, sat: daily, sun: daily },
      policy: {
        slot_minutes: 60,
        step_minutes: 60,
        buffer_before_minutes: 0,
        buffer_after_minutes: 0,
        lead_minutes: 0,
        horizon_days: Number(env.BOOKING_HORIZON_DAYS),
      },
    });
    expect(answered.headers.get("Location")).toBe(`${env.PUBLIC_URL}/api/showrooms/${answered.body.id}/`);
    expect(answered.headers.get("X-D1-Bookmark")).toBeTruthy();
    const shown = await as(undefined).show(answered.body.id);
    expect(shown.body).toEqual(answered.body);
    expect(shown.headers.get("ETag")).toBe(answered.headers.get("ETag"));
    const unchanged = await call("GET", `/api/showrooms/${answered.body.id}/`, {
      headers: { "If-None-Match": shown.headers.get("ETag") ?? "" },
    });
    expect(unchanged.status).toBe(304);
  });

  test("has steps as long as a drive, unless the policy says otherwise", async () => {
    const policyOf = async (policy: object) => (await create(described({ policy }))).body.policy;
    expect(await policyOf({ slot_minutes: 45 })).toMatchObject({ slot_minutes: 45, step_minutes: 45 });
    expect(await policyOf({ slot_minutes: 45, step_minutes: 15 })).toMatchObject({ step_minutes: 15 });
    expect(await policyOf({ lead_minutes: 30 })).toMatchObject({ slot_minutes: 60, lead_minutes: 30 });
  });

  test.each([
    ["a missing name", { name: undefined }, "name", "required"],
    ["an empty name", { name: " " }, "name", "too_small"],
    ["a name of 201 characters", { name: "n".repeat(201) }, "name", "too_big"],
    ["a missing code", { code: undefined }, "code", "required"],
    ["a code with a letter that the database does not fold", { code: "münchen" }, "code", "invalid_format"],
    ["a code of 41 characters", { code: "c".repeat(41) }, "code", "too_big"],
    ["a missing time zone", { time_zone: undefined }, "time_zone", "required"],
    ["a time zone that is none", { time_zone: "Europe/Atlantis" }, "time_zone", "invalid_value"],
    ["an offset", { time_zone: "+01:00" }, "time_zone", "invalid_value"],
    ["a latitude without a longitude", { latitude: 1 }, "longitude", "required"],
    ["a longitude without a latitude", { longitude: 1, latitude: null }, "latitude", "required"],
    ["a latitude beyond the pole", { latitude: 90.1, longitude: 0 }, "latitude", "too_big"],
    ["a longitude as text", { latitude: 0, longitude: "0" }, "longitude", "invalid_type"],
    ["an address of two lines", { address: "a\nb" }, "address", "invalid_characters"],
    ["an e-mail address that is none", { email: "nobody" }, "email", "invalid_format"],
    ["a phone number of letters", { phone: "call me" }, "phone", "invalid_format"],
    ["hours of an unknown day", { hours: { monday: [] } }, "hours.monday", "unknown_field"],
    ["a policy with an unknown member", { policy: { opening: "NONE" } }, "policy.opening", "unknown_field"],
    ["slots of ten minutes", { policy: { slot_minutes: 10 } }, "policy.slot_minutes", "too_small"],
    [
      "a lead time as long as the horizon",
      { policy: { lead_minutes: 1440, horizon_days: 1 } },
      "policy.lead_minutes",
      "beyond_horizon",
    ],
    ["an unknown member", { zone: "x" }, "zone", "unknown_field"],
  ])("is refused for %s", async (_, wrong, field, code) => {
    const refused = await create(described(wrong));
    expect([refused.status, refused.body.errors?.[0]]).toMatchObject([400, { field, code }]);
  });

  test("accepts a code once, in any case, also from concurrent requests", async () => {
    const code = `Twice-${crypto.randomUUID().slice(0, 8)}`;
    const answers = await Promise.all(
      [code, code.toLowerCase(), code.toUpperCase()].map((each) => create(described({ code: each }))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400]);
    for (const { status, body } of answers)
      if (status === 400) expect(body.errors).toMatchObject([{ field: "code", code: "taken" }]);
  });

  test("has one effect for requests with one key, also at once", async () => {
    const json = described();
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const answers = await Promise.all([1, 2, 3].map(() => create(json, headers)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect((await create({ ...json, name: "Other" }, headers)).status).toBe(422);
  });

  test("is only for an ADMIN", async () => {
    const [seller, customer] = [await person("SALES"), await person()];
    const statuses = async (token?: string) => {
      const { create, change, special, unspecial } = as(token);
      const answers = [
        create(described()),
        change(FIRST_SHOWROOM, { name: "x" }),
        special(FIRST_SHOWROOM, closedOn(day(9))),
        unspecial(FIRST_SHOWROOM, uuidv7()),
      ];
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await statuses(seller.token)).toEqual([403, 403, 403, 403]);
    expect(await statuses(customer.token)).toEqual([403, 403, 403, 403]);
    expect(await statuses()).toEqual([401, 401, 401, 401]);
  });
});

describe("listing showrooms", () => {
  test("shows the active ones by code, in any case, and staff all of them", async () => {
    const prefix = `list-${crypto.randomUUID().slice(0, 8)}`;
    const ids = [
      await showroom({ code: `${prefix}-B` }),
      await showroom({ code: `${prefix}-a` }),
      await showroom({ code: `${prefix}-c`, is_active: false }),
    ];
    const [b, a, c] = ids;
    const seenBy = async (token?: string) => {
      const found: string[] = [];
      for (let path: string | null = "/api/showrooms/?page_size=2"; path; ) {
        const { status, body } = await answer(call("GET", path, { token }));
        expect(status).toBe(200);
        found.push(...idsOf(body.results).filter((id) => ids.includes(id)));
        path = body.next && new URL(body.next).pathname + new URL(body.next).search;
      }
      return found;
    };
    expect(await seenBy()).toEqual([a, b]);
    expect(await seenBy((await person()).token)).toEqual([a, b]);
    expect(await seenBy((await person("SALES")).token)).toEqual([a, b, c]);
    expect((await answer(call("GET", "/api/showrooms/?page=999"))).status).toBe(404);
    expect((await answer(call("GET", "/api/showrooms/?open=true"))).status).toBe(400);
  });

  test("and one of them answer 304 to a reader whose copy is current", async () => {
    const listed = await call("GET", "/api/showrooms/");
    const headers = { "If-None-Match": listed.headers.get("ETag") ?? "" };
    expect((await call("GET", "/api/showrooms/", { headers })).status).toBe(304);
  });

  test("one that is not active is found by staff only, with its special hours", async () => {
    const id = await showroom({ is_active: false });
    const [seller, anybody] = [as((await person("SALES")).token), as(undefined)];
    expect([(await seller.show(id)).status, (await seller.specials(id)).status]).toEqual([200, 200]);
    const hidden = await anybody.show(id);
    const unknown = await anybody.show(uuidv7());
    expect([hidden.status, hidden.body.code]).toEqual([unknown.status, unknown.body.code]);
    expect([hidden.status, (await anybody.specials(id)).status]).toEqual([404, 404]);
  });
});

describe("changing a showroom", () => {
  test("changes what it names and nothing else; a policy keeps its other members, and hours are the whole week", async () => {
    const id = await showroom({ city: "Berlin", policy: { slot_minutes: 30, buffer_after_minutes: 15 } });
    const { body } = await change(id, { phone: "+49 30 1", policy: { lead_minutes: 60 } });
    expect(body).toMatchObject({
      city: "Berlin",
      phone: "+49 30 1",
      policy: { slot_minutes: 30, step_minutes: 30, buffer_after_minutes: 15, lead_minutes: 60 },
    });
    const week = await change(id, { hours: { sat: [["10:00", "24:00"]] } });
    expect(week.body.hours).toMatchObject({ mon: [], sat: [["10:00", "24:00"]] });
    expect((await show(id)).body).toEqual({ ...showroomSchema.parse(body), hours: week.body.hours });
  });

  test("accepts its own answer, with the read-only members ignored", async () => {
    const id = await showroom();
    const before = (await change(id, { hours: (await show(id)).body.hours })).body;
    const again = await change(id, { ...before, name: "Another" });
    expect([again.status, again.body.name, again.body.id]).toEqual([200, "Another", id]);
  });

  test.each([
    ["no name", { name: null }, "name"],
    ["a code that another one has", { code: "MAIN" }, "code"],
    ["a lead time beyond its horizon", { policy: { lead_minutes: 43_200 } }, "policy.lead_minutes"],
    ["half a place", { latitude: 3 }, "longitude"],
    [
      "windows that overlap",
      {
        hours: {
          mon: [
            ["09:00", "12:00"],
            ["11:00", "13:00"],
          ],
        },
      },
      "hours.mon",
    ],
  ])("is refused for %s, and changes nothing", async (_, wrong, field) => {
    const id = await showroom({ policy: { horizon_days: 30 } });
    const before = (await show(id)).body;
    const refused = await change(id, { city: "Elsewhere", ...wrong });
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field }]]);
    expect((await show(id)).body).toEqual(before);
  });

  test("is 404 for a showroom that does not exist", async () => {
    expect((await change(uuidv7(), { name: "x" })).status).toBe(404);
    expect((await special(uuidv7(), closedOn(day(9)))).status).toBe(404);
    expect((await specials(uuidv7())).status).toBe(404);
  });

  test("is refused with 412 for a stale tag; of ten writers with one tag exactly one wins", async () => {
    const id = await showroom();
    const tag = (await show(id)).headers.get("ETag") ?? "";
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => change(id, { city: `City ${n}` }, "", { "If-Match": tag })),
    );
    const [won, ...more] = answers.filter(({ status }) => status === 200);
    expect([more.length, answers.filter(({ status }) => status === 412).length]).toEqual([0, 9]);
    const shown = await show(id);
    expect([shown.body.city, shown.headers.get("ETag")]).toEqual([won?.body.city, won?.headers.get("ETag")]);
    // Special hours are a part of what the tag stands for.
    await special(id, closedOn(day(9)));
    const stale = shown.headers.get("ETag") ?? "";
    expect((await change(id, { city: "x" }, "", { "If-Match": stale })).status).toBe(412);
  });

  test("at once, without tags, both members of a policy are changed", async () => {
    const id = await showroom();
    const answers = await Promise.all([
      change(id, { policy: { lead_minutes: 60 } }),
      change(id, { policy: { buffer_before_minutes: 10 } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect((await show(id)).body.policy).toMatchObject({ lead_minutes: 60, buffer_before_minutes: 10 });
  });

  test("keeps the time zone while there are coming drives, and changes it when there are none", async () => {
    const id = await showroom();
    const { id: bookingId } = await drive(id);
    const refused = await change(id, { time_zone: "Asia/Tokyo" });
    expect([refused.status, refused.body.code]).toEqual([409, "has_bookings"]);
    expect((await change(id, { time_zone: "Europe/Berlin", city: "Berlin" })).status).toBe(200);
    await db.update(bookings).set({ status: "CANCELLED" }).where(eq(bookings.id, bookingId));
    const moved = await change(id, { time_zone: "Asia/Tokyo" });
    expect([moved.status, moved.body.time_zone]).toEqual([200, "Asia/Tokyo"]);
  });

  test("never closes the last one, also when all are closed at once", async () => {
    const others = await db.select({ id: showrooms.id }).from(showrooms).where(eq(showrooms.isActive, true));
    await showroom();
    const keep = await showroom();
    const set = (isActive: boolean) =>
      db
        .update(showrooms)
        .set({ isActive })
        .where(inArray(showrooms.id, idsOf(others)));
    const last = await showroom();
    await set(false);
    const open = await db.select({ id: showrooms.id }).from(showrooms).where(eq(showrooms.isActive, true));
    const answers = await Promise.all(idsOf(open).map((id) => change(id, { is_active: false })));
    const left = await db.select({ id: showrooms.id }).from(showrooms).where(eq(showrooms.isActive, true));
    await set(true);
    expect(idsOf(open)).toEqual(expect.arrayContaining([keep, last]));
    expect(answers.filter(({ body }) => body.code === "last_showroom").length).toBe(1);
    expect(left).toHaveLength(1);
  });
});

describe("a change of the hours", () => {
  test("cancels nothing, and lists the coming drives that are outside them, earliest first", async () => {
    const id = await showroom();
    const late = await drive(id, 4, 7);
    const early = await drive(id, 3, 0);
    const inside = await drive(id, 3, 2);
    await drive(id, 3, 1, { status: "CANCELLED" });
    await drive(await showroom(), 3, 0);
    const hours = Object.fromEntries(
      ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map((name) => [name, [["10:00", "16:00"]]]),
    );
    const { status, body } = await change(id, { hours });
    expect([status, body.bookings_outside_count, body.bookings_cancelled]).toEqual([200, 2, undefined]);
    expect(body.bookings_outside).toEqual([
      {
        id: early.id,
        car: early.carId,
        customer: early.customer.id,
        start_at: iso(slot(3, 0)).replace(".000", ""),
        end_at: iso(slot(3, 1)).replace(".000", ""),
        status: "APPROVED",
      },
      expect.objectContaining({ id: late.id }),
    ]);
    expect((await bookingRow(early.id))?.status).toBe("APPROVED");
    expect(await noticesOf(early.id)).toEqual([]);
    // The step and the length of new drives say nothing about drives that were booked.
    const policy = await change(id, { policy: { slot_minutes: 45, step_minutes: 45 } });
    expect(idsOf(policy.body.bookings_outside)).toEqual([early.id, late.id]);
    expect(idsOf(policy.body.bookings_outside)).not.toContain(inside.id);
  });

  test("has no such list in a read, nor in an answer to a change of something else", async () => {
    const id = await showroom();
    await drive(id);
    await change(id, { hours: {} });
    for (const { body } of [await show(id), await change(id, { city: "Berlin" }), await create(described())])
      expect(Object.keys(body).filter((name) => name.startsWith("bookings"))).toEqual([]);
  });

  test("lists a hold while it lasts, and nobody's drive that has begun", async () => {
    const id = await showroom();
    const held = { status: "PENDING", heldUntil: Date.now() + 60_000 };
    const { id: hold } = await drive(id, 3, 0, held);
    await drive(id, 3, 1, { status: "PENDING", heldUntil: Date.now() - 1 });
    await drive(id, 3, 2, { startAt: Date.now() - 60_000 });
    const { body } = await change(id, { is_active: false });
    expect(body.bookings_outside).toMatchObject([{ id: hold, status: "HELD" }]);
    expect(body.is_active).toBe(false);
  });

  test("lists at most 500 drives and counts all; each request cancels as many", async () => {
    const id = await showroom();
    const [{ id: carId }, customer] = [{ id: await car({ showroomId: id }) }, await person()];
    const first = slot(3);
    const rows = Array.from({ length: 503 }, (_, n) => ({
      id: uuidv7(),
      carId,
      customerId: customer.id,
      showroomId: id,
      startAt: first + n * 60_000,
      endAt: first + (n + 1) * 60_000,
      status: "APPROVED" as const,
      createdAt: 0,
      updatedAt: 0,
    }));
    for (let at = 0; at < rows.length; at += 5) await db.insert(bookings).values(rows.slice(at, at + 5));
    const listed = (await change(id, { is_active: false })).body;
    expect([listed.bookings_outside.length, listed.bookings_outside_count]).toEqual([500, 503]);
    const some = (await change(id, {}, "?cancel_outside=true")).body;
    expect(some.bookings_cancelled.sort()).toEqual(idsOf(rows).slice(0, 500));
    expect(idsOf(some.bookings_outside)).toEqual(idsOf(rows).slice(500));
    const rest = (await change(id, {}, "?cancel_outside=true")).body;
    expect([rest.bookings_cancelled.length, rest.bookings_outside_count]).toEqual([3, 0]);
  });
});

describe("cancelling what is outside the hours", () => {
  const reason = "We are closed that day.";
  const withReason = `?cancel_outside=true&reason=${encodeURIComponent(reason)}`;

  test("cancels exactly those, and notifies each customer once with the reason", async () => {
    const id = await showroom();
    const outside = await drive(id, 3, 0);
    const inside = await drive(id, 4, 0);
    const elsewhere = await drive(await showroom(), 3, 0);
    const { status, body } = await special(id, closedOn(day(3)), withReason);
    expect([status, body.bookings_cancelled, body.bookings_outside, body.bookings_outside_count]).toEqual([
      201,
      [outside.id],
      [],
      0,
    ]);
    expect(await bookingRow(outside.id)).toMatchObject({
      status: "CANCELLED",
      reason,
      handledBy: admin.id,
      sequence: 1,
    });
    expect(await noticesOf(outside.id)).toMatchObject([
      {
        kind: "booking_cancelled",
        userId: outside.customer.id,
        recipient: outside.customer.email,
        facts: { startAt: slot(3, 0), sequence: 1, status: "CANCELLED", by: "staff" },
      },
    ]);
    for (const other of [inside, elsewhere]) {
      expect((await bookingRow(other.id))?.status).toBe("APPROVED");
      expect(await noticesOf(other.id)).toEqual([]);
    }
  });

  test("happens once, also when it is repeated or two administrators do it at once", async () => {
    const id = await showroom();
    const drives = [await drive(id, 3, 0), await drive(id, 3, 1), await drive(id, 4, 0)];
    const other = as((await person("ADMIN")).token);
    const answers = await Promise.all(
      [change, other.change, change, other.change].map((close) => close(id, { hours: {} }, withReason)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(answers.flatMap(({ body }) => body.bookings_cancelled).sort()).toEqual(idsOf(drives).sort());
    const again = await change(id, {}, withReason);
    expect([again.body.bookings_cancelled, again.body.bookings_outside_count]).toEqual([[], 0]);
    for (const { id: bookingId } of drives) {
      expect(await bookingRow(bookingId)).toMatchObject({ status: "CANCELLED", sequence: 1 });
      expect(await noticesOf(bookingId)).toHaveLength(1);
    }
  });

  test("leaves alone a drive that its customer moved or cancelled meanwhile, and tells them nothing", async () => {
    const id = await showroom();
    const drives = await Promise.all([0, 1, 2, 3].map((index) => drive(id, 3, index)));
    const [closed, ...cancelled] = await Promise.all([
      special(id, closedOn(day(3)), withReason),
      ...drives.map(({ id, customer }) =>
        answer(call("PATCH", `/api/bookings/${id}/cancel/`, { token: customer.token, json: {} })),
      ),
    ]);
    for (const [index, { id: bookingId }] of drives.entries()) {
      const byStaff = closed.body.bookings_cancelled.includes(bookingId);
      const byCustomer = cancelled[index]?.status === 200 && !byStaff;
      expect([byStaff, byCustomer].filter(Boolean)).toHaveLength(1);
      const notices = (await noticesOf(bookingId)).filter(({ kind }) => kind === "booking_cancelled");
      expect([notices.length, (await bookingRow(bookingId))?.reason]).toEqual([1, byStaff ? reason : ""]);
    }
  });

  test("makes the coordinators of their cars load again: a time that became free can be booked at once", async () => {
    const id = await showroom();
    const { id: bookingId, carId, customer } = await drive(id, 3, 0);
    const asCustomer = (path: string, json: unknown) =>
      answer(call("POST", path, { token: customer.token, json }));
    const request = { car: carId, start_at: iso(slot(3, 0)) };
    expect((await asCustomer("/api/bookings/", request)).body.code).toBe("slot_taken");
    const [before] = await db.select().from(calendars).where(eq(calendars.carId, carId));
    const closed = await special(id, closedOn(day(3)), "?cancel_outside=true");
    expect(closed.body.bookings_cancelled).toEqual([bookingId]);
    const [after] = await db.select().from(calendars).where(eq(calendars.carId, carId));
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    expect((await unspecial(id, closed.body.id)).body).toEqual({
      bookings_outside: [],
      bookings_outside_count: 0,
    });
    expect((await asCustomer("/api/bookings/", request)).status).toBe(201);
  });

  test("sends no notice to a customer who has not confirmed", async () => {
    const id = await showroom();
    const held = { status: "PENDING", heldUntil: Date.now() + 60_000 };
    const { id: hold } = await drive(id, 3, 0, held);
    const { body } = await change(id, { hours: {} }, withReason);
    expect(body.bookings_cancelled).toEqual([hold]);
    expect([(await bookingRow(hold))?.status, await noticesOf(hold)]).toEqual(["CANCELLED", []]);
  });

  test("is what a removal of special hours can do, too", async () => {
    const id = await showroom({ hours: {} });
    const open = await special(id, { from: day(3), to: day(3), windows: [["09:00", "17:00"]] });
    const { id: bookingId } = await drive(id, 3, 0);
    const removed = await unspecial(id, open.body.id, withReason);
    expect([removed.status, removed.body.bookings_cancelled]).toEqual([200, [bookingId]]);
    expect((await unspecial(id, open.body.id, withReason)).status).toBe(404);
  });

  test.each([
    ["?reason=x", "cancel_outside", "required"],
    ["?reason=x&cancel_outside=false", "cancel_outside", "required"],
    ["?cancel_outside=yes", "cancel_outside", "invalid_value"],
    [`?cancel_outside=true&reason=${"r".repeat(501)}`, "reason", "too_big"],
    ["?cancel=true", "cancel", "unknown_field"],
  ])("is refused with %s, and then nothing is changed", async (query, field, code) => {
    const id = await showroom();
    for (const refused of [
      await change(id, { city: "x" }, query),
      await special(id, closedOn(day(3)), query),
    ])
      expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field, code }]]);
    expect([(await show(id)).body.city, (await specials(id)).body.count]).toEqual(["", 0]);
  });
});

describe("special hours", () => {
  test("get 201 with their path; anybody reads those that are not over, staff all on request", async () => {
    const id = await showroom();
    const today = localDate(Date.now(), "Europe/Berlin");
    const past = await special(id, { from: addDays(today, -3), to: addDays(today, -1), windows: [] });
    const later = await special(id, { ...closedOn(addDays(today, 9)), reason: "Christmas" });
    const now = await special(id, { from: addDays(today, -1), to: today, windows: [["10:00", "12:00"]] });
    expect([later.status, later.headers.get("Location")]).toEqual([
      201,
      `${env.PUBLIC_URL}/api/showrooms/${id}/special-hours/${later.body.id}/`,
    ]);
    expect(later.body).toMatchObject({ from: addDays(today, 9), windows: [], reason: "Christmas" });
    const seenBy = async (token: string | undefined, query = "") =>
      idsOf((await as(token).specials(id, query)).body.results);
    expect(await seenBy(undefined)).toEqual([now.body.id, later.body.id]);
    expect(await seenBy(undefined, "?past=true")).toEqual([now.body.id, later.body.id]);
    expect(await seenBy((await person("SALES")).token, "?past=true")).toEqual([
      past.body.id,
      now.body.id,
      later.body.id,
    ]);
    expect(await seenBy((await person("SALES")).token)).toEqual([now.body.id, later.body.id]);
    expect(await seenBy(undefined, "?page_size=1&page=2")).toEqual([later.body.id]);
    expect((await specials(id, "?page=2")).status).toBe(404);
  });

  test("replace the windows of whole days, and the later ones those of the earlier ones, until they are removed", async () => {
    const id = await showroom();
    const carId = await car({ showroomId: id });
    const starts = async (days: number) => {
      const { body } = await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${day(days)}`));
      return body.map(({ start_at }: { start_at: string }) => start_at.slice(11, 16));
    };
    await special(id, { from: day(3), to: day(4), windows: [] });
    const evening = await special(id, { from: day(4), to: day(4), windows: [["18:00", "20:00"]] });
    expect([await starts(3), await starts(4), (await starts(5)).length]).toEqual([[], ["18:00", "19:00"], 8]);
    await unspecial(id, evening.body.id);
    expect(await starts(4)).toEqual([]);
  });

  test("of another showroom are not removed", async () => {
    const [id, other] = [await showroom(), await showroom()];
    const { body } = await special(id, closedOn(day(3)));
    expect((await unspecial(other, body.id)).status).toBe(404);
    expect((await specials(id)).body.count).toBe(1);
  });

  test("are at most 400, also for concurrent requests", async () => {
    const id = await showroom();
    const rows = Array.from(
      { length: 398 },
      () => `('${uuidv7()}', '${id}', '2030-01-01', '2030-01-01', '[]', '', 0)`,
    );
    await env.DB.prepare(
      `INSERT INTO special_hours (id, showroom_id, from_date, to_date, windows, reason, created_at) VALUES ${rows.join()}`,
    ).run();
    const answers = await Promise.all([1, 2, 3, 4].map(() => special(id, closedOn(day(3)))));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409]);
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe("too_many_special_hours");
  });

  test.each([
    ["a day that does not exist", { from: "2030-02-30" }, "from"],
    ["a last day before the first", { to: "2029-12-31" }, "to"],
    ["no windows", { windows: undefined }, "windows"],
    ["a window across midnight", { windows: [["22:00", "02:00"]] }, "windows.0.1"],
    ["a reason of 201 characters", { reason: "r".repeat(201) }, "reason"],
    ["an unknown member", { date: "2030-01-01" }, "date"],
  ])("are refused for %s", async (_, wrong, field) => {
    const refused = await special(FIRST_SHOWROOM, { ...closedOn("2030-01-01"), ...wrong });
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field }]]);
  });

  test("that are added twice with one key are added once, with one answer, which names what was cancelled", async () => {
    const id = await showroom();
    const { id: bookingId } = await drive(id);
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const send = () => special(id, closedOn(day(3)), "?cancel_outside=true", headers);
    const first = await send();
    const again = await send();
    expect(first.body.bookings_cancelled).toEqual([bookingId]);
    expect([again.status, again.body, again.headers.get("Location")]).toEqual([
      201,
      first.body,
      first.headers.get("Location"),
    ]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect((await special(id, closedOn(day(4)), "", headers)).status).toBe(422);
    expect((await specials(id)).body.count).toBe(1);
  });

  test("whose request was interrupted before it cancelled anything are settled by its repetition", async () => {
    const id = await showroom();
    const key = { "Idempotency-Key": crypto.randomUUID() };
    const first = await special(id, closedOn(day(3)), "?cancel_outside=true", key);
    // The stored answer as it is before the bookings are settled.
    const { bookings_outside: _, bookings_outside_count: __, bookings_cancelled: ___, ...made } = first.body;
    await env.DB.prepare("UPDATE idempotency_keys SET body = ? WHERE instr(body, ?) > 0")
      .bind(JSON.stringify(made), made.id)
      .run();
    const { id: bookingId } = await drive(id);
    const again = await special(id, closedOn(day(3)), "?cancel_outside=true", key);
    expect([again.status, again.body.id, again.body.bookings_cancelled]).toEqual([201, made.id, [bookingId]]);
    const third = await special(id, closedOn(day(3)), "?cancel_outside=true", key);
    expect(third.body).toEqual(again.body);
  });
});

describe("the showroom of a car", () => {
  const TOKYO = "Asia/Tokyo";
  const inTokyo = (days: number) => addDays(localDate(Date.now(), TOKYO), days);

  test("says in which zone its slots are, and how a local start is read", async () => {
    const id = await showroom({ time_zone: TOKYO });
    const carId = await car({ showroomId: id });
    const date = inTokyo(3);
    const { body } = await answer(call("GET", `/api/cars/${carId}/available-slots/?date=${date}`));
    expect(body[0]).toEqual({ start_at: `${date}T09:00:00+09:00`, end_at: `${date}T10:00:00+09:00` });
    const { token } = await person();
    const json = { car: carId, start_at: `${date}T09:00` };
    const booked = await answer(call("POST", "/api/bookings/", { token, json }));
    expect([booked.status, booked.body.start_at, booked.body.showroom]).toEqual([
      201,
      `${date}T00:00:00Z`,
      id,
    ]);
    const seller = await person("SALES");
    const path = `/api/bookings/?showroom=${id}&date=${date}`;
    const { body: board } = await answer(call("GET", path, { token: seller.token }));
    expect(idsOf(board.results)).toEqual([booked.body.id]);
  });

  test("is the oldest active one unless it is named, and a PUT without it keeps it", async () => {
    await showroom();
    const { token } = await person("SALES");
    const json = {
      vin: "WVWZZZ1KZAW000001",
      make: "VW",
      model: "Golf",
      year: 2020,
      fuel_type: "PETROL",
      transmission: "MANUAL",
      body_type: "HATCHBACK",
      base_price: "9000.00",
    };
    const added = await answer(call("POST", "/api/cars/", { token, json }));
    expect([added.status, added.body.showroom]).toEqual([201, FIRST_SHOWROOM]);
    const moved = { token, json: { showroom: await showroom() } };
    expect((await call("PATCH", `/api/cars/${added.body.id}/`, moved)).status).toBe(200);
    const replaced = await answer(call("PUT", `/api/cars/${added.body.id}/`, { token, json }));
    expect([replaced.status, replaced.body.showroom]).toEqual([200, moved.json.showroom]);
  });

  test("is another one at once when it moves, with that one's schedule", async () => {
    const id = await showroom({ time_zone: TOKYO, hours: { mon: [], tue: [] } });
    const [seller, customer, carId] = [await person("SALES"), await person(), await car()];
    const book = (start_at: string) =>
      answer(call("POST", "/api/bookings/", { token: customer.token, json: { car: carId, start_at } }));
    expect((await book(iso(slot(3, 0)))).status).toBe(201);
    const json = { showroom: id };
    expect((await call("PATCH", `/api/cars/${carId}/`, { token: seller.token, json })).status).toBe(200);
    const refused = await book(iso(slot(3, 1)));
    expect([refused.status, refused.body.errors]).toMatchObject([400, [{ code: "not_a_slot" }]]);
    const slots = `/api/cars/${carId}/available-slots/?from=${inTokyo(1)}&to=${inTokyo(9)}`;
    expect((await answer(call("GET", slots))).body).toEqual([]);
    await special(id, { from: inTokyo(5), to: inTokyo(5), windows: [["20:00", "21:00"]] });
    expect((await answer(call("GET", slots))).body).toEqual([
      { start_at: `${inTokyo(5)}T20:00:00+09:00`, end_at: `${inTokyo(5)}T21:00:00+09:00` },
    ]);
    expect((await book(`${inTokyo(5)}T20:00`)).status).toBe(201);
  });

  test("filters the list and the facets", async () => {
    const [id, other] = [await showroom(), await showroom()];
    const mine = [await car({ showroomId: id, make: "Lancia" }), await car({ showroomId: id })];
    await car({ showroomId: id, status: "REMOVED" });
    await car({ showroomId: other, make: "Lancia" });
    const found = await answer(call("GET", `/api/cars/?showroom=${id}`));
    expect([found.body.count, idsOf(found.body.results).sort()]).toEqual([2, mine.sort()]);
    const one = await answer(call("GET", `/api/cars/?showroom=${id}&make=lancia`));
    expect([one.body.count, one.body.results[0].showroom]).toEqual([1, id]);
    const facets = await answer(call("GET", `/api/cars/facets/?showroom=${id}&make=lancia`));
    expect(facets.body.make).toEqual(expect.arrayContaining([{ value: "Lancia", count: 1 }]));
    expect(facets.body.status).toEqual([{ value: "AVAILABLE", count: 1 }]);
    expect((await answer(call("GET", `/api/cars/?showroom=${uuidv7()}`))).body.count).toBe(0);
    expect((await answer(call("GET", "/api/cars/?showroom=main"))).status).toBe(400);
  });
});

describe("bookings and a closing at the same time", () => {
  const ROUNDS = 100;

  test(`leave no active booking outside that the closing does not list, in ${ROUNDS} rounds`, async () => {
    const id = await showroom({ policy: { horizon_days: 365 } });
    const carIds = await Promise.all([1, 2, 3].map(() => car({ showroomId: id })));
    const customers = await Promise.all([1, 2, 3, 4, 5].map(() => person()));
    const statuses = new Set<number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const date = day(3 + round);
      const book = async ({ token }: { token: string }, n: number) => {
        const json = { car: carIds[n % 3], start_at: `${date}T${10 + n}:00` };
        statuses.add((await answer(call("POST", "/api/bookings/", { token, json }))).status);
      };
      // The closing is sent together with bookings, or as soon as the first one is answered.
      const early = customers.slice(0, round % 5).map(book);
      if (round % 2 === 0 && early.length > 0) await Promise.race(early);
      const closing = special(id, closedOn(date));
      const late = customers.slice(round % 5).map((customer, n) => book(customer, n + (round % 5)));
      const { body } = await closing;
      await Promise.all([...early, ...late]);
      const active = await db
        .select({ id: bookings.id })
        .from(bookings)
        .where(
          and(eq(bookings.showroomId, id), eq(bookings.localDate, date), eq(bookings.status, "PENDING")),
        );
      expect(idsOf(body.bookings_outside), `round ${round}`).toEqual(expect.arrayContaining(idsOf(active)));
    }
    // Some were faster than the closing, and some came too late.
    expect([...statuses].sort()).toEqual([201, 400]);
  }, 120_000);
});
