/** Which slots of a car are offered. Pure: the schedule of its showroom, what is taken and `now` are passed in. */
import type { CarStatus } from "../shared/enums.ts";
import { addDays, localDate, overlaps, type TimeSpan } from "../shared/showroom-time.ts";
import { footprintOf, inShift, openSlots, type Schedule, type StartFault } from "../showrooms/schedule.ts";
import { isBookable } from "./booking.ts";

/** A time that a booking may occupy. */
export type Slot = TimeSpan;

/** The message of each fault of a start. */
export const START_MESSAGES: Readonly<Record<StartFault | "invalid_instant", string>> = {
  invalid_instant: "Must be an existing ISO 8601 date and time",
  in_the_past: "Must be in the future",
  too_soon: "Must not be nearer than the showroom's lead time",
  too_far_ahead: "Must not be further ahead than bookings are accepted",
  not_a_slot: "Must be the start of one of the showroom's slots",
};

/** What decides which slots of a car a customer is offered: its status, and when all who take part are occupied. */
export type Occupied = {
  status: CarStatus;
  /** Footprints of the car's bookings. */
  car: readonly TimeSpan[];
  /** The customer's drives. A drive of theirs keeps them from others at the same time. */
  customer: readonly TimeSpan[];
  /** Footprints of the drives of salespeople, and their absences. Where drives need no salesperson it may be empty. */
  salespeople: ReadonlyArray<TimeSpan & { userId: string }>;
};

/** The slots of some local days that a customer is offered, earliest first. None of a car that is out of stock. */
export function offeredSlots(
  schedule: Schedule,
  days: { from: string; to: string },
  now: number,
  { status, car, customer, salespeople }: Occupied,
): Slot[] {
  if (!isBookable(status)) return [];
  const open = openSlots(schedule, days, now, car, { byStaff: false });
  return open.filter(
    (slot) => !customer.some((drive) => overlaps(slot, drive)) && isAttended(schedule, slot, salespeople),
  );
}

/** Whether somebody who is in shift and not occupied could drive along, where that is needed. */
function isAttended(schedule: Schedule, { startAt }: Slot, occupied: Occupied["salespeople"]): boolean {
  if (schedule.policy.assignment === "NONE") return true;
  const footprint = footprintOf(schedule, startAt);
  return inShift(schedule, startAt).some(
    (id) => !occupied.some((time) => time.userId === id && overlaps(time, footprint)),
  );
}

/** Number of days before and after the wanted time that are searched for alternatives. */
const NEARBY_DAYS = 7;

/** The local days that are searched for alternatives to a start. */
export function daysAround(startAt: number, { timeZone }: Schedule): { from: string; to: string } {
  const date = localDate(startAt, timeZone);
  return { from: addDays(date, -NEARBY_DAYS), to: addDays(date, NEARBY_DAYS) };
}

/** The slots nearest to a wanted start, nearest first, at most `count`. */
export const nearest = (slots: readonly Slot[], startAt: number, count = 3): Slot[] =>
  slots
    .toSorted(
      (a, b) => Math.abs(a.startAt - startAt) - Math.abs(b.startAt - startAt) || a.startAt - b.startAt,
    )
    .slice(0, count);

/** A time that surely contains some local days, in any time zone. */
export const aroundDays = ({ from, to }: { from: string; to: string }): TimeSpan => ({
  startAt: Date.parse(addDays(from, -1)),
  endAt: Date.parse(addDays(to, 2)),
});
