import { describe, expect, test } from "vitest";
import { convert } from "../../tools/import-django/convert.ts";
import { parseDump } from "../../tools/import-django/parse.ts";
import { report, totalsOf } from "../../tools/import-django/report.ts";
import { AREAS, findSources } from "../../tools/import-django/tables.ts";
import dump from "../fixtures/django.sql?raw";

const NOW = Date.UTC(2026, 10, 24, 12);
const convertedFrom = (text: string) => {
  const sources = findSources(parseDump(text), {});
  let made = 0;
  const conversion = convert(
    sources,
    {
      now: NOW,
      hours: { timeZone: "Europe/Berlin", horizonDays: 365 },
      defaultCurrency: "EUR",
    },
    () => `new-${++made}`,
  );
  return { sources, conversion };
};
const { sources, conversion } = convertedFrom(dump);
const { rows } = conversion;

/** Why a row is refused, by area and id in the dump; cars by their VIN. */
const reasonsFor = (area: string, id: string, from = conversion): string => {
  const seedId = area === "cars" ? sources.cars.rows.find(({ vin }) => vin === id)?.id : id;
  return from.refused.find((row) => row.area === area && row.id === seedId)?.reasons.join("; ") ?? "accepted";
};
const user = (username: string) => rows.users.find((row) => row.username === username);

describe("a row that the Django service accepted and our rules refuse", () => {
  test.each([
    ["a commission rate of 150", "staff", "5", 'commission_rate "150.00"'],
    ["a seller whose profile is refused", "users", "6", "needs staff 5"],
    ["SALES without a profile", "users", "7", "SALES without a staff profile"],
    ["a username in other case", "users", "23", "the same username as users 8"],
    ["an e-mail in other case", "users", "24", "the same e-mail as users 10"],
    ["a telephone number in words", "users", "25", 'phone "call my office"'],
    ["a negative price", "cars", "WVWZZZ1KZAW000019", 'base_price "-100.00"'],
    ["a discount above the price", "cars", "WVWZZZ1KZAW000020", 'discount_price "9000.01"'],
    ["the year 0", "cars", "WVWZZZ1KZAW000021", 'year "0"'],
    ["the year 99999", "cars", "WVWZZZ1KZAW000022", 'year "99999"'],
    ["a VIN in other case", "cars", "wvwzzz1kzaw000005", "the same VIN as cars"],
    ["a VIN with I and O", "cars", "WVWZZZ1KZAWO0000I", "not I, O or Q"],
    ["SOLD set by hand", "cars", "WVWZZZ1KZAW000026", "SOLD without a sale"],
    ["a word that is not ours", "cars", "WVWZZZ1KZAW000027", 'fuel_type "STEAM"'],
    ["no currency of this world", "cars", "WVWZZZ1KZAW000028", 'currency "XXQ"'],
    ["SOLD by a sale that is refused", "cars", "WVWZZZ1KZAW000009", "needs sales 6, which is refused"],
    ["a sale by a refused seller", "sales", "6", "needs users 6"],
    ["a sale that failed half-way", "sales", "7", "its car is AVAILABLE, not SOLD; has 0 commissions"],
    ["a sale by somebody without a profile", "sales", "8", "needs users 7"],
    ["a negative sale", "sales", "9", 'sale_price "-5.00"'],
    ["a sold car that went back on sale", "sales", "10", "its car is AVAILABLE, not SOLD"],
    ["a commission of 150 %", "commissions", "6", 'rate "150.00"'],
    ["the commission of a refused sale", "commissions", "8", "needs sales 9"],
    ["a time off the hour", "bookings", "15", "cannot begin at 2026-12-04T10:30:00.000Z: not_a_slot"],
    ["two at once", "bookings", "17", "overlaps bookings 16"],
    ["a coming drive of a sold car", "bookings", "18", "its car is SOLD"],
    ["a coming drive of a removed car", "bookings", "19", "its car is REMOVED"],
    ["a booking in the year 9999", "bookings", "20", "too_far_ahead"],
    ["a booking before hours", "bookings", "21", "not_a_slot"],
    ["a drive of an hour and a half", "bookings", "22", "does not last an hour"],
    ["an unknown status", "bookings", "23", 'status "MAYBE"'],
    ["very long notes", "bookings", "24", "<=2000 characters"],
    ["a drive of a refused car", "bookings", "25", "needs cars"],
    ["a drive by a refused customer", "bookings", "26", "needs users 25"],
    ["an end before the start", "bookings", "27", "ends before it starts"],
  ])("is listed with its reason: %s", (_, area, id, reason) => {
    expect(reasonsFor(area, id)).toContain(reason);
  });

  test("is listed, and every other row is written, to the cent", () => {
    expect(conversion.refused).toHaveLength(39);
    const totals = totalsOf(sources, conversion);
    for (const area of AREAS) {
      // The superuser had no profile there, and has one here.
      const added = area === "staff" ? 1 : 0;
      expect(totals.written[area].count, area).toBe(
        totals.dump[area].count - totals.refused[area].count + added,
      );
      expect(totals.written[area].cents, area).toBe(totals.dump[area].cents - totals.refused[area].cents);
    }
    expect(totals.written.sales).toEqual({ count: 5, cents: 6_234_516 });
    expect(totals.written.commissions).toEqual({ count: 5, cents: 164_864 });
  });

  test("is in the report to the operator", () => {
    const text = report(sources, conversion);
    expect(text).toMatch(/sales\s+10 \(100092839\.16\)\s+5 \(100030494\.00\)\s+5 \(62345\.16\)\s+sales_sale/);
    expect(text).toContain("bookings 17: overlaps bookings 16 of the same car");
    expect(text).toContain("noemail (no e-mail: nothing can be sent)");
    expect(text).toContain("root is an administrator without a staff profile");
  });
});

describe("the imported data", () => {
  test("has users with their roles, and makes the superuser an administrator with a profile", () => {
    expect(user("root")).toMatchObject({
      role: "ADMIN",
      isActive: true,
      createdAt: Date.UTC(2023, 11, 1, 8),
    });
    expect(rows.staff.find(({ userId }) => userId === user("root")?.id)).toMatchObject({
      salaryCents: 0,
      commissionRate: 0,
      hireDate: "2023-12-01",
    });
    expect(user("sami")).toMatchObject({ role: "SALES", email: "sami@dealer.example", lastName: "Øberg" });
    expect(user("jürgen")).toMatchObject({ role: "CUSTOMER", usernameKey: "jürgen", firstName: "Jürgen" });
  });

  test("may have any number of users without an address", () => {
    for (const name of ["noemail", "nullmail"])
      expect(user(name)).toMatchObject({ email: null, emailKey: null });
  });

  test("has one flag for access: a deactivated profile deactivates the user", () => {
    expect(user("gustav")?.isActive).toBe(false);
    expect(user("asleep")?.isActive).toBe(false);
    expect(user("sami")?.isActive).toBe(true);
  });

  test("includes the sales of an administrator without a profile, who gets one", () => {
    const byRoot = dump
      .replace(/^(1\t11999\.00\t.*\t)3$/m, "$11")
      .replace(/^(1\t2\.50\t299\.98\t.*\t)3\t1$/m, "$11\t1");
    const other = convertedFrom(byRoot).conversion.rows;
    const root = other.users.find(({ username }) => username === "root")?.id;
    expect(other.sales.filter(({ salespersonId }) => salespersonId === root)).toHaveLength(1);
    expect(other.commissions.filter(({ salespersonId }) => salespersonId === root)).toHaveLength(1);
  });

  test("has each sale in the currency of its car: a blank one takes it, and another one is refused", () => {
    const withCurrency = (currency: string) =>
      convertedFrom(dump.replace(/^1\t11999\.00\tEUR/m, `1\t11999.00\t${currency}`)).conversion;
    const currencyOf = ({ rows: { sales } }: typeof conversion) =>
      sales.find(({ salePriceCents }) => salePriceCents === 1_199_900)?.currency;
    expect(currencyOf(withCurrency(""))).toBe("EUR");
    const other = withCurrency("USD");
    expect(currencyOf(other)).toBeUndefined();
    expect(reasonsFor("sales", "1", other)).toBe("is in USD, and its car in EUR");
  });

  test("keeps ids that were UUIDs, has new ids for others, and keeps all references", () => {
    const car = rows.cars.find(({ vin }) => vin === "WVWZZZ1KZAW000004");
    expect(sources.cars.rows.some(({ id }) => id === car?.id)).toBe(true);
    const sale = rows.sales.find(({ carId }) => carId === car?.id);
    expect(sale).toMatchObject({
      customerId: user("lena")?.id,
      salespersonId: user("sami")?.id,
      salePriceCents: 1_199_900,
      saleAt: Date.UTC(2025, 5, 2, 13, 5),
      remarks: "Winter tyres included; don't forget",
    });
    expect(rows.commissions.find(({ saleId }) => saleId === sale?.id)).toMatchObject({
      salespersonId: user("sami")?.id,
      rate: 250,
      amountCents: 29_998,
    });
    const ids = AREAS.flatMap((area) => rows[area].map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has short VINs in upper case, nothing for blanks, and prices in cents", () => {
    expect(rows.cars.find(({ vin }) => vin === "OLD TIMER 7")).toMatchObject({ year: 1931 });
    expect(rows.cars.find(({ vin }) => vin === "WVWZZZ1KZAW000001")).toMatchObject({
      makeKey: "toyota",
      driveType: null,
      engineCc: 1498,
      basePriceCents: 973_149,
      discountPriceCents: null,
      createdAt: Date.UTC(2025, 0, 10, 7, 12, 57, 1),
    });
  });

  test("keeps bookings unchanged, also open ones in the past on cars that are sold", () => {
    const statuses = Object.groupBy(rows.bookings, ({ status }) => status ?? "");
    expect(Object.keys(statuses).sort()).toEqual([
      "APPROVED",
      "CANCELLED",
      "COMPLETED",
      "DECLINED",
      "NO_SHOW",
      "PENDING",
    ]);
    const sold = new Set(rows.cars.filter(({ status }) => status === "SOLD").map(({ id }) => id));
    expect(rows.bookings.filter((row) => sold.has(row.carId) && row.status === "PENDING")).toHaveLength(1);
  });

  test("has the salesperson of a sale also when the dump names the profile", () => {
    // Profiles 2 (sami), 3 (nora) and 4 (gustav) in place of users 3, 4 and 5.
    const byProfile = dump
      .replaceAll(
        /(ALTER TABLE ONLY public\.sales_\w+\s+ADD CONSTRAINT \S+ FOREIGN KEY \(salesperson_id\) REFERENCES public\.)accounts_user/g,
        "$1staff_staffprofile",
      )
      .replace(/(COPY public\.sales_sale .*?\n)(.*?)(\n\\\.)/s, (_, head, lines: string, tail) => {
        const moved = lines.split("\n").map((line) => line.replace(/\d+$/, (id) => String(Number(id) - 1)));
        return head + moved.join("\n") + tail;
      })
      .replace(/(COPY public\.sales_commission .*?\n)(.*?)(\n\\\.)/s, (_, head, lines: string, tail) => {
        const moved = lines
          .split("\n")
          .map((line) => line.replace(/\d+(?=\t\d+$)/, (id) => String(Number(id) - 1)));
        return head + moved.join("\n") + tail;
      });
    const other = convertedFrom(byProfile).conversion;
    const sellers = (from: typeof conversion) =>
      from.rows.sales.map((sale) => from.rows.users.find(({ id }) => id === sale.salespersonId)?.username);
    expect(sellers(other)).toEqual(sellers(conversion));
    expect(reasonsFor("sales", "6", other)).toContain("needs staff 5");
  });
});

describe("imported passwords", () => {
  test("are unchanged, and those that cannot be verified are listed", () => {
    expect(user("sami")?.passwordHash).toMatch(/^pbkdf2_sha256\$36000\$/);
    expect(user("nora")?.passwordHash).toMatch(/^pbkdf2_sha256\$600000\$/);
    const locked = conversion.locked.map(({ username }) => username);
    expect(locked).toEqual(expect.arrayContaining(["root", "nora", "noemail", "social", "hashed"]));
    for (const fine of ["alma", "sami", "maria", "aiko", "nullmail", "gustav", "asleep"])
      expect(locked).not.toContain(fine);
    expect(conversion.locked.find(({ username }) => username === "noemail")?.email).toBeNull();
  });
});
