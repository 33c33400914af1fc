/** The Durable Object of one car, named by the car's id. It is the only writer of the car's bookings and status. */
import { DurableObject } from "cloudflare:workers";
import { uuidv7 } from "uuidv7";
import type { Booking } from "../bookings/booking.ts";
import { bookingBody, bookingPath } from "../bookings/schemas.ts";
import type { CarRow } from "../cars/store.ts";
import { readConfig } from "../config.ts";
import { type Cost, noCost } from "../db/client.ts";
import { enqueue } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import type { Refusal } from "../shared/refusals.ts";
import { D1CarStore } from "./car-store.ts";
import { CarWriter, type CommandContext } from "./car-writer.ts";
import type { Command } from "./commands.ts";

/**
 * The result of `execute`. `committed`: whether there was a commit, which also verified the caller. `car`: the car after
 * a change of its fields, when the commit returned it. `cost`: missing from coordinators of earlier versions.
 */
type Answer = { cost?: Cost } & (
  | {
      ok: true;
      booking: Booking | undefined;
      car?: CarRow | undefined;
      committed: boolean;
      bookmark: string | null;
    }
  | { ok: false; refusal: Refusal }
);

/** A thin shell around `CarWriter`. It keeps no facts of its own, because it may be evicted at any moment. */
export class CarCoordinator extends DurableObject<Env> {
  readonly #writer: CarWriter;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const carId = ctx.id.name;
    if (!carId) throw new Error("a CarCoordinator must be named by the id of its car");
    const config = readConfig(env);
    const store = new D1CarStore(env.DB, {
      carId,
      staffAddress: config.email.staff,
      showroomDefaults: config.showroom,
      activeBookings: config.activeBookings,
      limitChanges: config.rateLimits,
      answerOf: (booking) => ({
        status: 201,
        body: bookingBody(booking, booking.createdAt),
        location: bookingPath(booking.id),
      }),
      onOutbox: (ids, requestId) => ctx.waitUntil(enqueue(env.NOTIFICATIONS, ids, requestId)),
    });
    this.#writer = new CarWriter(
      store,
      () => ({ carId, now: Date.now(), newId: uuidv7() }),
      (event, error, request) => log.error(event, { car: carId, request, error: describeError(error) }),
    );
  }

  /** Executes a command. Refusals are values. */
  async execute(command: Command, context: CommandContext): Promise<Answer> {
    const cost = noCost();
    const outcome = await this.#writer.execute(command, { ...context, cost });
    if (!outcome.ok) return { ...outcome, cost };
    const { booking, car, change, bookmark } = outcome;
    return { ok: true, booking, car, committed: change !== undefined, bookmark, cost };
  }
}
