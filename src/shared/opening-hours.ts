/** When a showroom is open: the words that its schedule, the database and clients share. */

/** The days of the week, Sunday first, as `Date` counts them. */
export const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
/** A day of the week. */
export type Weekday = (typeof WEEKDAYS)[number];

/** Local times, written `HH:MM`, between which the showroom is open. The end may be `24:00`. */
export type OpeningWindow = readonly [opening: string, closing: string];

/** The windows of each day of the week, in order, without overlap. A day without windows is closed. */
export type WeeklyHours = Readonly<Record<Weekday, readonly OpeningWindow[]>>;
