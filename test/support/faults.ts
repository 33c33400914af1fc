/** A database with injected faults, and the writer of a car over it. */
import { env } from "cloudflare:workers";
import { type CarStoreOptions, D1CarStore } from "../../src/car-coordinator/car-store.ts";
import { CarWriter } from "../../src/car-coordinator/car-writer.ts";
import { ZONE } from "./world.ts";

/** How the database is reached: `around` is called with each batch. */
type Around = (batch: () => Promise<D1Result[]>, index: number) => Promise<D1Result[]>;

/** The database, with something happening around each batch sent to it. */
export function databaseWith(around: Around): D1Database {
  let batches = 0;
  return new Proxy(env.DB, {
    get(d1, member) {
      if (member !== "withSession") return Reflect.get(d1, member);
      return (start: string) =>
        new Proxy(d1.withSession(start), {
          get(session, name) {
            if (name !== "batch") {
              const value = Reflect.get(session, name);
              return typeof value === "function" ? value.bind(session) : value;
            }
            return (statements: D1PreparedStatement[]) => {
              batches += 1;
              return around(() => session.batch(statements), batches);
            };
          },
        });
    },
  });
}

/** The store of a car. */
export const storeOf = (carId: string, d1 = env.DB, more: Partial<CarStoreOptions> = {}) =>
  new D1CarStore(d1, {
    carId,
    staffAddress: "sales@example.com",
    showroomDefaults: { name: env.SHOWROOM_NAME, timeZone: ZONE, horizonDays: 365 },
    activeBookings: { most: 1000, mostUnverified: 1000 },
    limitChanges: false,
    answerOf: (booking) => ({ status: 201, body: booking }),
    onOutbox: () => {},
    ...more,
  });

/** The writer of a car. */
export const writerOf = (carId: string, d1 = env.DB, more: Partial<CarStoreOptions> = {}) =>
  new CarWriter(
    storeOf(carId, d1, more),
    () => ({
      carId,
      now: Date.now(),
      newId: crypto.randomUUID(),
    }),
    () => {},
  );
