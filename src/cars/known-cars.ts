/**
 * The ids of cars that this isolate has seen in the database. An id that a client made up must not start a Durable
 * Object, and asking the database each time would cost every booking a round trip. Cars are never deleted.
 */

const known = new Set<string>();
/** About a megabyte. */
const MAX_KNOWN = 10_000;

/** Whether the car is known to exist. A car that is not known may exist. */
export const isKnownCar = (id: string): boolean => known.has(id);

/** Notes that the database has the car. */
export function rememberCar(id: string): void {
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(id);
}
