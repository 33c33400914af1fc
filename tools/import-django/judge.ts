/**
 * Which rows of the seed go in. Pure. A row that breaks a rule is never mended, and never left out quietly: it is
 * refused with its reasons, and with it what cannot be without it. What is done about it is the operator's decision.
 */
import type { z } from "@hono/zod-openapi";
import { isActive, isBookable } from "../../src/bookings/booking.ts";
import { FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { overlaps } from "../../src/shared/showroom-time.ts";
import { foldCase } from "../../src/shared/text.ts";
import { checkStart, defaultSchedule, driveAt } from "../../src/showrooms/schedule.ts";
import { rowReaders } from "./rows.ts";
import type { Area, Sources } from "./tables.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** How much of a refused value is shown. */
const SHOWN_CHARACTERS = 40;

/** A row of the dump that does not go in, by the id it has there. */
export type Refused = { area: Area; id: string; reasons: string[] };

/** What judging depends on besides the dump. `now` in milliseconds. */
export type Rules = {
  now: number;
  hours: { timeZone: string; horizonDays: number };
  defaultCurrency: string;
};

/** A row that is well-formed on its own, with the id it has in the dump. */
type Given<Row> = Row & { seedId: string };

/** Judges every row: those that go in, read and with the ids they have in the dump, and those that are refused. */
export function judge(sources: Sources, { now, hours, defaultCurrency }: Rules) {
  const readers = rowReaders({ now, timeZone: hours.timeZone, defaultCurrency });
  const schedule = defaultSchedule(FIRST_SHOWROOM, hours.timeZone, hours.horizonDays);
  const refusals = new Map<string, Refused>();

  const refuse = (area: Area, { seedId }: { seedId: string }, ...reasons: string[]): void => {
    const known = refusals.get(`${area} ${seedId}`);
    if (known) known.reasons.push(...reasons);
    else refusals.set(`${area} ${seedId}`, { area, id: seedId, reasons });
  };
  const isRefused = (area: Area, seedId: string) => refusals.has(`${area} ${seedId}`);
  const lost = (what: Area, seedId: string) => `needs ${what} ${seedId}, which is refused`;

  /** The rows that are well-formed on their own, the oldest first: of two that cannot both stay, it is the older. */
  const wellFormed = <Row>(area: Area, reader: z.ZodType<Row>, ageOf: (row: Row) => number): Given<Row>[] =>
    sources[area].rows
      .flatMap((row) => {
        const seedId = row.id ?? "";
        const parsed = reader.safeParse(row);
        if (parsed.success) return [{ ...parsed.data, seedId }];
        const given: Readonly<Record<string, string | null>> = row;
        const reasons = parsed.error.issues.map(({ path, message }) => {
          const field = path.join(".");
          return `${field} ${JSON.stringify(given[field]?.slice(0, SHOWN_CHARACTERS) ?? null)}: ${message}`;
        });
        refuse(area, { seedId }, ...reasons);
        return [];
      })
      .toSorted((a, b) => ageOf(a) - ageOf(b));

  /** Keeps the rows without a reason against them, and refuses the others. */
  const sift = <Row>(area: Area, rows: Given<Row>[], against: (row: Given<Row>) => Array<string | false>) =>
    rows.filter((row) => {
      const reasons = against(row).filter((reason) => reason !== false);
      if (reasons.length > 0) refuse(area, row, ...reasons);
      return reasons.length === 0;
    });

  /** Keeps the first of the rows with the same key. */
  const firstOfEach = <Row>(
    area: Area,
    rows: Given<Row>[],
    what: string,
    keyOf: (row: Row) => string | null,
  ) => {
    const first = new Map<string, string>();
    return sift(area, rows, (row) => {
      const key = keyOf(row);
      if (key === null) return [];
      const earlier = first.get(key);
      first.set(key, earlier ?? row.seedId);
      return [earlier !== undefined && `has the same ${what} as ${area} ${earlier}`];
    });
  };

  // Staff and users stand and fall together: nobody sells without a profile, and no profile is a customer's.
  const profiles = firstOfEach(
    "staff",
    wellFormed("staff", readers.staff, () => 0),
    "user",
    (row) => row.user,
  );
  const profileOf = new Map(profiles.map((profile) => [profile.user, profile]));
  const profileIn = new Map(sources.staff.rows.map((row) => [row.user ?? "", row.id ?? ""]));
  const people = wellFormed("users", readers.users, (row) => row.date_joined).map((row) => ({
    ...row,
    // The seed's own administration makes superusers with the role of a customer.
    role: row.is_superuser ? ("ADMIN" as const) : row.role,
  }));
  const employable = sift("users", people, ({ seedId, role }) => {
    const profile = profileIn.get(seedId);
    if (role === "CUSTOMER" || profileOf.has(seedId)) return [];
    if (profile !== undefined) return [lost("staff", profile)];
    return [role === "SALES" && "role: SALES without a staff profile"];
  });
  const named = firstOfEach("users", employable, "username", (row) => foldCase(row.username));
  const members = firstOfEach("users", named, "e-mail", (row) => row.email && foldCase(row.email));
  const userOf = new Map(members.map((user) => [user.seedId, user]));
  const employed = sift("staff", profiles, ({ user }) => [
    !userOf.has(user) && lost("users", user),
    userOf.get(user)?.role === "CUSTOMER" && "its user has the role CUSTOMER",
  ]);
  const staffUserOf = new Map(employed.map((profile) => [profile.seedId, profile.user]));
  // As `create-admin` does: an administrator has a profile, if an empty one.
  const withoutProfile = members.filter(({ seedId, role }) => role === "ADMIN" && !profileOf.has(seedId));
  const sellers = new Set([...staffUserOf.values(), ...withoutProfile.map(({ seedId }) => seedId)]);

  /** The user that a salesperson column names, be it by user or by profile. */
  const sellerOf = (area: "sales" | "commissions", seedId: string): string | undefined => {
    const user = sources[area].refersTo["salesperson"] === "staff" ? staffUserOf.get(seedId) : seedId;
    return user !== undefined && sellers.has(user) ? user : undefined;
  };
  const needsSeller = (area: "sales" | "commissions", seedId: string): string | false => {
    if (sellerOf(area, seedId) !== undefined) return false;
    const of = sources[area].refersTo["salesperson"] ?? "users";
    return isRefused(of, seedId) ? lost(of, seedId) : `salesperson: ${of} ${seedId} has no staff profile`;
  };

  const stock = firstOfEach(
    "cars",
    wellFormed("cars", readers.cars, (row) => row.created_at),
    "VIN",
    (row) => row.vin,
  );
  const stockOf = new Map(stock.map((car) => [car.seedId, car]));

  // A sale and its commission stand and fall together.
  const earned = sift(
    "commissions",
    wellFormed("commissions", readers.commissions, (row) => row.created_at ?? 0),
    (row) => [needsSeller("commissions", row.salesperson)],
  );
  const earnedBy = Map.groupBy(earned, (commission) => commission.sale);
  const commissionsIn = Map.groupBy(sources.commissions.rows, (row) => row.sale);
  const soundSales = sift(
    "sales",
    wellFormed("sales", readers.sales, (row) => row.sale_datetime),
    (row) => {
      const car = stockOf.get(row.car);
      const there = commissionsIn.get(row.seedId)?.length ?? 0;
      return [
        !car && lost("cars", row.car),
        car !== undefined && car.status !== "SOLD" && `its car is ${car.status}, not SOLD`,
        !userOf.has(row.customer) && lost("users", row.customer),
        needsSeller("sales", row.salesperson),
        car !== undefined &&
          row.currency !== undefined &&
          row.currency !== car.currency &&
          `is in ${row.currency}, and its car in ${car.currency}`,
        there !== 1 && `has ${there} commissions, not one`,
        there === 1 && !earnedBy.has(row.seedId) && "its commission is refused",
      ];
    },
  );
  const made = firstOfEach("sales", soundSales, "car", (row) => row.car);
  const saleIds = new Set(made.map(({ seedId }) => seedId));
  const saleIn = new Map(sources.sales.rows.map((row) => [row.car, row.id ?? ""]));
  const ledger = sift("commissions", earned, ({ sale }) => [!saleIds.has(sale) && lost("sales", sale)]);

  const soldCars = new Set(made.map((sale) => sale.car));
  const shown = sift("cars", stock, ({ seedId, status }) => {
    const sale = saleIn.get(seedId);
    return [
      status === "SOLD" &&
        !soldCars.has(seedId) &&
        (sale ? `SOLD, but ${lost("sales", sale)}` : "SOLD without a sale"),
    ];
  });
  const carOf = new Map(shown.map((car) => [car.seedId, car]));

  const timed = wellFormed("bookings", readers.bookings, (row) => row.created_at).map((row) => ({
    ...row,
    endAt: row.end_at ?? driveAt(schedule, row.start_at).endAt,
  }));
  const sound = sift("bookings", timed, (row) => {
    const car = carOf.get(row.car);
    const length = row.endAt - row.start_at;
    const coming = isActive(row.status) && row.start_at > now;
    const unbookable = coming ? checkStart(schedule, row.start_at, now, { byStaff: false }) : undefined;
    return [
      !car && lost("cars", row.car),
      !userOf.has(row.customer) && lost("users", row.customer),
      length <= 0 && "ends before it starts",
      length > DAY_MS && "lasts more than a day",
      unbookable !== undefined && `cannot begin at ${new Date(row.start_at).toISOString()}: ${unbookable}`,
      coming && row.endAt !== driveAt(schedule, row.start_at).endAt && "does not last an hour",
      coming &&
        car !== undefined &&
        !isBookable(car.status) &&
        `is still to come, and its car is ${car.status}`,
    ];
  });
  // Who came first has the time.
  const held = new Map<string, typeof sound>();
  const drives = sift("bookings", sound, (row) => {
    if (!isActive(row.status)) return [];
    const others = held.get(row.car) ?? [];
    const slot = { startAt: row.start_at, endAt: row.endAt };
    const other = others.find((each) => overlaps({ startAt: each.start_at, endAt: each.endAt }, slot));
    if (!other) held.set(row.car, [...others, row]);
    return [other !== undefined && `overlaps bookings ${other.seedId} of the same car`];
  });

  return {
    users: members,
    staff: employed,
    /** Administrators who need a profile. */
    withoutProfile,
    cars: shown,
    bookings: drives,
    sales: made.map((row) => ({
      ...row,
      seller: sellerOf("sales", row.salesperson) ?? row.salesperson,
      currency: row.currency ?? stockOf.get(row.car)?.currency ?? defaultCurrency,
    })),
    commissions: ledger.map((row) => ({
      ...row,
      seller: sellerOf("commissions", row.salesperson) ?? row.salesperson,
    })),
    refused: [...refusals.values()],
  };
}
