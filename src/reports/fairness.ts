/** The report of fairness: how the drives of a showroom were shared among its salespeople. */
import type { z } from "@hono/zod-openapi";
import { readAs } from "../auth/verification.ts";
import { query } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import type { ClaimedCaller } from "../shared/callers.ts";
import { ok, type Result, refuse } from "../shared/refusals.ts";
import { daySpan } from "../shared/showroom-time.ts";
import { scheduleOf, showroomById, sinceYesterday } from "../showrooms/store.ts";
import type { fairnessSchema } from "./fairness-schemas.ts";

type FairnessBody = z.infer<typeof fairnessSchema>;

/** What decides about the share of a person, and how many drives they had. */
type Row = {
  userId: string;
  username: string;
  firstName: string;
  lastName: string;
  weight: number;
  shiftMinutes: number;
  drives: number;
};

/**
 * The salespeople of a showroom, most drives first: who works there now, and who made drives there from `from` to `to`
 * (milliseconds, the end excluded). Drives that do not take place, and holds, do not count.
 */
export const sharesOf = (showroomId: string, from: number, to: number) => query<Row>`
  WITH driven AS (
    SELECT salesperson_id AS id, count(*) AS n FROM bookings
    WHERE salesperson_id IS NOT NULL AND start_at >= ${from} AND start_at < ${to} AND showroom_id = ${showroomId}
      AND held_until IS NULL AND status NOT IN ('DECLINED', 'CANCELLED')
    GROUP BY salesperson_id
  ), working AS (
    SELECT s.user_id AS id, sum((substr(to_time, 1, 2) - substr(from_time, 1, 2)) * 60
      + substr(to_time, 4) - substr(from_time, 4)) AS minutes
    FROM shifts s JOIN users u ON u.id = s.user_id AND u.is_active
    WHERE s.showroom_id = ${showroomId}
    GROUP BY s.user_id
  )
  SELECT u.id AS "userId", u.username, u.first_name AS "firstName", u.last_name AS "lastName",
    coalesce(p.weight, 100) AS weight,
    coalesce(w.minutes, 0) AS "shiftMinutes", coalesce(d.n, 0) AS drives
  FROM (SELECT id FROM driven UNION SELECT id FROM working) people
    JOIN users u ON u.id = people.id
    LEFT JOIN staff_profiles p ON p.user_id = people.id
    LEFT JOIN working w ON w.id = people.id
    LEFT JOIN driven d ON d.id = people.id
  ORDER BY drives DESC, u.username, u.id`;

/**
 * The drives of each salesperson of a showroom on the local days from `from` to `to`, against their share. Two round
 * trips, because the days are those of the showroom's zone.
 */
export async function getFairness(
  deps: Deps,
  claimed: ClaimedCaller,
  input: { showroom: string; from?: string | undefined; to?: string | undefined },
): Promise<Result<FairnessBody>> {
  const { now, config } = deps;
  const read = await readAs(deps, claimed, showroomById({ id: input.showroom, from: sinceYesterday(now) }));
  if (!read.ok) return read;
  const [[showroom]] = read.value.rows;
  if (!showroom) return refuse("not_found");
  const { timeZone } = scheduleOf(showroom, config.showroom);
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = daySpan(input.from, input.to, timeZone);
  const [people] = await deps.db.ask(sharesOf(input.showroom, from, to));
  return ok({
    showroom: input.showroom,
    from: input.from ?? null,
    to: input.to ?? null,
    ...fairnessOf(people),
  });
}

/** Shares and expected drives, with two decimals: a share is weight times minutes in shift, as part of everybody's. */
export function fairnessOf(people: readonly Row[]): Pick<FairnessBody, "drives" | "people"> {
  const drives = people.reduce((sum, person) => sum + person.drives, 0);
  const partOf = ({ weight, shiftMinutes }: Row) => weight * shiftMinutes;
  const all = people.reduce((sum, person) => sum + partOf(person), 0);
  return {
    drives,
    people: people.map((person) => {
      const share = all === 0 ? 0 : partOf(person) / all;
      const expected = rounded(share * drives);
      return {
        user: person.userId,
        username: person.username,
        first_name: person.firstName,
        last_name: person.lastName,
        weight: person.weight,
        shift_minutes: person.shiftMinutes,
        share: rounded(share * 100),
        drives: person.drives,
        expected,
        difference: rounded(person.drives - expected),
      };
    }),
  };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
