/** What happened in the demo showrooms: where cars stand, test drives of the past and the coming days, and sales. */
import { faker } from "@faker-js/faker";
import { uuidv7 } from "uuidv7";
import {
  type bookings,
  type cars,
  type commissions,
  type driveShares,
  FIRST_SHOWROOM,
  type sales,
  type shifts,
  type showrooms,
  type staffProfiles,
  type users,
} from "../../src/db/schema.ts";
import { commissionOn } from "../../src/sales/commission.ts";
import type { BookingStatus } from "../../src/shared/enums.ts";
import type { OpeningWindow } from "../../src/shared/opening-hours.ts";
import { addDays, DAY_MS, localDate, overlaps, type TimeSpan } from "../../src/shared/showroom-time.ts";
import { footprintOf, inShift, type Schedule, slotsOn } from "../../src/showrooms/schedule.ts";

type Insert<Table extends { $inferInsert: unknown }> = Table["$inferInsert"];
type Showroom = Insert<typeof showrooms>;

/**
 * What the first showroom, which every database has, is given; and a second one in another time zone, with a midday
 * break, shorter drives, buffers between them and a closed Sunday, which assigns salespeople.
 */
export function demoShowrooms(now: number): { first: Partial<Showroom>; second: Showroom } {
  const weekday: OpeningWindow[] = [
    ["09:00", "12:30"],
    ["14:00", "18:30"],
  ];
  return {
    first: {
      code: "berlin",
      address: "Invalidenstraße 110",
      postalCode: "10115",
      city: "Berlin",
      country: "Germany",
      latitude: 52.5306,
      longitude: 13.3847,
      phone: "+49 30 5550110",
      email: "berlin@dealership.example",
    },
    second: {
      // The same at every load, so that an interrupted one can be repeated.
      id: "00000000-0000-7000-8000-000000000002",
      code: "lisbon",
      name: "Edge Motors Lisbon",
      address: "Avenida da Liberdade 200",
      postalCode: "1250-147",
      city: "Lisbon",
      country: "Portugal",
      latitude: 38.7203,
      longitude: -9.1456,
      phone: "+351 21 555 0120",
      email: "lisbon@dealership.example",
      timeZone: "Europe/Lisbon",
      hours: {
        mon: weekday,
        tue: weekday,
        wed: weekday,
        thu: weekday,
        fri: weekday,
        sat: [["10:00", "14:00"]],
        sun: [],
      },
      slotMinutes: 45,
      stepMinutes: 60,
      bufferBeforeMinutes: 5,
      bufferAfterMinutes: 10,
      leadMinutes: 120,
      horizonDays: 60,
      assignment: "AUTOMATIC",
      createdAt: now,
      updatedAt: now,
    },
  };
}

/** Cars of the demo showrooms: each third one stands in the second. */
export const standing = (stock: readonly Insert<typeof cars>[], second: string): Insert<typeof cars>[] =>
  stock.map((car, index) => ({ ...car, showroomId: index % 3 === 2 ? second : FIRST_SHOWROOM }));

/**
 * The shifts of the two salespeople in the showroom that assigns, and their parts of its drives: one works all day, the
 * other one in the afternoon and on Saturday. The first showroom assigns by hand.
 */
export function demoShifts(people: readonly Insert<typeof users>[], showroomId: string) {
  const [sam, sue] = people.filter(({ role }) => role === "SALES");
  if (!sam || !sue) throw new Error("the demo has two salespeople");
  const weekdays = ["mon", "tue", "wed", "thu", "fri"] as const;
  const rows: Insert<typeof shifts>[] = [
    ...weekdays.map((weekday) => ({ userId: sam.id, weekday, fromTime: "09:00", toTime: "18:30" })),
    { userId: sam.id, weekday: "sat" as const, fromTime: "10:00", toTime: "14:00" },
    ...weekdays.map((weekday) => ({ userId: sue.id, weekday, fromTime: "14:00", toTime: "18:30" })),
    { userId: sue.id, weekday: "sat" as const, fromTime: "10:00", toTime: "14:00" },
  ].map((shift) => ({ ...shift, showroomId }));
  // Minutes of a week, with equal weights.
  const shares: Insert<typeof driveShares>[] = [
    { showroomId, userId: sam.id, share: 100 * (5 * 570 + 240) },
    { showroomId, userId: sue.id, share: 100 * (5 * 270 + 240) },
  ];
  return { shifts: rows, shares };
}

/** A schedule with its shifts in it, as it is once they are stored. */
export const withShifts = (schedule: Schedule, rows: readonly Insert<typeof shifts>[]): Schedule => ({
  ...schedule,
  shifts: rows
    .filter(({ showroomId }) => showroomId === schedule.showroomId)
    .map(({ userId, weekday, fromTime, toTime }) => ({ userId, weekday, window: [fromTime, toTime] })),
});

/** What past and coming drives and sales are made of. */
export type DemoWorld = {
  stock: readonly Insert<typeof cars>[];
  sold: readonly Insert<typeof cars>[];
  people: readonly Insert<typeof users>[];
  profiles: readonly Insert<typeof staffProfiles>[];
  schedules: readonly Schedule[];
  now: number;
};

const NOTES = [
  "I would like to try the motorway.",
  "Is the tow bar included?",
  "We come with two child seats.",
];
const HOUR_MS = 60 * 60 * 1000;

/** How many days before and after today there are drives. */
const [PAST_DAYS, COMING_DAYS] = [28, 9];

/**
 * Drives of the past and the coming days in every showroom, nobody and no car in two at once. Those of today and yesterday
 * that have begun are mostly APPROVED: they wait to be completed. Where the showroom assigns, each has a salesperson in
 * shift.
 */
export function demoBookings({ stock, people, schedules, now }: DemoWorld): Insert<typeof bookings>[] {
  faker.seed(2027);
  const calendar = newCalendar(people);
  return schedules.flatMap((schedule) => {
    const here = stock.filter((car) => car.showroomId === schedule.showroomId);
    const today = localDate(now, schedule.timeZone);
    const days = Array.from({ length: PAST_DAYS + 1 + COMING_DAYS }, (_, i) => addDays(today, i - PAST_DAYS));
    return days.flatMap((date) => {
      const slots = slotsOn(schedule, date);
      const wanted = faker.helpers.arrayElements(slots, { min: 2, max: 4 });
      return wanted.flatMap((slot) => calendar.drive(schedule, slot, faker.helpers.arrayElement(here), now));
    });
  });
}

/** Remembers who and what is on the road when, and makes drives of what is free. */
function newCalendar(people: DemoWorld["people"]) {
  const sellers = people.filter(({ role }) => role === "SALES");
  const customers = people.filter(({ role }) => role === "CUSTOMER");
  const taken = new Map<string, TimeSpan[]>();
  const isFree = (id: string, span: TimeSpan) =>
    !(taken.get(id) ?? []).some((other) => overlaps(other, span));
  return {
    drive(schedule: Schedule, slot: TimeSpan, car: Insert<typeof cars>, now: number) {
      const footprint = footprintOf(schedule, slot.startAt);
      // Each customer has a few coming drives at most, so that anybody can book one more.
      const free = customers.filter(
        ({ id }) =>
          isFree(id, slot) &&
          (slot.startAt < now || (taken.get(id) ?? []).filter(({ endAt }) => endAt > now).length < 2),
      );
      if (free.length === 0 || !isFree(car.id, footprint)) return [];
      const assigns = schedule.policy.assignment === "AUTOMATIC";
      const working = inShift(schedule, slot.startAt).filter((id) => isFree(id, footprint));
      if (assigns && working.length === 0) return [];
      const seller = assigns ? faker.helpers.arrayElement(working) : null;
      const customer = faker.helpers.arrayElement(free);
      for (const [id, span] of [
        [customer.id, slot] as const,
        [car.id, footprint] as const,
        ...(seller ? [[seller, footprint] as const] : []),
      ])
        taken.set(id, [...(taken.get(id) ?? []), span]);
      const createdAt = Math.min(now, slot.startAt) - faker.number.int({ min: 1, max: 140 }) * HOUR_MS;
      const status = statusOf(slot, now);
      return [
        {
          id: uuidv7(),
          carId: car.id,
          customerId: customer.id,
          ...slot,
          status,
          notes: faker.datatype.boolean(0.2) ? faker.helpers.arrayElement(NOTES) : "",
          reason: status === "DECLINED" ? "The car is in the workshop that day." : "",
          handledBy: status === "PENDING" ? null : faker.helpers.arrayElement(sellers).id,
          salespersonId: seller,
          assignedBy: seller ? "AUTO" : null,
          showroomId: schedule.showroomId,
          localDate: localDate(slot.startAt, schedule.timeZone),
          footprintStartAt: footprint.startAt,
          footprintEndAt: footprint.endAt,
          createdAt,
          updatedAt: createdAt,
        },
      ] satisfies Insert<typeof bookings>[];
    },
  };
}

function statusOf({ startAt }: TimeSpan, now: number): BookingStatus {
  if (startAt > now)
    return faker.helpers.weightedArrayElement([
      { weight: 6, value: "APPROVED" },
      { weight: 4, value: "PENDING" },
      { weight: 1, value: "DECLINED" },
      { weight: 1, value: "CANCELLED" },
    ]);
  if (startAt > now - 2 * DAY_MS) return "APPROVED";
  return faker.helpers.weightedArrayElement([
    { weight: 8, value: "COMPLETED" },
    { weight: 1, value: "NO_SHOW" },
    { weight: 1, value: "CANCELLED" },
  ]);
}

/**
 * The sales of the last five months, one for each of the sold cars, with the completed drive that went before every
 * third of them.
 */
export function demoSales({ sold, people, profiles, schedules, now }: DemoWorld) {
  faker.seed(2028);
  const sellers = profiles.filter(({ commissionRate }) => commissionRate > 0);
  const customers = people.filter(({ role }) => role === "CUSTOMER");
  const rows: Insert<typeof sales>[] = [];
  const entries: Insert<typeof commissions>[] = [];
  const drives: Insert<typeof bookings>[] = [];
  for (const [index, car] of sold.entries()) {
    const saleAt = soldAt(index, now);
    const seller = faker.helpers.arrayElement(sellers);
    const customerId = faker.helpers.arrayElement(customers).id;
    const salePriceCents = car.discountPriceCents ?? car.basePriceCents;
    const sale = {
      id: uuidv7(),
      carId: car.id,
      customerId,
      salespersonId: seller.userId,
      salePriceCents,
      currency: car.currency,
      paymentMethod: faker.helpers.arrayElement(["CASH", "FINANCING", "BANK_TRANSFER"] as const),
      saleAt,
      contractNumber: `V-${String(sold.length - index).padStart(4, "0")}`,
      createdAt: saleAt,
    };
    rows.push(sale);
    entries.push({
      id: uuidv7(),
      saleId: sale.id,
      salespersonId: seller.userId,
      rate: seller.commissionRate,
      amountCents: commissionOn(salePriceCents, seller.commissionRate),
      createdAt: saleAt,
    });
    const schedule = schedules.find(({ showroomId }) => showroomId === car.showroomId);
    if (index % 3 === 0 && schedule) {
      // Older than all other drives, so that nobody is in two cars.
      const date = addDays(localDate(saleAt, schedule.timeZone), -PAST_DAYS - 2);
      const slot = [date, addDays(date, -1)].flatMap((day) => slotsOn(schedule, day))[index % 3];
      if (!slot) continue;
      drives.push({
        id: uuidv7(),
        carId: car.id,
        customerId,
        ...slot,
        status: "COMPLETED",
        handledBy: seller.userId,
        showroomId: schedule.showroomId,
        localDate: localDate(slot.startAt, schedule.timeZone),
        createdAt: slot.startAt - DAY_MS,
        updatedAt: slot.endAt,
      });
    }
  }
  return { sales: rows, commissions: entries, drives };
}

/** When a car was sold: about one in five days, the last one yesterday. */
const soldAt = (index: number, now: number): number => now - (1 + index * 5) * DAY_MS;

/** Cars as they are when they have been sold: in stock before. */
export const demoSoldCars = (stock: readonly Insert<typeof cars>[], now: number): Insert<typeof cars>[] =>
  stock.map((car, index) => {
    const createdAt = soldAt(index, now) - (40 + (index % 5) * 11) * DAY_MS;
    return { ...car, status: "AVAILABLE", createdAt, updatedAt: createdAt };
  });
