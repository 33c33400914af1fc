/** The calendar feed of a salesperson: secret, and always what they are to drive. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import ICAL from "ical.js";
import { parseICS, type VEvent } from "node-ical";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { type bookings, calendarFeeds, notifications, users } from "../../src/db/schema.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { drivesOfFeed } from "../../src/staff/calendar.ts";
import { watchLog } from "../support/logs.ts";
import { mailbox, tools } from "../support/outbox.ts";
import { planOf } from "../support/plans.ts";
import { openShowroom, salesperson } from "../support/showroom.ts";
import { answer, booking, call, car, db, iso, person, slot } from "../support/world.ts";

const admin = await person("ADMIN");
const HOUR_MS = 3_600_000;

type Person = Awaited<ReturnType<typeof person>>;
type Event = { uid: string; sequence: number; status: unknown; start: number; end: number; summary: unknown };

/** Makes or renews the feed of somebody; returns its path. */
async function feedOf(who: Person, by = who): Promise<string> {
  const { status, body, headers } = await answer(
    call("POST", `/api/staff/${who.id}/calendar/`, { token: by.token }),
  );
  expect([status, headers.get("Cache-Control")]).toEqual([201, "no-store"]);
  expect(body.url).toMatch(/^https?:\/\/[^/]+\/calendars\/[\w-]{43}\.ics$/);
  return new URL(body.url).pathname;
}

const statusOf = async (path: string) => (await call("GET", path)).status;

/** What ical.js makes of a feed. */
function byIcalJs(file: string): Event[] {
  const calendar = new ICAL.Component(ICAL.parse(file));
  expect(calendar.getFirstPropertyValue("method")).toBe("PUBLISH");
  return calendar.getAllSubcomponents("vevent").map((component) => {
    const event = new ICAL.Event(component);
    return {
      uid: event.uid,
      sequence: event.sequence,
      status: component.getFirstPropertyValue("status"),
      start: event.startDate.toJSDate().getTime(),
      end: event.endDate.toJSDate().getTime(),
      summary: event.summary,
    };
  });
}

/** What node-ical makes of a feed. */
const byNodeIcal = (file: string): Event[] =>
  Object.values(parseICS(file))
    .filter((entry): entry is VEvent => entry?.type === "VEVENT")
    .map((event) => ({
      uid: event.uid,
      sequence: Number(event.sequence),
      status: event.status,
      start: event.start.getTime(),
      end: event.end?.getTime() ?? 0,
      summary: event.summary,
    }));

/** The events of a feed, on which both parsers agree. */
async function eventsOf(path: string): Promise<Event[]> {
  const response = await call("GET", path);
  expect([
    response.status,
    response.headers.get("Content-Type"),
    response.headers.get("Cache-Control"),
  ]).toEqual([200, "text/calendar; charset=utf-8", "private, no-store"]);
  const file = await response.text();
  const events = byIcalJs(file);
  expect(byNodeIcal(file)).toEqual(events);
  return events;
}

const change = async (who: Person, id: string, verb: string, json?: object) => {
  const { status } = await call("PATCH", `/api/bookings/${id}/${verb}/`, { token: who.token, json });
  expect(status).toBe(200);
};

/** A salesperson with a drive, and their feed. */
async function driven() {
  const room = await openShowroom(admin, {}, { address: "Allee am Park 12", city: "Berlin" });
  const sam = await salesperson(admin, room);
  const customer = await person("CUSTOMER", { firstName: "Ann", lastName: "Arbor", phone: "+49 30 1" });
  const carId = await car({ showroomId: room, make: "Škoda", model: "Octavia" });
  const json = { car: carId, start_at: iso(slot(3, 2)) };
  const { body } = await answer(call("POST", "/api/bookings/", { token: customer.token, json }));
  expect(body.salesperson).toBe(sam.id);
  return { room, sam, customer, carId, id: body.id as string, path: await feedOf(sam) };
}

describe("a calendar feed", () => {
  test("has the drives of its owner, with the customer, the car and the place", async () => {
    const { id, path } = await driven();
    expect(await eventsOf(path)).toEqual([
      {
        uid: id,
        sequence: 0,
        status: "TENTATIVE",
        start: slot(3, 2),
        end: slot(3, 2) + HOUR_MS,
        summary: "Test drive: 2024 Škoda Octavia, Ann Arbor",
      },
    ]);
    const [event] = new ICAL.Component(
      ICAL.parse(await (await call("GET", path)).text()),
    ).getAllSubcomponents("vevent");
    expect(event?.getFirstPropertyValue("location")).toBe("Berlin Mitte, Allee am Park 12, Berlin");
    expect(event?.getFirstPropertyValue("description")).toBe("Ann Arbor\n+49 30 1");
    // An organizer or attendees would have some programs send mails.
    expect(event?.getAllProperties("attendee")).toEqual([]);
  });

  test("follows an approval, a move, a handover and a cancellation, with the SEQUENCE of the customer's file", async () => {
    const { id, path, sam, customer } = await driven();
    await change(sam, id, "approve");
    await change(sam, id, "reschedule", { start_at: iso(slot(4, 1)) });
    const [moved] = await eventsOf(path);
    expect(moved).toMatchObject({ uid: id, sequence: 2, status: "CONFIRMED", start: slot(4, 1) });
    const { sent, send } = mailbox();
    const rows = await db
      .select()
      .from(notifications)
      .where(eq(notifications.bookingId, id))
      .orderBy(notifications.id);
    for (const row of rows) await deliver(row.id, tools(send));
    const mailed = sent.filter(({ to }) => to === customer.email).at(-1)?.attachments?.[0]?.content;
    const [invitation] = byMail(new TextDecoder().decode(mailed as Uint8Array));
    expect(invitation).toEqual({ uid: moved?.uid, sequence: moved?.sequence, start: moved?.start });

    const sue = await person("SALES");
    const other = await feedOf(sue);
    expect(await eventsOf(other)).toEqual([]);
    await change(admin, id, "assign", { salesperson: sue.id });
    expect(await eventsOf(path)).toEqual([]);
    expect(await eventsOf(other)).toMatchObject([{ uid: id, sequence: 3 }]);
    await change(customer, id, "cancel");
    expect(await eventsOf(other)).toEqual([]);
  });

  test("leaves out holds, and what began more than a week ago; keeps what took place", async () => {
    const sam = await person("SALES");
    const customer = await person();
    const day = 24 * HOUR_MS;
    const add = async (startAt: number, more: Partial<typeof bookings.$inferInsert> = {}) =>
      booking({
        carId: await car(),
        customerId: customer.id,
        startAt,
        salespersonId: sam.id,
        assignedBy: "STAFF",
        ...more,
      });
    const now = Date.now();
    await add(now - 8 * day, { status: "COMPLETED" });
    const done = await add(now - 6 * day, { status: "COMPLETED" });
    await add(now + 2 * day, { heldUntil: now + HOUR_MS });
    const coming = await add(now + 3 * day, { status: "APPROVED" });
    expect((await eventsOf(await feedOf(sam))).map(({ uid }) => uid)).toEqual([done, coming]);
  });

  test("keeps hostile words of a customer inside their property", async () => {
    const sam = await person("SALES");
    const hostile = "Ann\r\nEND:VEVENT\r\nATTENDEE:mailto:everybody@example.com;,\\";
    const customer = await person("CUSTOMER", { firstName: hostile, phone: hostile });
    await booking({
      carId: await car(),
      customerId: customer.id,
      startAt: slot(3),
      salespersonId: sam.id,
      assignedBy: "STAFF",
    });
    const path = await feedOf(sam);
    const [event] = await eventsOf(path);
    expect(event?.summary).toContain("Ann END:VEVENT ATTENDEE:mailto:everybody@example.com;,\\");
    expect(await (await call("GET", path)).text()).not.toMatch(/^ATTENDEE/m);
  });

  test("finds the drives along an index", async () => {
    const plan = await planOf(drivesOfFeed({ hash: "h", after: 1 }));
    expect(plan).toEqual([
      "SEARCH calendar_feeds USING INDEX calendar_feeds_token (token_hash=?)",
      "SEARCH bookings USING INDEX bookings_salesperson (salesperson_id=? AND start_at>?)",
      expect.stringContaining("(id=?)"),
      expect.stringContaining("(id=?)"),
      expect.stringContaining("(id=?)"),
    ]);
  });
});

/** What ties the file in a mail to the feed. */
function byMail(file: string) {
  const calendar = new ICAL.Component(ICAL.parse(file));
  return calendar.getAllSubcomponents("vevent").map((component) => {
    const { uid, sequence, startDate } = new ICAL.Event(component);
    return { uid, sequence, start: startDate.toJSDate().getTime() };
  });
}

describe("the address of a feed", () => {
  test("is stored as a hash only, and ends when it is renewed or switched off", async () => {
    const sam = await person("SALES");
    const first = await feedOf(sam);
    const token = first.slice("/calendars/".length, -".ics".length);
    const [stored] = await db.select().from(calendarFeeds).where(eq(calendarFeeds.userId, sam.id));
    expect(stored?.tokenHash).toBe(await sha256(token));
    const second = await feedOf(sam, admin);
    expect([await statusOf(first), await statusOf(second)]).toEqual([404, 200]);
    const path = `/api/staff/${sam.id}/calendar/`;
    for (let times = 0; times < 2; times += 1)
      expect((await call("DELETE", path, { token: sam.token })).status).toBe(204);
    expect(await statusOf(second)).toBe(404);
  });

  test("ends when its owner is deactivated, and does not come back with them", async () => {
    const sam = await person("SALES");
    const path = await feedOf(sam);
    const active = async (is_active: boolean) =>
      call("PATCH", `/api/staff/${sam.id}/`, { token: admin.token, json: { is_active } });
    expect((await active(false)).status).toBe(200);
    expect(await statusOf(path)).toBe(404);
    expect((await active(true)).status).toBe(200);
    expect(await statusOf(path)).toBe(404);
    // Whoever deactivates them, and whatever is left behind.
    const other = await feedOf(sam, admin);
    await db.update(users).set({ isActive: false }).where(eq(users.id, sam.id));
    expect(await statusOf(other)).toBe(404);
  });

  test.each([
    ["unknown", `/calendars/${"a".repeat(43)}.ics`],
    ["too short", "/calendars/abc.ics"],
    ["without an ending", `/calendars/${"a".repeat(43)}`],
  ])("that is %s is not found, like one that was replaced", async (_, path) => {
    const sam = await person("SALES");
    const old = await feedOf(sam);
    await feedOf(sam);
    const comparable = async (path: string) => {
      const { status, body } = await answer(call("GET", path));
      return { status, ...body, instance: undefined, request_id: undefined };
    };
    expect(await comparable(path)).toEqual(await comparable(old));
    expect(await comparable(path)).toMatchObject({ status: 404, code: "not_found" });
  });

  test("is in no line of the log, also when the database is away", async () => {
    const sam = await person("SALES");
    const path = await feedOf(sam);
    const log = watchLog();
    const away: unknown = new Proxy(
      {},
      {
        get: () => () => {
          throw new Error("D1_ERROR: Network connection lost.");
        },
      },
    );
    const request = new Request(`http://dealership.test${path}`);
    const down = await createApp().fetch(
      request,
      { ...env, DB: away as D1Database } as Env,
      createExecutionContext(),
    );
    expect(down.status).toBe(503);
    const lines = log.lines("request.");
    log.end();
    expect(lines).toMatchObject([{ event: "request.dependency_down", path: "/calendars/-" }]);
    expect(JSON.stringify(lines)).not.toContain(path.slice("/calendars/".length));
  });

  test("is made and switched off by its owner and by an administrator only", async () => {
    const [sam, sue] = [await person("SALES"), await person("SALES")];
    const path = await feedOf(sam);
    for (const method of ["POST", "DELETE"]) {
      expect((await call(method, `/api/staff/${sam.id}/calendar/`, { token: sue.token })).status).toBe(404);
      const unknown = `/api/staff/${crypto.randomUUID()}/calendar/`;
      expect((await call(method, unknown, { token: admin.token })).status).toBe(404);
    }
    expect(await statusOf(path)).toBe(200);
  });
});
