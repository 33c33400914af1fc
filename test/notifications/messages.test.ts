import { describe, expect, test } from "vitest";
import { writeMail } from "../../src/notifications/messages.ts";
import { linesOf, oneLine } from "../../src/notifications/text.ts";
import { NOTIFICATION_KINDS } from "../../src/shared/enums.ts";
import { sampleMessages } from "../../tools/demo/messages.ts";

const mails = Object.fromEntries(sampleMessages().map(([name, message]) => [name, writeMail(message)]));
const textOf = (name: string) => mails[name]?.text ?? "";

describe("an e-mail", () => {
  test("exists for every kind of notification", () => {
    expect([...new Set(sampleMessages().map(([, { kind }]) => kind))].sort()).toEqual(
      [...NOTIFICATION_KINDS].sort(),
    );
  });

  test("has the time of the showroom's clocks, in summer and in winter", () => {
    expect(textOf("booking_received")).toContain("When: Tuesday, 1 December 2026, 09:00 to 10:00");
    const [, message] = sampleMessages()[0] ?? [];
    if (message?.kind !== "booking_received") throw new Error("no sample");
    const startAt = Date.parse("2026-07-01T07:00:00Z");
    const summer = writeMail({
      ...message,
      booking: { ...message.booking, startAt, endAt: startAt + 3_600_000 },
    });
    expect(summer.text).toContain("When: Wednesday, 1 July 2026, 09:00 to 10:00");
  });

  test("contains the car and its link, in text and in HTML", () => {
    for (const [name, { text, html }] of Object.entries(mails)) {
      if (/^(password|email|staff_user)_/.test(name)) continue;
      expect(text).toContain("Car: 2024 Škoda Octavia Combi");
      expect(html).toContain("2024 Škoda Octavia Combi");
      // A removed car has no page any more.
      const shown = name !== "booking_cancelled-removed";
      expect(text.includes("https://dealership.example/api/cars/")).toBe(shown);
      expect(html.includes('href="https://dealership.example/api/cars/')).toBe(shown);
    }
  });

  test("about a cancelled test drive contains the reason, when no person requested it", () => {
    expect(textOf("booking_cancelled")).toContain("This test drive will not take place.");
    expect(textOf("booking_cancelled-sold")).toContain("the car has been sold");
    expect(textOf("booking_cancelled-removed")).toContain("the car is no longer for sale");
  });

  test("about a declined or cancelled test drive quotes the showroom, and never the customer's own words", () => {
    const words = "> The car is in the workshop that day.\n> Any day of the next week is fine.";
    for (const name of ["booking_declined-reason", "booking_cancelled-by-staff"])
      expect(textOf(name)).toContain(`The showroom writes:\n${words}`);
    for (const name of ["booking_cancelled-by-customer", "booking_declined", "booking_cancelled"])
      expect(textOf(name)).not.toContain(">");
  });

  test("to staff about a closed account lists the cancelled test drives, and names who closed it", () => {
    const text = textOf("staff_user_deactivated");
    expect(text).toContain("By: admin");
    expect(text).toContain("Cancelled: 2024 Škoda Octavia Combi, Tuesday, 1 December 2026, 09:00 to 10:00");
    expect(textOf("staff_user_deactivated-erased")).toContain("It had no coming test drives.");
  });

  test("to staff about a test drive that its customer cancelled contains the reason", () => {
    expect(mails["staff_booking-cancelled"]?.subject).toMatch(/^Cancelled test drive: /);
    expect(textOf("staff_booking-cancelled")).toContain("A test drive was cancelled");
    expect(textOf("staff_booking-cancelled")).toContain(
      "The customer's reason:\n> The car is in the workshop",
    );
    expect(textOf("staff_booking-cancelled")).not.toContain("child seat");
  });

  test("to staff says how to reach the customer, unless somebody else drives along now", () => {
    for (const name of Object.keys(mails).filter((name) => name.startsWith("staff_booking"))) {
      const isTaken = name === "staff_booking-taken";
      for (const text of [mails[name]?.text, mails[name]?.html])
        for (const detail of ["Anneliese", "+49 30 5550245", "anneliese@customer.example"])
          expect([name, text?.includes(detail)]).toEqual([name, !isTaken]);
    }
    const [, sample] = sampleMessages().find(([name]) => name === "staff_booking") ?? [];
    if (sample?.kind !== "staff_booking") throw new Error("no sample");
    const contact = { ...sample.contact, phone: "", isVerified: false };
    const { text } = writeMail({ ...sample, contact });
    expect(text).toContain("E-mail: anneliese@customer.example (not confirmed)");
    expect(text).not.toContain("Phone:");
  });

  test("to staff says what happened, and who drives along when it is not the reader", () => {
    expect(textOf("staff_booking-given")).toContain("A test drive is yours now");
    expect(textOf("staff_booking-taken")).toContain("Sam Sommer will drive along.");
    expect(textOf("staff_booking-unassigned")).toContain("Nobody drives along yet: please assign somebody.");
    expect(textOf("staff_booking-cancelled-by-staff")).toContain("A colleague cancelled it.");
    expect(textOf("staff_booking-cancelled-by-staff")).toContain("The reason:\n> The car is in the workshop");
    expect(textOf("staff_booking-cancelled-sold")).toContain("The car has been sold.");
    expect(textOf("staff_booking-cancelled-closed")).toContain("The account of the customer was closed.");
    expect(textOf("staff_booking-declined")).toContain("A colleague declined it.");
  });

  test("to a customer names who awaits them, as long as the drive takes place", () => {
    for (const name of ["received", "approved", "rescheduled", "reminder"])
      expect(textOf(`booking_${name}`)).toContain("Your contact: Sam Sommer");
    for (const name of ["declined", "cancelled"])
      expect(textOf(`booking_${name}`)).not.toContain("Sam Sommer");
    const [, sample] = sampleMessages()[0] ?? [];
    if (sample?.kind !== "booking_received") throw new Error("no sample");
    expect(writeMail({ ...sample, salesperson: "" }).text).not.toContain("Your contact");
  });

  test("about a moved test drive contains the old and the new time, and whether it is confirmed", () => {
    for (const name of ["booking_rescheduled", "booking_rescheduled-approved", "staff_booking-moved"]) {
      expect(textOf(name)).toContain("New time: Tuesday, 1 December 2026, 09:00 to 10:00");
      expect(textOf(name)).toContain("Before: Monday, 30 November 2026, 15:00 to 16:00");
    }
    expect(textOf("booking_rescheduled")).toContain("as soon as it is confirmed");
    expect(textOf("booking_rescheduled-approved")).toContain("The new time is confirmed");
  });
});

test.each([
  ["Anneliese", "Hello Anneliese,"],
  ["Nguyễn Thị", "Hello Nguyễn Thị,"],
  ["O'Neil-Smith", "Hello O'Neil-Smith,"],
  ["Your account is LOCKED. Call +49 900 666", "Hello,"],
  ["visit https://evil.example/unlock", "Hello,"],
  ["evil.example", "Hello,"],
  ["", "Hello,"],
  ["a".repeat(41), "Hello,"],
])("a mail to somebody with the name %j begins with %j", (customer, expected) => {
  const [, sample] = sampleMessages().find(([name]) => name === "password_reset") ?? [];
  if (!sample) throw new Error("no sample");
  expect(writeMail({ ...sample, customer }).text).toContain(`\n${expected}\n`);
});

const hostile = `"><script>alert('1')</script>\r\nBcc: everybody@example.com\u2028\u0000\u202e--\r`;
const words = {
  showroom: hostile,
  address: hostile,
  phone: hostile,
  customer: hostile,
  car: hostile,
  notes: hostile,
  reason: hostile,
  contract: hostile,
  salesperson: hostile,
  customerPhone: hostile,
  email: hostile,
};

describe.each(sampleMessages(words))("hostile text in every field of %s", (name, message) => {
  const { subject, text, html } = writeMail(message);

  test("remains text in the HTML", () => {
    expect(html).not.toMatch(/<script/i);
    expect(html).toContain("&quot;&gt;&lt;script&gt;");
    // No element or attribute is left early: the page has the tags that it has around harmless words.
    const tags = (page: string) => page.match(/<[a-z][^>]*>/g);
    const harmless = {
      showroom: "x",
      address: "x",
      phone: "x",
      customer: "x",
      car: "x",
      notes: "x\nx\nx\nx",
      reason: "x\nx\nx\nx",
      contract: "x",
      salesperson: "x",
      customerPhone: "x",
      email: "x",
    };
    const plain = new Map(sampleMessages(harmless)).get(name);
    expect(tags(html)).toEqual(plain && tags(writeMail(plain).html));
  });

  test("cannot become a header or a line of its own", () => {
    expect(subject).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
    expect(text).not.toMatch(/^(Bcc:|--\S)/m);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
  });
});

test("text is converted to one line, or to harmless lines", () => {
  expect(oneLine(" a\r\n\tb\u0000c\u202e ")).toBe("a bc");
  expect(linesOf("a\r\nb\rc\n\nd")).toEqual(["a", "b", "c", "", "d"]);
});
