/** The Durable Object of one car, named by the car's id: the only writer of that car's bookings. */
import { DurableObject } from "cloudflare:workers";
import { uuidv7 } from "uuidv7";
import { Askers, WHO_IS_SIGNED_IN } from "../auth/askers.ts";
import { slotsText } from "../bookings/schemas.ts";
import { freeSlots, type Hours } from "../bookings/slots.ts";
import { readConfig } from "../config.ts";
import type { Caller } from "../http/context.ts";
import { enqueue } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import { D1CalendarStore } from "./car-store.ts";
import { type Attached, CalendarWriter, type Outcome } from "./car-writer.ts";
import type { Command } from "./commands.ts";

/** What `openSlots` answers: JSON text, because over RPC an object costs more than what is in it, or why there is none. */
export type SlotsOutcome = string | { code: "car_not_found" | "unavailable" };

/** What `perform` answers. */
export type Told = Outcome & { isSignedIn?: boolean };

/** A thin shell around `CalendarWriter`. Evict it at any moment: it holds no truth. */
export class CarCalendar extends DurableObject<Env> {
  readonly #hours: Hours;
  readonly #writer: CalendarWriter;
  readonly #askers: Askers;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const carId = ctx.id.name;
    if (!carId) throw new Error("a CarCalendar is reached by the car's id as its name");
    const config = readConfig(env);
    this.#hours = { timeZone: config.showroom.timeZone, horizonDays: config.bookingHorizonDays };
    const store = new D1CalendarStore(env.DB, {
      carId,
      staffAddress: config.email.staff,
      onOutbox: (ids) => ctx.waitUntil(enqueue(env.NOTIFICATIONS, ids)),
    });
    this.#writer = new CalendarWriter(
      store,
      () => ({ carId, now: Date.now(), newId: uuidv7(), hours: this.#hours }),
      (event, error) => log.error(event, { car: carId, error: describeError(error) }),
    );
    this.#askers = new Askers(async (askers) => {
      const primary = env.DB.withSession("first-primary");
      const known = await primary
        .prepare(WHO_IS_SIGNED_IN)
        .bind(JSON.stringify(askers))
        .all<{ place: number }>();
      return new Set(known.results.map(({ place }) => place));
    });
  }

  /**
   * Carries out a command; refusals are values.
   * @param asker of whom a refusal also says whether they are signed in; what is done has it in `attached`
   */
  async perform(command: Command, attached?: Attached, asker?: Caller): Promise<Told> {
    const outcome = await this.#writer.perform(command, attached);
    if (outcome.ok || !asker) return outcome;
    // When that cannot be found out here, the asker's own request asks.
    const isSignedIn = await this.#askers.isSignedIn(asker).catch(() => false);
    return { ...outcome, isSignedIn };
  }

  /**
   * The bookable slots of the local days from `from` to `to`, from memory, as the JSON text of the answer. Empty when the
   * car is not for sale.
   */
  async openSlots(from: string, to: string): Promise<SlotsOutcome> {
    try {
      const { status, active } = await this.#writer.read();
      if (status === undefined || status === "REMOVED") return { code: "car_not_found" };
      const isOpen = status !== "SOLD";
      const slots = isOpen ? freeSlots(from, to, [...active.values()], Date.now(), this.#hours) : [];
      return slotsText(slots, this.#hours.timeZone);
    } catch (error) {
      log.error("calendar.load_failed", { error: describeError(error) });
      return { code: "unavailable" };
    }
  }
}

/** The calendar of a car. */
export const calendarOf = (env: Env, carId: string) => env.CAR_CALENDAR.getByName(carId);
