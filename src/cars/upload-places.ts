/**
 * Limits the uploads at once: those of an isolate, because all its requests share its memory, and those of one user. An
 * upload does not wait for a place, because the platform ties I/O to its request: a request cannot wait for the end of
 * another.
 */

/** How many uploads an isolate runs at once: each has up to a part of a file, and both results, in memory. */
const MOST = 3;
const MOST_OF_ONE_USER = 2;
/** The longest time until a file has arrived: 10 MB by 1 Mbit/s take 84 seconds. */
export const MAX_ARRIVAL_MS = 90_000;
/** After this time a place is free again, whatever has become of its request: the platform may end one at any await. */
const MAX_UPLOAD_MS = MAX_ARRIVAL_MS + 60_000;

type Place = { userId: string; until: number };

const places = new Set<Place>();

/** Takes a place for an upload of a user. Returns what gives it back, or undefined when none is free. */
export function takePlace(userId: string, now: number): (() => void) | undefined {
  for (const place of places) if (place.until <= now) places.delete(place);
  const own = [...places].filter((place) => place.userId === userId);
  if (places.size >= MOST || own.length >= MOST_OF_ONE_USER) return undefined;
  const place = { userId, until: now + MAX_UPLOAD_MS };
  places.add(place);
  return () => places.delete(place);
}
