/** Where a showroom is, for people. */
import { sql } from "drizzle-orm";
import { showrooms } from "../db/schema.ts";

/** The address of a showroom in one line, without the parts that it does not have. */
export const addressOfShowroom = sql<string>`concat_ws(', ', nullif(${showrooms.address}, ''),
  nullif(trim(${showrooms.postalCode} || ' ' || ${showrooms.city}), ''), nullif(${showrooms.country}, ''))`;

/** Where a showroom is on the map, if it is known. */
export const geoOf = ({ latitude, longitude }: { latitude: number | null; longitude: number | null }) =>
  latitude === null || longitude === null ? {} : { geo: { lat: latitude, lon: longitude } };
