/** One message of every kind and variety, for the tests of the wording and for `scripts/render-mails.ts`. */

import type { Message } from "../../src/notifications/messages.ts";
import type { BookingFacts } from "../../src/outbox/notices.ts";

/** The words people can put into a message. */
export type Words = {
  showroom: string;
  address: string;
  phone: string;
  customer: string;
  car: string;
  notes: string;
  reason: string;
  contract: string;
  /** The name of the salesperson. */
  salesperson: string;
  /** The customer's own. */
  customerPhone: string;
  email: string;
};

const PLAIN: Words = {
  showroom: "Edge Motors",
  address: "Allee am Park 12, 10115 Berlin, Germany",
  phone: "+49 30 5550100",
  customer: "Anneliese",
  car: "2024 Škoda Octavia Combi",
  notes: "We come with a child seat and a large dog.\n\nCould we also look at the estate next to it?",
  reason: "The car is in the workshop that day.\nAny day of the next week is fine.",
  contract: "EM-2026-00417",
  salesperson: "Sam Sommer",
  customerPhone: "+49 30 5550245",
  email: "anneliese@customer.example",
};

const startAt = Date.parse("2026-12-01T08:00:00Z");
const facts: BookingFacts = { startAt, endAt: startAt + 3_600_000, sequence: 0, status: "PENDING" };
const previousStartAt = Date.parse("2026-11-30T14:00:00Z");

/** The messages, by a name that serves as a file name. */
export function sampleMessages(words: Words = PLAIN): Array<[name: string, message: Message]> {
  const common = {
    showroom: {
      name: words.showroom,
      timeZone: "Europe/Berlin",
      address: words.address,
      phone: words.phone,
    },
    customer: words.customer,
    car: {
      name: words.car,
      url: "https://dealership.example/api/cars/01936f7e-8a3b-7c4d-9e5f-123456789abc/",
    },
  };
  const about = (more: Partial<BookingFacts>, reason = "") => ({
    ...common,
    booking: { ...facts, ...more },
    reason,
    salesperson: words.salesperson,
  });
  const { customer: name, customerPhone: phone, email } = words;
  const toStaff = (more: Partial<BookingFacts>, reason = "") => ({
    kind: "staff_booking" as const,
    ...about(more, reason),
    notes: words.notes,
    contact: { name, phone, email, isVerified: true },
    isReader: true,
  });
  const toShowroom = { salesperson: null, isReader: false };
  const off = { status: "CANCELLED", sequence: 2 } as const;
  const token = "Zk3v0cXq1tY8r5uJ2mN7pB4sD6fG9hL-wE_aQxCiKoR";
  return [
    ["booking_received", { kind: "booking_received", ...about({}) }],
    ["booking_approved", { kind: "booking_approved", ...about({ status: "APPROVED", sequence: 1 }) }],
    ["booking_declined", { kind: "booking_declined", ...about({ status: "DECLINED", sequence: 1 }) }],
    [
      "booking_declined-reason",
      {
        kind: "booking_declined",
        ...about({ status: "DECLINED", sequence: 1, by: "staff" }, words.reason),
      },
    ],
    ["booking_cancelled", { kind: "booking_cancelled", ...about(off) }],
    [
      "booking_cancelled-by-staff",
      { kind: "booking_cancelled", ...about({ ...off, by: "staff" }, words.reason) },
    ],
    [
      "booking_cancelled-by-customer",
      { kind: "booking_cancelled", ...about({ ...off, by: "customer" }, words.reason) },
    ],
    ["booking_cancelled-sold", { kind: "booking_cancelled", ...about({ ...off, reason: "car_sold" }) }],
    ["booking_cancelled-removed", { kind: "booking_cancelled", ...about({ ...off, reason: "car_removed" }) }],
    ["booking_rescheduled", { kind: "booking_rescheduled", ...about({ previousStartAt, sequence: 1 }) }],
    [
      "booking_rescheduled-approved",
      { kind: "booking_rescheduled", ...about({ previousStartAt, sequence: 2, status: "APPROVED" }) },
    ],
    ["booking_reminder", { kind: "booking_reminder", ...about({ status: "APPROVED", sequence: 1 }) }],
    ["staff_booking", toStaff({})],
    ["staff_booking-showroom", { ...toStaff({}), ...toShowroom }],
    ["staff_booking-moved", { ...toStaff({ previousStartAt, sequence: 1 }), notes: "" }],
    ["staff_booking-given", toStaff({ status: "APPROVED", sequence: 2, handover: "given" })],
    ["staff_booking-taken", { ...toStaff({ sequence: 2, handover: "taken" }), isReader: false }],
    ["staff_booking-unassigned", { ...toStaff({ sequence: 2, handover: "given" }), ...toShowroom }],
    ["staff_booking-cancelled", toStaff({ ...off, by: "customer" }, words.reason)],
    ["staff_booking-cancelled-by-staff", toStaff({ ...off, by: "staff" }, words.reason)],
    ["staff_booking-cancelled-sold", toStaff({ ...off, reason: "car_sold" })],
    ["staff_booking-cancelled-closed", toStaff({ ...off, reason: "account_closed" })],
    ["staff_booking-declined", toStaff({ status: "DECLINED", sequence: 1, by: "staff" }, words.reason)],
    [
      "staff_user_deactivated",
      {
        kind: "staff_user_deactivated",
        ...common,
        user: words.customer,
        closing: {
          userId: "01936f7e-8a3b-7c4d-9e5f-123456789abd",
          by: "admin",
          erased: 0,
          drives: [{ car: words.car, startAt, endAt: startAt + 3_600_000 }],
        },
      },
    ],
    [
      "staff_user_deactivated-erased",
      {
        kind: "staff_user_deactivated",
        ...common,
        user: "erased-01936f7e-8a3b-7c4d-9e5f-123456789abd",
        closing: { userId: "01936f7e-8a3b-7c4d-9e5f-123456789abd", by: null, erased: 1, drives: [] },
      },
    ],
    [
      "sale_confirmed",
      {
        kind: "sale_confirmed",
        ...common,
        sale: { price: 2_599_000, currency: "EUR", contractNumber: words.contract },
      },
    ],
    [
      "password_reset",
      {
        kind: "password_reset",
        ...common,
        token,
        url: `https://dealership.example/reset-password#token=${token}`,
        validMinutes: 30,
      },
    ],
    [
      "email_verification",
      {
        kind: "email_verification",
        ...common,
        customer: "",
        link: { token, url: `https://dealership.example/verify-email#token=${token}` },
        validHours: 24,
      },
    ],
    [
      "email_verification-taken",
      { kind: "email_verification", ...common, customer: "", link: undefined, validHours: 24 },
    ],
    [
      "email_changed",
      { kind: "email_changed", ...common, isRemoval: false, contact: "sales@dealership.example" },
    ],
    [
      "email_changed-removed",
      { kind: "email_changed", ...common, isRemoval: true, contact: "sales@dealership.example" },
    ],
  ];
}
