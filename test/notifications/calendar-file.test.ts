import ICAL from "ical.js";
import { parseICS, type VEvent } from "node-ical";
import { describe, expect, test } from "vitest";
import { calendarFile } from "../../src/notifications/calendar-file.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import type { BookingFacts } from "../../src/outbox/notices.ts";
import { booked, mailbox, noticeOf, notify, tools } from "../support/outbox.ts";

const BOOKING = "01936f7e-8a3b-7c4d-9e5f-123456789abc";
const startAt = Date.parse("2026-03-29T07:00:00Z");
const facts: BookingFacts = { startAt, endAt: startAt + 3_600_000, sequence: 0, status: "PENDING" };

const fileOf = (booking: Partial<BookingFacts>, words = "2024 Škoda Octavia") =>
  calendarFile({
    bookingId: BOOKING,
    booking: { ...facts, ...booking },
    writtenAt: Date.parse("2026-03-01T10:00:00Z"),
    car: words,
    carUrl: "https://dealership.example/api/cars/1/",
    organizer: { name: words, email: "showroom@dealership.example" },
    place: { name: words, address: "Allee am Park 12, 10115 Berlin", geo: { lat: 52.5325, lon: 13.3849 } },
    attendee: { name: words, email: "ann@example.com" },
  });

type Seen = {
  uid: unknown;
  sequence: number;
  method: unknown;
  status: unknown;
  start: number;
  end: number;
  summary: unknown;
};

/** What ical.js makes of a file. */
function byIcalJs(file: string): Seen {
  const calendar = new ICAL.Component(ICAL.parse(file));
  const components = calendar.getAllSubcomponents();
  expect(components.map(({ name }) => name)).toEqual(["vevent"]);
  const event = new ICAL.Event(calendar.getFirstSubcomponent("vevent") as ICAL.Component);
  return {
    uid: event.uid,
    sequence: event.sequence,
    method: calendar.getFirstPropertyValue("method"),
    status: event.component.getFirstPropertyValue("status"),
    start: event.startDate.toJSDate().getTime(),
    end: event.endDate.toJSDate().getTime(),
    summary: event.summary,
  };
}

/** What node-ical makes of a file. */
function byNodeIcal(file: string): Seen {
  const parsed = parseICS(file);
  const events = Object.values(parsed).filter((entry): entry is VEvent => entry?.type === "VEVENT");
  expect(events).toHaveLength(1);
  const [event] = events;
  if (!event) throw new Error("no event");
  return {
    uid: event.uid,
    sequence: Number(event.sequence),
    method: event.method,
    status: event.status,
    start: event.start.getTime(),
    end: event.end?.getTime() ?? 0,
    summary: event.summary,
  };
}

describe.each([
  ["ical.js", byIcalJs],
  ["node-ical", byNodeIcal],
])("the calendar file, read by %s", (_, read) => {
  test.each([
    [{ status: "PENDING" }, "REQUEST", "TENTATIVE"],
    [{ status: "APPROVED", sequence: 1 }, "REQUEST", "CONFIRMED"],
    [{ status: "CANCELLED", sequence: 2 }, "CANCEL", "CANCELLED"],
    [{ status: "DECLINED", sequence: 1 }, "CANCEL", "CANCELLED"],
  ] as const)("of %o is a %s with status %s, at the right time", (booking, method, status) => {
    expect(read(fileOf(booking))).toEqual({
      uid: BOOKING,
      sequence: "sequence" in booking ? booking.sequence : 0,
      method,
      status,
      start: startAt,
      end: startAt + 3_600_000,
      summary: "Test drive: 2024 Škoda Octavia",
    });
  });

  test("keeps hostile text inside its property", () => {
    const hostile = `"><script>;,:\\\r\nATTENDEE:mailto:everybody@example.com\r\nEND:VEVENT`;
    const { summary, uid, start } = read(fileOf({}, hostile));
    expect({ uid, start }).toEqual({ uid: BOOKING, start: startAt });
    expect(summary).toBe(`Test drive: ${hostile.replaceAll("\r\n", " ")}`);
    expect(fileOf({}, hostile).match(/^ATTENDEE/gm)).toHaveLength(1);
  });

  test("has one UID and a rising SEQUENCE in the e-mails of one booking, and removes the event at the end", async () => {
    const made = await booked();
    const later = startAt + 86_400_000;
    const moved = { sequence: 2, startAt: later, endAt: later + 3_600_000, previousStartAt: startAt };
    const notices = [
      noticeOf("booking_received", made),
      noticeOf("booking_approved", made, { sequence: 1, status: "APPROVED" }),
      noticeOf("booking_rescheduled", made, { ...moved, status: "PENDING" }),
      noticeOf("booking_cancelled", made, { ...moved, sequence: 3, status: "CANCELLED" }),
    ];
    const { sent, send } = mailbox();
    // Each is sent before the next fact, which would replace it.
    for (const notice of notices) {
      const [id = ""] = await notify([notice]);
      await deliver(id, tools(send));
    }
    const files = sent.map(({ attachments }) =>
      read(new TextDecoder().decode(attachments?.[0]?.content as Uint8Array)),
    );
    expect(files.map(({ uid }) => uid)).toEqual(Array(4).fill(made.bookingId));
    expect(files.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    expect(files.map(({ method }) => method)).toEqual(["REQUEST", "REQUEST", "REQUEST", "CANCEL"]);
    expect(files.map(({ status }) => status)).toEqual(["TENTATIVE", "CONFIRMED", "TENTATIVE", "CANCELLED"]);
    expect(files[2]?.start).toBe(later);
  });
});

test("every line of the file is at most 75 octets long and ends in CR LF", () => {
  const file = fileOf({}, "Ein sehr langer Name mit Umlauten äöü ".repeat(5));
  const lines = file.split("\r\n");
  expect(lines.join("")).not.toMatch(/[\r\n]/);
  for (const line of lines) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(75);
});
