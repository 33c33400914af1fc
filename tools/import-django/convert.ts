/** From the rows of the seed that go in to ours. Pure: the time and new ids are passed in. */
import { isVerifiable } from "../../src/auth/passwords.ts";
import type { bookings, cars, commissions, sales, staffProfiles, users } from "../../src/db/schema.ts";
import { id as uuid } from "../../src/http/validation.ts";
import { localDate } from "../../src/shared/showroom-time.ts";
import { foldCase } from "../../src/shared/text.ts";
import { judge, type Refused, type Rules } from "./judge.ts";
import type { Area, Sources } from "./tables.ts";

/** The rows to be written, by area. A car's status is what it is in the end; how it gets there is up to the writer. */
export type Rows = {
  users: (typeof users.$inferInsert)[];
  staff: (typeof staffProfiles.$inferInsert)[];
  cars: (typeof cars.$inferInsert)[];
  bookings: (typeof bookings.$inferInsert)[];
  sales: (typeof sales.$inferInsert)[];
  commissions: (typeof commissions.$inferInsert)[];
};

/** Somebody active whose password cannot be checked here: they need a reset, for which they need an address. */
export type Locked = { userId: string; username: string; email: string | null };

/** What a dump comes to. `notes` are things to know that stop nothing. */
export type Conversion = { rows: Rows; refused: Refused[]; locked: Locked[]; notes: string[] };

/** Converts everything. `newId` gives an id to what has none that can be kept. */
export function convert(sources: Sources, rules: Rules, newId: () => string): Conversion {
  const { now, hours } = rules;
  const kept = judge(sources, rules);
  const userOf = new Map(kept.users.map((user) => [user.seedId, user]));
  const profileOf = new Map(kept.staff.map((profile) => [profile.user, profile]));
  const ids = new Map<string, string>();
  const notes: string[] = [];

  /** The id here of a row there: the same when it is a UUID already. */
  const idOf = (area: Area, seedId: string): string => {
    const key = `${area} ${seedId}`;
    const made = ids.get(key) ?? (uuid.safeParse(seedId).success ? seedId.toLowerCase() : newId());
    ids.set(key, made);
    return made;
  };

  const rows: Rows = {
    users: kept.users.map((row) => ({
      id: idOf("users", row.seedId),
      username: row.username,
      usernameKey: foldCase(row.username),
      email: row.email,
      emailKey: row.email && foldCase(row.email),
      // The service before has mailed to these addresses, and its users sign in with them.
      emailVerifiedAt: row.email === null ? null : row.date_joined,
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
    staff: kept.staff.map((row) => {
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
    cars: kept.cars.map((row) => ({
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
    bookings: kept.bookings.map((row) => ({
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
    sales: kept.sales.map((row) => ({
      id: idOf("sales", row.seedId),
      carId: idOf("cars", row.car),
      customerId: idOf("users", row.customer),
      salespersonId: idOf("users", row.seller),
      salePriceCents: row.sale_price,
      currency: row.currency,
      paymentMethod: row.payment_method,
      saleAt: row.sale_datetime,
      contractNumber: row.contract_number,
      remarks: row.remarks,
      createdAt: row.created_at ?? row.sale_datetime,
    })),
    commissions: kept.commissions.map((row) => ({
      id: idOf("commissions", row.seedId),
      saleId: idOf("sales", row.sale),
      salespersonId: idOf("users", row.seller),
      rate: row.rate,
      amountCents: row.amount,
      createdAt: row.created_at ?? now,
    })),
  };

  for (const { seedId, username, date_joined } of kept.withoutProfile) {
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
  return { rows, refused: kept.refused, locked, notes };
}
