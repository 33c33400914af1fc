/**
 * Self-checks: the cron asks once an hour whether what must always hold does hold. The database and the code refuse each
 * of these faults already, so a failure means that a rule is missing, or that somebody wrote past it.
 */
import type { Config } from "../config.ts";
import type { Database } from "../db/client.ts";
import { query, raw } from "../db/query.ts";
import type { Query } from "../db/statement.ts";
import { overdueMails } from "../outbox/outbox.ts";
import { describeError, log } from "../shared/log.ts";
import { DAY_MS } from "../shared/showroom-time.ts";
import { recordRun } from "./job-runs.ts";

const HOUR_MS = 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;

/** The minute of the hour in which the checks run: not the first, in which old addresses are deleted. */
const CHECK_MINUTE = 30;

/** How long a mail may be due. A run of the cron, and the queue, need less than two minutes. */
const OVERDUE_AFTER_MS = 10 * MINUTE_MS;

/** How many rows a check looks at, the nearest or newest first, so that none takes long in a large database. */
const MOST_BOOKINGS = 10_000;
const MOST_CARS = 50_000;

/** The coming active bookings, and those of the last day. */
const activeBookings = (now: number): Query => query`(
  SELECT id, car_id, customer_id, salesperson_id, source, start_at, end_at, coalesce(footprint_start_at, start_at) AS occupied_from,
    coalesce(footprint_end_at, end_at) AS occupied_until
  FROM bookings
  WHERE start_at > ${now - DAY_MS} AND status IN ('PENDING', 'APPROVED')
    AND (held_until IS NULL OR held_until > ${now})
  ORDER BY start_at LIMIT ${MOST_BOOKINGS})`;

/** The facets of `car_counts`, each with its value in a row of `cars`, as in the view `car_count_keys`. */
const FACETS = {
  status: "status",
  make: "make_key",
  model: "model_key",
  year: "year",
  fuel_type: "fuel_type",
  body_type: "body_type",
  transmission: "transmission",
  drive_type: "drive_type",
  location: "location",
  created_at_step: "created_at / 86400000",
  mileage_step: "mileage / 1000",
  price_step: "price_cents / 50000",
  base_price_step: "base_price_cents / 50000",
  discount_price_step: "coalesce(discount_price_cents / 50000, -1)",
};

/** The facet that is recounted at a time: each hour another, because a recount of all holds up a large database. */
export function facetAt(now: number): { facet: string; value: string } {
  const all = Object.entries(FACETS);
  const [facet = "", value = ""] = all[Math.floor(now / HOUR_MS) % all.length] ?? [];
  return { facet, value };
}

type Check = (config: Config, now: number) => Query<{ failures: number }>;

/** Each check: how many things break the rule. */
export const CHECKS = {
  /** No two active bookings of a car overlap, with their buffers. */
  bookings_overlap: (_, now) => query`
    SELECT count(*) AS failures FROM ${activeBookings(now)} b WHERE EXISTS (
      SELECT 1 FROM bookings other
      WHERE other.car_id = b.car_id AND other.status IN ('PENDING', 'APPROVED') AND other.id <> b.id
        AND (other.held_until IS NULL OR other.held_until > ${now})
        AND other.start_at > b.start_at - ${DAY_MS} AND other.start_at < b.occupied_until
        AND coalesce(other.footprint_start_at, other.start_at) < b.occupied_until
        AND coalesce(other.footprint_end_at, other.end_at) > b.occupied_from)`,

  /** No salesperson is in two coming drives at one time, and none is absent or has left. */
  salespeople_free: (_, now) => query`
    SELECT count(*) AS failures FROM ${activeBookings(now)} b
    WHERE b.start_at > ${now} AND b.salesperson_id IS NOT NULL AND (
      (SELECT is_active FROM users WHERE id = b.salesperson_id) IS NOT 1
      OR EXISTS (
        SELECT 1 FROM absences a
        WHERE a.user_id = b.salesperson_id AND a.end_at > b.occupied_from AND a.start_at < b.occupied_until)
      OR EXISTS (
        SELECT 1 FROM allocations o
        WHERE o.kind = 'SALESPERSON' AND o.resource_id = b.salesperson_id AND o.booking_id <> b.id
          AND o.start_at > b.occupied_from - ${DAY_MS} AND o.start_at < b.occupied_until
          AND o.end_at > b.occupied_from AND (o.expires_at IS NULL OR o.expires_at > ${now})))`,

  /** Each active booking has its car, its customer and its salesperson allocated, for the times that it says. */
  bookings_allocated: (_, now) => query`
    SELECT count(*) AS failures FROM ${activeBookings(now)} b
    WHERE NOT EXISTS (
        SELECT 1 FROM allocations WHERE kind = 'CAR' AND resource_id = b.car_id AND booking_id = b.id
          AND start_at = b.occupied_from AND end_at = b.occupied_until)
      OR NOT EXISTS (
        SELECT 1 FROM allocations WHERE kind = 'CUSTOMER' AND resource_id = b.customer_id AND booking_id = b.id
          AND start_at = b.start_at AND end_at = b.end_at)
      OR (b.salesperson_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM allocations WHERE kind = 'SALESPERSON' AND resource_id = b.salesperson_id
          AND booking_id = b.id AND start_at = b.occupied_from AND end_at = b.occupied_until))`,

  /** No customer has requested more coming bookings than MAX_ACTIVE_BOOKINGS. */
  customer_caps: ({ activeBookings: { most } }, now) => query`
    SELECT count(*) AS failures FROM (
      SELECT customer_id FROM ${activeBookings(now)}
      WHERE end_at > ${now} GROUP BY customer_id HAVING count(*) FILTER (WHERE source <> 'STAFF') > ${most})`,

  /** A car is SOLD when it has an open sale, and has one at most. */
  open_sales: () => query`
    SELECT count(*) AS failures FROM (
      SELECT id, status FROM cars INDEXED BY cars_by_created ORDER BY created_at DESC, id DESC LIMIT ${MOST_CARS}) c
    WHERE (c.status = 'SOLD') <> (SELECT count(*) FROM sales WHERE car_id = c.id AND voided_at IS NULL)`,

  /** The kept counts of one facet of the stock are what a recount gives. */
  car_counts(_, now) {
    const { facet, value } = facetAt(now);
    return query`
      SELECT count(*) AS failures FROM (
        SELECT 1 FROM (
          SELECT value, status, n FROM car_counts WHERE facet = ${facet}
          UNION ALL SELECT ${raw(value)}, status, -count(*) FROM cars
          WHERE ${raw(value)} IS NOT NULL GROUP BY 1, 2)
        GROUP BY value, status HAVING sum(n) <> 0)`;
  },

  /** No mail is due for long. */
  overdue_mails: (_, now) => query`
    SELECT count(*) AS failures FROM (${overdueMails({ now: now - OVERDUE_AFTER_MS })})`,
} as const satisfies Record<string, Check>;

/** The name of a self-check. */
export type CheckName = keyof typeof CHECKS;

/** How many failures each check found; null when it could not be made. */
export type CheckResults = Record<CheckName, number | null>;

/** Whether the checks run at this time. */
export const isCheckTime = (now: number): boolean => Math.floor((now % HOUR_MS) / MINUTE_MS) === CHECK_MINUTE;

/** Makes all checks, one round trip each, so that other requests come between. Failures are logged and recorded. */
export async function runSelfChecks(db: Database, config: Config, now: () => number): Promise<CheckResults> {
  const begunAt = now();
  const results: Partial<CheckResults> = {};
  for (const [name, check] of Object.entries(CHECKS) as [CheckName, Check][]) {
    try {
      const [[row]] = await db.ask(check(config, begunAt));
      results[name] = row?.failures ?? null;
      if (row?.failures !== 0) log.error("selfcheck.failed", { check: name, failures: row?.failures });
    } catch (error) {
      results[name] = null;
      log.error("selfcheck.failed", { check: name, error: describeError(error) });
    }
  }
  await recordRun(db, "self_check", { begunAt, finishedAt: now(), result: results });
  return results as CheckResults;
}
