/** A car's calendar in D1, the only place where bookings are true. */
import { and, eq, inArray, sql } from "drizzle-orm";
import { bookingBody, bookingPath } from "../bookings/schemas.ts";
import { type Database, openDatabase } from "../db/client.ts";
import { bookings, calendars, cars } from "../db/schema.ts";
import { insertInto, type Statement, statementOf } from "../db/statement.ts";
import { violationOf } from "../db/violations.ts";
import { CLAIM_TAKEN, remembering } from "../http/idempotency.ts";
import { outboxStatement, outgoing } from "../outbox/outbox.ts";
import { ACTIVE_BOOKING_STATUSES } from "../shared/enums.ts";
import type { Attached, CalendarStore, Commit } from "./car-writer.ts";
import { type Booking, bookingsOf, type Calendar, type Change } from "./commands.ts";
import { noticesOf } from "./notices.ts";

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
  /** The epoch that the last load began. */
  #epoch = 0;

  constructor(d1: D1Database, options: CalendarStoreOptions) {
    this.#d1 = d1;
    this.#options = options;
  }

  async load(): Promise<Calendar> {
    const db = this.#open();
    const { carId } = this.#options;
    const [claimed, car, active] = await db.batch([
      db
        .insert(calendars)
        .select(
          db
            .select({ carId: cars.id, epoch: sql<number>`1`.as("epoch") })
            .from(cars)
            .where(eq(cars.id, carId)),
        )
        .onConflictDoUpdate({ target: calendars.carId, set: { epoch: sql`${calendars.epoch} + 1` } })
        .returning(),
      db.select({ status: cars.status }).from(cars).where(eq(cars.id, carId)),
      db
        .select()
        .from(bookings)
        .where(and(eq(bookings.carId, carId), inArray(bookings.status, [...ACTIVE_BOOKING_STATUSES]))),
    ]);
    this.#epoch = claimed[0]?.epoch ?? 0;
    return { status: car[0]?.status, active: new Map(active.map((booking) => [booking.id, booking])) };
  }

  async commit(change: Change, attached: Attached): Promise<Commit> {
    const db = this.#open();
    const notices = outgoing(noticesOf(change, this.#options.staffAddress));
    const { claim, alongside = [], notificationIds = [] } = attached;
    const statements: Statement[] = [
      this.#fence(),
      ...alongside,
      ...changeStatements(db, change),
      ...(notices.length > 0 ? [outboxStatement(notices, timeOf(change))] : []),
      ...(change.type === "booked" ? remembering(claim, answerOf(change.booking), timeOf(change)) : []),
    ];
    try {
      await db.commit(statements);
    } catch (error) {
      const violation = violationOf(error);
      if (violation === CLAIM_TAKEN) return { type: "duplicate_request" };
      return violation ? { type: "refused", violation } : { type: "unknown", error };
    }
    const ids = [...notificationIds, ...notices.map((notice) => notice.id)];
    if (ids.length > 0) this.#options.onOutbox(ids);
    return { type: "committed", bookmark: db.bookmark() };
  }

  async holds(change: Change): Promise<boolean> {
    const db = this.#open();
    if (change.type === "status_set") {
      const car = await db.select().from(cars).where(eq(cars.id, change.carId)).get();
      return car?.status === change.to && car.updatedAt === change.at;
    }
    const { booking } = change;
    const stored = await db.select().from(bookings).where(eq(bookings.id, booking.id)).get();
    return (
      stored?.sequence === booking.sequence &&
      stored.status === booking.status &&
      stored.startAt === booking.startAt &&
      stored.updatedAt === booking.updatedAt
    );
  }

  /** Fails the batch when a later epoch has begun, and else touches no row. */
  #fence(): Statement {
    return {
      sql: "UPDATE calendars SET epoch = ?1 WHERE car_id = ?2 AND epoch > ?1",
      params: [this.#epoch, this.#options.carId],
    };
  }

  #open(): Database {
    return openDatabase(this.#d1, "first-primary");
  }
}

function changeStatements(db: Database, change: Change): Statement[] {
  switch (change.type) {
    case "booked":
      return [insertInto(bookings, change.booking)];
    case "transitioned":
    case "rescheduled": {
      const { id, status, startAt, endAt, handledBy, sequence, updatedAt } = change.booking;
      const row = { status, startAt, endAt, handledBy, sequence, updatedAt };
      return [statementOf(db.update(bookings).set(row).where(eq(bookings.id, id)))];
    }
    case "status_set": {
      const ids = JSON.stringify(change.cancelled.map(({ id }) => id));
      const cancel = db
        .update(bookings)
        .set({ status: "CANCELLED", sequence: sql`${bookings.sequence} + 1`, updatedAt: change.at })
        .where(sql`${bookings.id} IN (SELECT value FROM json_each(${ids}))`);
      const set = db
        .update(cars)
        .set({ status: change.to, updatedAt: change.at, version: sql`${cars.version} + 1` })
        .where(eq(cars.id, change.carId));
      return [...(change.cancelled.length > 0 ? [statementOf(cancel)] : []), statementOf(set)];
    }
  }
}

const timeOf = (change: Change): number =>
  change.type === "status_set" ? change.at : (bookingsOf(change)[0]?.updatedAt ?? 0);

const answerOf = (booking: Booking) =>
  ({ status: 201, body: bookingBody(booking), location: bookingPath(booking.id) }) as const;
