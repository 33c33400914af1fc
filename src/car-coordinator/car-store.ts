/** The facts of one car in D1, which is the only source of truth. */
import { eq, sql } from "drizzle-orm";
import type { Assigned, Booking } from "../bookings/booking.ts";
import {
  activeBookings,
  assignBooking,
  type BookingCaps,
  bookingById,
  cancelBookings,
  changesAllowedIn,
  checkBookingCap,
  countBookingChange,
  insertBooking,
  moveBooking,
  updateBooking,
} from "../bookings/store.ts";
import { refusalOf as carRefusalOf, updateCar } from "../cars/car-writes.ts";
import { type CarRow, carStatus, carWithPhotos } from "../cars/store.ts";
import { type Database, openDatabase } from "../db/client.ts";
import { completeWithSalesperson, KEY_TAKEN, type StoredAnswer, storeAnswer } from "../db/idempotency.ts";
import { calendars, cars, showrooms } from "../db/schema.ts";
import { build, compile, type Statement } from "../db/statement.ts";
import { type Violation, violationOf } from "../db/violations.ts";
import { outboxStatement, outgoing } from "../outbox/outbox.ts";
import { recordSale, recordVoid, saleById, refusalOf as saleRefusalOf } from "../sales/store.ts";
import { DependencyDown } from "../shared/dependency-down.ts";
import { type Refusal, refuse, refuseField } from "../shared/refusals.ts";
import type { Schedule } from "../showrooms/schedule.ts";
import {
  checkSchedule,
  type ShowroomDefaults,
  scheduleOf,
  showroomOfCar,
  sinceYesterday,
} from "../showrooms/store.ts";
import type { CarStore, CommandContext, Commit } from "./car-writer.ts";
import { bookingsOf, type CarState, type Change, isResultOf, withAssigned } from "./commands.ts";
import { noticesOf } from "./notices.ts";

/** The options of a store. */
export type CarStoreOptions = {
  carId: string;
  staffAddress: string;
  showroomDefaults: ShowroomDefaults;
  activeBookings: BookingCaps;
  /** Whether the changes of a customer are counted. */
  limitChanges: boolean;
  /** Builds the stored answer of a new booking. */
  answerOf: (booking: Booking) => StoredAnswer;
  /** Called with the ids of the notifications that a commit wrote. */
  onOutbox: (ids: string[], requestId: string | undefined) => void;
};

const raiseEpoch = compile(
  build
    .insert(calendars)
    .select(
      build
        .select({ carId: cars.id, epoch: sql<number>`1`.as("epoch") })
        .from(cars)
        .where(eq(cars.id, sql.placeholder("carId"))),
    )
    .onConflictDoUpdate({ target: calendars.carId, set: { epoch: sql`${calendars.epoch} + 1` } })
    .returning({ epoch: calendars.epoch }),
);
const currentEpoch = compile(
  build
    .select({
      epoch: calendars.epoch,
      showroomId: sql<string>`${cars.showroomId}`.as("showroomId"),
      version: showrooms.version,
    })
    .from(calendars)
    .innerJoin(cars, eq(cars.id, calendars.carId))
    .innerJoin(showrooms, eq(showrooms.id, cars.showroomId))
    .where(eq(calendars.carId, sql.placeholder("carId"))),
);

/** The D1 store of one car's writer. */
export class D1CarStore implements CarStore {
  readonly #d1: D1Database;
  readonly #options: CarStoreOptions;
  /** The epoch of the last load, and the schedule that it read. */
  #epoch = 0;
  #schedule: Schedule | undefined;
  #bookmark: string | null = null;
  #context: Pick<CommandContext, "requestId" | "cost"> = {};

  constructor(d1: D1Database, options: CarStoreOptions) {
    this.#d1 = d1;
    this.#options = options;
  }

  begin(context: CommandContext): void {
    this.#context = context;
  }

  async load(): Promise<CarState> {
    const { carId, showroomDefaults } = this.#options;
    const db = this.#open();
    const statements = [
      raiseEpoch({ carId }),
      carStatus({ carId }),
      activeBookings({ carId }),
      showroomOfCar({ carId, from: sinceYesterday(Date.now()) }),
    ] as const;
    const [raised, [car], active, [showroom]] = await db.commit(
      "system",
      "car.load",
      `car:${carId}`,
      statements,
    );
    this.#epoch = raised[0]?.epoch ?? 0;
    this.#schedule = showroom && scheduleOf(showroom, showroomDefaults);
    this.#bookmark = db.bookmark();
    return {
      status: car?.status,
      schedule: this.#schedule,
      active: new Map(active.map((booking) => [booking.id, booking])),
    };
  }

  async commit(change: Change, { caller, requestId, idempotency }: CommandContext): Promise<Commit> {
    const db = this.#open();
    const { carId, staffAddress, activeBookings: caps, limitChanges, answerOf, onOutbox } = this.#options;
    const notices = outgoing(noticesOf(change, staffAddress));
    const at = timeOf(change);
    const answer = change.type === "booked" ? answerOf(change.booking) : idempotency?.answer;
    const fences = this.#fences();
    const statements: Statement[] = [
      ...fences,
      ...changeStatements(change),
      // The cap is against customers who hoard, not against the sales team.
      ...(change.type === "booked" && change.booking.source !== "STAFF"
        ? [checkBookingCap(change.booking, caps)]
        : []),
      ...(limitChanges && caller.role === "CUSTOMER" ? [countBookingChange(caller.id, at)] : []),
      ...(notices.length > 0 ? [outboxStatement(notices, at, requestId)] : []),
      ...(answer ? storeAnswer(idempotency?.key, answer, at) : []),
      ...(idempotency && change.type === "booked" && change.candidates
        ? [completeWithSalesperson(idempotency.key, change.booking.id)]
        : []),
    ];
    const action = `car.${change.type === "status_changed" ? change.command.type : change.type}`;
    // A change of the car's fields is answered with the car as it is then.
    const isAnsweredByCar = change.type === "status_changed" && change.command.type === "set_status";
    let rows: readonly unknown[][];
    try {
      rows = await db.commit(caller, action, `car:${carId}`, [
        ...statements,
        ...(isAnsweredByCar ? [carWithPhotos(carId)] : []),
      ]);
    } catch (error) {
      const violation = violationOf(error);
      if (violation) return refusedBy(violation, change, caps);
      if (error instanceof DependencyDown) return { type: "unknown", error };
      throw error;
    }
    if (notices.length > 0)
      onOutbox(
        notices.map((notice) => notice.id),
        requestId,
      );
    this.#bookmark = db.bookmark();
    return {
      type: "committed",
      car: rows[statements.length]?.[0] as CarRow | undefined,
      assigned: candidatesOf(change) && (rows[fences.length]?.[0] as Assigned | undefined),
    };
  }

  async find(change: Change): Promise<Change | undefined> {
    // The load before it has set the bookmark.
    const db = this.#open();
    if (change.type === "status_changed" && change.command.type === "sell") {
      // Its id is new, whatever has become of the car since.
      const [[sale]] = await db.ask(saleById({ id: change.command.sale.id }));
      return sale && change;
    }
    if (change.type === "status_changed") {
      const [[car]] = await db.ask(carStatus({ carId: change.carId }));
      return car?.status === change.to && car.updatedAt === change.at ? change : undefined;
    }
    const { booking } = change;
    const [[stored]] = await db.ask(bookingById({ id: booking.id }));
    // Its id is new, whatever has become of it since.
    const isThere = change.type === "booked" ? stored !== undefined : isResultOf(change, stored);
    return isThere ? withAssigned(change, stored) : undefined;
  }

  async isCurrent(): Promise<boolean> {
    const [epoch, schedule] = [this.#epoch, this.#schedule];
    const [[current]] = await this.#open().ask(currentEpoch({ carId: this.#options.carId }));
    return (
      (current?.epoch ?? 0) === epoch &&
      current?.showroomId === schedule?.showroomId &&
      current?.version === schedule?.version
    );
  }

  bookmark(): string | null {
    return this.#bookmark;
  }

  /**
   * Fail the batch when a later epoch has begun, or when the schedule in memory is no longer the showroom's. Otherwise
   * they change no row. Every commit proves both, because refusals from memory rest on the last commit.
   */
  #fences(): Statement[] {
    const fence = {
      sql: "UPDATE calendars SET epoch = ?1 WHERE car_id = ?2 AND epoch > ?1",
      params: [this.#epoch, this.#options.carId],
    };
    return this.#schedule ? [fence, checkSchedule(this.#schedule)] : [fence];
  }

  #open(): Database {
    const { requestId, cost } = this.#context;
    return openDatabase(this.#d1, "first-primary", requestId, cost);
  }
}

function changeStatements(change: Change): Statement[] {
  switch (change.type) {
    case "booked":
      return [insertBooking(change.booking, change.candidates)];
    case "confirmed":
    case "transitioned":
      return [updateBooking(change.booking)];
    case "rescheduled":
      return [moveBooking(change.booking, change.candidates)];
    case "assigned":
      return [assignBooking(change.booking)];
    case "status_changed": {
      const { command, carId, to: status, cancelled, at } = change;
      const car = (fields = {}, expectedVersion?: number) =>
        updateCar(
          carId,
          { ...fields, status },
          expectedVersion === undefined ? undefined : [expectedVersion],
          at,
        );
      switch (command.type) {
        case "sell":
          return [...recordSale(command.sale, command.commission), ...cancelBookings(cancelled, at), car()];
        case "void_sale":
          return [...recordVoid(command.sale, command.reversal), car()];
        case "set_status":
          return [...cancelBookings(cancelled, at), car(command.fields, command.expectedVersion)];
      }
    }
  }
}

/** Maps a violation to a refusal. A final refusal is one that loading the car again would not change. */
function refusedBy(violation: Violation, change: Change, caps: BookingCaps): Commit {
  const final = (refusal: Refusal): Commit => ({ type: "refused", refusal, isFinal: true });
  if (violation === KEY_TAKEN) return final({ code: "duplicate_request" });
  if (violation === "not_signed_in") return final({ code: "invalid_token" });
  // Another car's coordinator booked the customer or the salesperson: this car's memory is up to date.
  if (
    violation === "customer_busy" ||
    violation === "salesperson_busy" ||
    violation === "salesperson_absent" ||
    violation === "no_salesperson_free" ||
    violation === "hold_expired" ||
    violation === "too_many_holds"
  )
    return final({ code: violation });
  if (violation === "salesperson_not_active") return final(notActiveStaff.refusal);
  if (violation === "too_many_bookings") return final({ code: violation, detail: describeCaps(caps) });
  if (violation === "email_not_verified")
    return final({
      code: violation,
      detail:
        "Open the link that was mailed to your address, or ask for another (POST /api/auth/email/resend)",
    });
  if (violation === "too_many_changes")
    return final({ code: violation, retryAfter: changesAllowedIn(timeOf(change)) });
  const known =
    change.type !== "status_changed"
      ? undefined
      : change.command.type === "set_status"
        ? carRefusalOf(violation)
        : saleRefusalOf(violation);
  return known
    ? final(known)
    : { type: "refused", refusal: refuse("unavailable").refusal, isFinal: false, rule: violation };
}

const describeCaps = ({ most, mostUnverified }: BookingCaps): string =>
  `A customer may have ${most} active bookings at a time${
    mostUnverified < most ? `, and ${mostUnverified} until their e-mail address is verified` : ""
  }`;

const notActiveStaff = refuseField("salesperson", "not_active_staff", "Must be an active staff member");

const candidatesOf = (change: Change) => ("candidates" in change ? change.candidates : undefined);

const timeOf = (change: Change): number =>
  change.type === "status_changed" ? change.at : (bookingsOf(change)[0]?.updatedAt ?? 0);
