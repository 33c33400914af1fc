/** Local times on the wire. */
import { z } from "@hono/zod-openapi";

const HOUR_AND_MINUTE = "(?:[01]\\d|2[0-3]):[0-5]\\d";

/** A local time. Nothing else is said about a window when it has another form. */
const localTime = (form: string, from: string, to: string) =>
  z.string().regex(new RegExp(`^(?:${form})$`), {
    error: `Must be a time from ${from} to ${to}, written HH:MM`,
    abort: true,
  });

/** When a window of a day begins. */
export const opening = localTime(HOUR_AND_MINUTE, "00:00", "23:59").openapi({ example: "09:00" });
/** When a window of a day ends. */
export const closing = localTime(`${HOUR_AND_MINUTE}|24:00`, "00:01", "24:00").openapi({ example: "12:00" });
