/** A car's calendar in D1, the only place where bookings are true. */
import { and, eq, inArray } from "drizzle-orm";
import { type Database, openDatabase } from "../db/client.ts";
import { bookings, cars, idempotencyKeys } from "../db/schema.ts";
import { violationOf } from "../db/violations.ts";
import { CLAIM_TAKEN, type Claim, claimRow } from "../http/idempotency.ts";
import { outboxStatement, outgoing } from "../notifications/outbox.ts";
import { ACTIVE_BOOKING_STATUSES } from "../vocabulary.ts";
import type { Booking, Calendar, Change } from "./calendar.ts";
import type { CalendarStore, Commit } from "./calendar-writer.ts";
import { noticesOf } from "./notices.ts";
import { bookingBody, bookingPath } from "./schemas.ts";

/** How the store is set up for one car. */
export type CalendarStoreOptions = {
  carId: string;
  staffAddress: string;
  /** Told the ids of the notifications that a commit wrote. */
  onOutbox: (ids: string[]) => void;
};

/** The store behind the calendar of one car. */
export class D1CalendarStore implements CalendarStore {
  readonly #d1: D1Database;
  readonly #options: CalendarStoreOptions;

  constructor(d1: D1Database, options: CalendarStoreOptions) {
    this.#d1 = d1;
    this.#options = options;
  }

  async load(): Promise<Calendar> {
    const db = this.#open();
    const { carId } = this.#options;
    const [car, active] = await db.batch([
      db.select({ status: cars.status }).from(cars).where(eq(cars.id, carId)),
      db
        .select()
        .from(bookings)
        .where(and(eq(bookings.carId, carId), inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]))),
    ]);
    return { status: car[0]?.status, active: new Map(active.map((booking) => [booking.id, booking])) };
  }

  async commit(change: Change, claim: Claim | undefined): Promise<Commit> {
    const db = this.#open();
    const now = change.booking.updatedAt;
    const notices = outgoing(noticesOf(change, this.#options.staffAddress));
    try {
      await db.batch([
        writeBooking(db, change),
        ...notices.map((notice) => outboxStatement(db, notice, now)),
        ...(claim ? [db.insert(idempotencyKeys).values(claimRow(claim, answerOf(change.booking), now))] : []),
      ]);
    } catch (error) {
      const violation = violationOf(error);
      if (violation === CLAIM_TAKEN) return { type: "duplicate_request" };
      return violation ? { type: "refused" } : { type: "unknown", error };
    }
    this.#options.onOutbox(notices.map((notice) => notice.id));
    return { type: "committed", bookmark: db.bookmark() };
  }

  async holds({ booking }: Change): Promise<boolean> {
    const db = this.#open();
    const stored = await db.select().from(bookings).where(eq(bookings.id, booking.id)).get();
    return (
      stored?.sequence === booking.sequence &&
      stored.status === booking.status &&
      stored.startAt === booking.startAt &&
      stored.updatedAt === booking.updatedAt
    );
  }

  #open(): Database {
    return openDatabase(this.#d1, "first-primary");
  }
}

function writeBooking(db: Database, change: Change) {
  const { booking } = change;
  if (change.type === "booked") return db.insert(bookings).values(booking);
  const { status, startAt, endAt, sequence, updatedAt } = booking;
  return db
    .update(bookings)
    .set({ status, startAt, endAt, sequence, updatedAt })
    .where(eq(bookings.id, booking.id));
}

const answerOf = (booking: Booking) =>
  ({ status: 201, body: bookingBody(booking), location: bookingPath(booking.id) }) as const;
