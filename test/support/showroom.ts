/** A showroom that assigns salespeople, and the people who work there. */
import { expect } from "vitest";
import { WEEKDAYS } from "../../src/shared/opening-hours.ts";
import { answer, call, person } from "./world.ts";

type Person = Awaited<ReturnType<typeof person>>;

const ALL_DAYS = Object.fromEntries(WEEKDAYS.map((day) => [day, [["09:00", "17:00"]]]));

/** Makes a showroom that is open daily from 09:00 to 17:00; returns its id. */
export async function openShowroom(admin: Person, policy: object = {}, more: object = {}): Promise<string> {
  const json = {
    name: "Berlin Mitte",
    code: `room-${crypto.randomUUID().slice(0, 8)}`,
    time_zone: "Europe/Berlin",
    hours: ALL_DAYS,
    policy: { assignment: "AUTOMATIC", ...policy },
    ...more,
  };
  const { status, body } = await answer(call("POST", "/api/showrooms/", { token: admin.token, json }));
  expect([status, body.errors]).toEqual([201, undefined]);
  return body.id;
}

/** Shifts in a showroom, from one local time to another, on every day. */
export const daily = (showroom: string, from = "09:00", to = "17:00") =>
  WEEKDAYS.map((weekday) => ({ showroom, weekday, from, to }));

/** Sets the shifts of a salesperson. */
export const work = (admin: Person, who: Person, shifts: object[], weight?: number) =>
  answer(
    call("PUT", `/api/staff/${who.id}/shifts/`, {
      token: admin.token,
      json: { shifts, ...(weight && { weight }) },
    }),
  );

/** A salesperson who works in a showroom every day. */
export async function salesperson(admin: Person, showroom: string, weight?: number): Promise<Person> {
  const who = await person("SALES");
  expect((await work(admin, who, daily(showroom), weight)).status).toBe(200);
  return who;
}
