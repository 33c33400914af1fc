/**
 * From the seed's rows to ours. Pure. A row that breaks a rule is never mended, and never left out quietly: it is
 * refused with its reasons, and with it what cannot be without it. What is done about it is the operator's decision.
 */
import type { z } from "@hono/zod-openapi";
import { isVerifiable } from "../../src/auth/passwords.ts";
import { isBookable } from "../../src/bookings/calendar.ts";
import { isActive } from "../../src/bookings/lifecycle.ts";
import { type Hours, localDate, overlaps, refuseStart, slotAt } from "../../src/bookings/slots.ts";
import type { bookings, cars, commissions, sales, staffProfiles, users } from "../../src/db/schema.ts";
import { foldCase } from "../../src/http/text.ts";
import { id as uuid } from "../../src/http/validation.ts";
import { rowReaders } from "./rows.ts";
import type { Area, Sources } from "./tables.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** How much of a refused value is shown. */
const SHOWN_CHARACTERS = 40;

/** The rows to be written, by area. A car's status is what it is in the end; how it gets there is up to the writer. */
export type Rows = {
  users: (typeof users.$inferInsert)[];
  staff: (typeof staffProfiles.$inferInsert)[];
  cars: (typeof cars.$inferInsert)[];
  bookings: (typeof bookings.$inferInsert)[];
  sales: (typeof sales.$inferInsert)[];
  commissions: (typeof commissions.$inferInsert)[];
};

/** A row of the dump that does not go in, by the id it has there. */
export type Refused = { area: Area; id: string; reasons: string[] };

/** Somebody active whose password cannot be checked here: they need a reset, for which they need an address. */
export type Locked = { userId: string; username: string; email: string | null };

/** What a dump comes to. `notes` are things to know that stop nothing. */
export type Conversion = { rows: Rows; refused: Refused[]; locked: Locked[]; notes: string[] };

/** What a conversion depends on besides the dump. `now` in milliseconds. */
export type Circumstances = { now: number; hours: Hours; defaultCurrency: string; newId: () => string };

/** A row that is well-formed on its own, with the id it has in the dump. */
type Given<Row> = Row & { seedId: string };

/** Converts everything. */
export function convert(sources: Sources, { now, hours, defaultCurrency, newId }: Circumstances): Conversion {
  const readers = rowReaders({ now, timeZone: hours.timeZone, defaultCurrency });
  const refusals = new Map<string, Refused>();
  const ids = new Map<string, string>();
  const notes: string[] = [];

  const refuse = (area: Area, { seedId }: { seedId: string }, ...reasons: string[]): void => {
    const known = refusals.get(`${area} ${seedId}`);
    if (known) known.reasons.push(...reasons);
    else refusals.set(`${area} ${seedId}`, { area, id: seedId, reasons });
  };
  const isRefused = (area: Area, seedId: string) => refusals.has(`${area} ${seedId}`);
  const lost = (what: Area, seedId: string) => `needs ${what} ${seedId}, which is refused`;

  /** The id here of a row there: the same when it is a UUID already. */
  const idOf = (area: Area, seedId: string): string => {
    const key = `${area} ${seedId}`;
    const made = ids.get(key) ?? (uuid.safeParse(seedId).success ? seedId.toLowerCase() : newId());
    ids.set(key, made);
    return made;
  };

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
  const sellers = new Set(staffUserOf.values());

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
    endAt: row.end_at ?? slotAt(row.start_at).endAt,
  }));
  const sound = sift("bookings", timed, (row) => {
    const car = carOf.get(row.car);
    const length = row.endAt - row.start_at;
    const coming = isActive(row.status) && row.start_at > now;
    const unbookable = coming ? refuseStart(row.start_at, now, hours) : undefined;
    return [
      !car && lost("cars", row.car),
      !userOf.has(row.customer) && lost("users", row.customer),
      length <= 0 && "ends before it starts",
      length > DAY_MS && "lasts more than a day",
      unbookable !== undefined && `cannot begin at ${new Date(row.start_at).toISOString()}: ${unbookable}`,
      coming && row.endAt !== slotAt(row.start_at).endAt && "does not last an hour",
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

  const rows: Rows = {
    users: members.map((row) => ({
      id: idOf("users", row.seedId),
      username: row.username,
      usernameKey: foldCase(row.username),
      email: row.email,
      emailKey: row.email && foldCase(row.email),
      passwordHash: row.password,
      firstName: row.first_name,
      lastName: row.last_name,
      phone: row.phone,
      role: row.role,
      // Here one switch says whether somebody may come in.
      isActive: row.is_active && (profileOf.get(row.seedId)?.is_active ?? true),
      createdAt: row.date_joined,
      updatedAt: row.date_joined,
    })),
    staff: employed.map((row) => {
      const joined = userOf.get(row.user)?.date_joined ?? now;
      return {
        id: idOf("staff", row.seedId),
        userId: idOf("users", row.user),
        salaryCents: row.salary,
        commissionRate: row.commission_rate,
        hireDate: row.hire_date ?? localDate(joined, hours.timeZone),
        createdAt: joined,
        updatedAt: joined,
      };
    }),
    cars: shown.map((row) => ({
      id: idOf("cars", row.seedId),
      vin: row.vin,
      make: row.make,
      makeKey: foldCase(row.make),
      model: row.model,
      modelKey: foldCase(row.model),
      year: row.year,
      mileage: row.mileage,
      fuelType: row.fuel_type,
      transmission: row.transmission,
      color: row.color,
      bodyType: row.body_type,
      engineCc: row.engine_cc,
      doors: row.doors,
      seats: row.seats,
      driveType: row.drive_type,
      basePriceCents: row.base_price,
      discountPriceCents: row.discount_price,
      currency: row.currency,
      status: row.status,
      location: row.location,
      description: row.description,
      createdAt: row.created_at,
      updatedAt: row.updated_at ?? row.created_at,
    })),
    bookings: drives.map((row) => ({
      id: idOf("bookings", row.seedId),
      carId: idOf("cars", row.car),
      customerId: idOf("users", row.customer),
      startAt: row.start_at,
      endAt: row.endAt,
      status: row.status,
      notes: row.notes,
      createdAt: row.created_at,
      updatedAt: row.updated_at ?? row.created_at,
    })),
    sales: made.map((row) => ({
      id: idOf("sales", row.seedId),
      carId: idOf("cars", row.car),
      customerId: idOf("users", row.customer),
      salespersonId: idOf("users", sellerOf("sales", row.salesperson) ?? ""),
      salePriceCents: row.sale_price,
      currency: row.currency,
      paymentMethod: row.payment_method,
      saleAt: row.sale_datetime,
      contractNumber: row.contract_number,
      remarks: row.remarks,
      createdAt: row.created_at ?? row.sale_datetime,
    })),
    commissions: ledger.map((row) => ({
      id: idOf("commissions", row.seedId),
      saleId: idOf("sales", row.sale),
      salespersonId: idOf("users", sellerOf("commissions", row.salesperson) ?? ""),
      rate: row.rate,
      amountCents: row.amount,
      createdAt: row.created_at ?? now,
    })),
  };

  // As `create-admin` does: an administrator has a profile, if an empty one.
  for (const { seedId, username, role, date_joined } of members) {
    if (role !== "ADMIN" || sellers.has(seedId)) continue;
    notes.push(
      `${username} is an administrator without a staff profile: given one without salary or commission`,
    );
    rows.staff.push({
      id: newId(),
      userId: idOf("users", seedId),
      salaryCents: 0,
      commissionRate: 0,
      hireDate: localDate(date_joined, hours.timeZone),
      createdAt: date_joined,
      updatedAt: date_joined,
    });
  }
  if (!rows.users.some((user) => user.role === "ADMIN" && user.isActive))
    notes.push("There is no active administrator among them: make one with npm run create-admin");

  const locked = rows.users
    .filter((user) => user.isActive && !isVerifiable(user.passwordHash))
    .map(({ id, username, email }) => ({ userId: id, username, email: email ?? null }));
  return { rows, refused: [...refusals.values()], locked, notes };
}
