import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { carSchema, facetsSchema, ORDERINGS } from "../../src/cars/schemas.ts";
import { cars, FIRST_SHOWROOM, showrooms } from "../../src/db/schema.ts";
import {
  BODY_TYPES,
  CAR_LOCATIONS,
  CAR_STATUSES,
  DRIVE_TYPES,
  FUEL_TYPES,
  TRANSMISSIONS,
} from "../../src/shared/enums.ts";
import { formatCents, parseCents } from "../../src/shared/money.ts";
import { foldCase } from "../../src/shared/text.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { answer, call, person } from "../support/world.ts";

type Row = typeof cars.$inferInsert;

/** How many cars are walked through; `npm run walk:catalog` takes 10,000. */
const STOCK = Number(env.TEST_STOCK ?? "600");

const MAKES = ["Škoda", "BMW", "Land Rover", "CITROËN", "bmw"];
const MODELS = ["Octavia", "X3", "ID.4", "C 200", "x3", "911 Carrera"];
const WORDS = ["heated", "panoramic", "towbar", "one owner", "métallisé", "50% off", 'the "best"'];

let seed = 4;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
  return Math.floor((seed / 0x80000000) * below);
};
const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;

const SHOWROOMS = [FIRST_SHOWROOM, "00000000-0000-7000-8000-0000000000ff"];

/** Cars with many equal values, so that order and counts are put to the test. */
const stock: Row[] = Array.from({ length: STOCK }, (_, index) => {
  const [make, model] = [pick(MAKES), pick(MODELS)];
  const base = 100 * (50 + random(40) * 25) * 100;
  const at = Date.UTC(2026, 0, 1) + random(90) * 7_200_000;
  return {
    // Not in the order of creation.
    id: `${index.toString(16).padStart(8, "0").split("").reverse().join("")}-0000-7000-8000-000000000000`,
    vin: `FIND-${index}`,
    make,
    makeKey: foldCase(make),
    model,
    modelKey: foldCase(model),
    year: 2015 + random(12),
    mileage: random(30) * 5_000,
    fuelType: pick(FUEL_TYPES),
    transmission: pick(TRANSMISSIONS),
    color: pick(["Red", "Blue"]),
    bodyType: pick(BODY_TYPES),
    driveType: random(4) === 0 ? null : pick(DRIVE_TYPES),
    basePriceCents: base,
    discountPriceCents: random(3) === 0 ? base - random(10) * 10_000 : null,
    currency: "EUR",
    status: pick(["AVAILABLE", "AVAILABLE", "RESERVED", "REMOVED"] as const),
    location: pick(CAR_LOCATIONS),
    showroomId: SHOWROOMS[index % 2] as string,
    description: `${pick(WORDS)}, ${pick(WORDS)}`,
    createdAt: at,
    updatedAt: at,
  };
});

beforeAll(async () => {
  const other = {
    id: SHOWROOMS[1] ?? "",
    code: "other",
    hours: "{}",
    isActive: 0,
    createdAt: 0,
    updatedAt: 0,
  };
  await insertAll(env.DB, showrooms, [other as unknown as typeof showrooms.$inferInsert]);
  await insertAll(env.DB, cars, stock);
}, 120_000);

const priceOf = (car: Row) => car.discountPriceCents ?? car.basePriceCents;

type Query = Record<string, string>;

/** What a list must hold: a plain filter over the array. */
function matching(query: Query, seesRemoved: boolean): Row[] {
  const { make, model, year, min_year, max_year, min_price, max_price, max_mileage, search } = query;
  const is = (value: unknown, wanted: string | undefined) => wanted === undefined || String(value) === wanted;
  const fits = (value: number, low: string | undefined, high: string | undefined) =>
    (low === undefined || value >= Number(low)) && (high === undefined || value <= Number(high));
  const cents = (text: string | undefined) => (text === undefined ? undefined : String(parseCents(text)));
  return stock.filter(
    (car) =>
      (seesRemoved || car.status !== "REMOVED") &&
      is(car.makeKey, make && foldCase(make)) &&
      is(car.modelKey, model && foldCase(model)) &&
      is(car.year, year) &&
      fits(car.year, min_year, max_year) &&
      fits(priceOf(car), cents(min_price), cents(max_price)) &&
      fits(car.mileage, undefined, max_mileage) &&
      is(car.fuelType, query["fuel_type"]) &&
      is(car.bodyType, query["body_type"]) &&
      is(car.transmission, query["transmission"]) &&
      is(car.driveType, query["drive_type"]) &&
      is(car.status, query["status"]) &&
      is(car.location, query["location"]) &&
      is(car.showroomId, query["showroom"]) &&
      (search === undefined || isFound(car, search)),
  );
}

const plain = (text: string) => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
const wordsOf = (text: string) => plain(text).match(/[\p{L}\p{N}]+/gu) ?? [];

/** All words of the search occur in the car, the last as a beginning; a word with a dot in it is several in a row. */
function isFound(car: Row, search: string): boolean {
  const { make, model, year, color, fuelType, bodyType, transmission, driveType, vin, description } = car;
  const fields = [
    make,
    model,
    year,
    color,
    fuelType,
    bodyType,
    transmission,
    driveType ?? "",
    vin,
    description,
  ];
  const asked = search
    .split(/\s+/)
    .map(wordsOf)
    .filter((words) => words.length > 0);
  const follows = (field: string[], words: string[], isLast: boolean) =>
    field.some((_, at) =>
      words.every((word, step) => {
        const there = field[at + step] ?? "";
        return isLast && step === words.length - 1 ? there.startsWith(word) : there === word;
      }),
    );
  return (
    asked.length > 0 &&
    asked.every((words, index) =>
      fields.some((field) => follows(wordsOf(String(field)), words, index === asked.length - 1)),
    )
  );
}

const KEYS: Record<(typeof ORDERINGS)[number], (car: Row) => number> = {
  year: (car) => car.year,
  mileage: (car) => car.mileage,
  price: priceOf,
  base_price: (car) => car.basePriceCents,
  discount_price: (car) => car.discountPriceCents ?? -1,
  created_at: (car) => car.createdAt,
};

function ordered(found: Row[], ordering: string): Row[] {
  const key = KEYS[ordering.replace("-", "") as (typeof ORDERINGS)[number]];
  const sign = ordering.startsWith("-") ? -1 : 1;
  return [...found].sort((a, b) => sign * (key(a) - key(b) || (a.id < b.id ? -1 : 1)));
}

const list = (query: Query, token?: string) =>
  answer(call("GET", `/api/cars/?${new URLSearchParams(query)}`, { token }));

const idsOf = (body: { results: { id: string }[] }) => body.results.map(({ id }) => id);

const someOf = (text: string) => [text, text.toUpperCase(), text.toLowerCase()];
/** Bounds between the values of the stock, and bounds that are one of them: a bound is part of its span. */
const bound = (value: (car: Row) => number, max: number) =>
  fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(...stock.map(value)));
const filters = fc.record(
  {
    make: fc.constantFrom(...MAKES.flatMap(someOf), "Tesla"),
    model: fc.constantFrom(...MODELS.flatMap(someOf), "%"),
    year: fc.integer({ min: 2014, max: 2028 }).map(String),
    min_year: fc.integer({ min: 2014, max: 2028 }).map(String),
    max_year: fc.integer({ min: 2014, max: 2028 }).map(String),
    min_price: bound(priceOf, 110_000 * 100).map(formatCents),
    max_price: bound(priceOf, 110_000 * 100).map(formatCents),
    max_mileage: bound(({ mileage }) => mileage, 160_000).map(String),
    fuel_type: fc.constantFrom(...FUEL_TYPES),
    body_type: fc.constantFrom(...BODY_TYPES),
    transmission: fc.constantFrom(...TRANSMISSIONS),
    drive_type: fc.constantFrom(...DRIVE_TYPES),
    status: fc.constantFrom(...CAR_STATUSES),
    location: fc.constantFrom(...CAR_LOCATIONS),
    showroom: fc.constantFrom(...SHOWROOMS),
    search: fc.constantFrom(
      "skoda",
      "rov",
      "id.4",
      "metallise",
      "red x3",
      "50%",
      "best -heated",
      '"',
      "OR AND",
      "911 car",
    ),
  },
  { requiredKeys: [] },
);
/** A few filters at a time: with all of them nothing is ever found. */
const query = fc
  .tuple(filters, fc.array(fc.nat(15), { minLength: 0, maxLength: 3 }))
  .map(
    ([all, kept]) =>
      Object.fromEntries(Object.entries(all).filter((_, index) => kept.includes(index))) as Query,
  );
const ordering = fc.constantFrom(...ORDERINGS.flatMap((key) => [key, `-${key}`]));

describe("a list of cars", () => {
  test("equals a plain filter, sort and cut over all cars, for any query", async () => {
    const staff = await person("SALES");
    await fc.assert(
      fc.asyncProperty(
        query,
        ordering,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        async (asked, by, page, size, isStaff) => {
          const all = ordered(matching(asked, isStaff), by);
          const got = await list(
            { ...asked, ordering: by, page: String(page), page_size: String(size) },
            isStaff ? staff.token : undefined,
          );
          const exists = page <= Math.max(1, Math.ceil(all.length / size));
          expect(got.status).toBe(exists ? 200 : 404);
          if (!exists) return;
          expect(got.body.count).toBe(all.length);
          expect(idsOf(got.body)).toEqual(all.slice((page - 1) * size, page * size).map(({ id }) => id));
        },
      ),
      { numRuns: 250, seed: 4 },
    );
  }, 60_000);

  test.each(ORDERINGS.flatMap((key) => [key, `-${key}`]))(
    "ordered by %s has each car on exactly one page, in order, for staff and for the public",
    async (by) => {
      const staff = await person("SALES");
      for (const token of [staff.token, undefined]) {
        const seen: string[] = [];
        let next: string | null = `http://dealership.test/api/cars/?ordering=${by}&page_size=100`;
        let previous: string | null = null;
        while (next) {
          const { pathname, search } = new URL(next);
          const got = await answer(call("GET", pathname + search, { token }));
          expect(got.body.previous === null).toBe(previous === null);
          seen.push(...idsOf(got.body));
          previous = next;
          next = got.body.next;
        }
        expect(seen).toEqual(ordered(matching({}, token !== undefined), by).map(({ id }) => id));
      }
    },
    120_000,
  );

  test.each([
    ["min_price", (car: Row) => formatCents(priceOf(car))],
    ["max_price", (car: Row) => formatCents(priceOf(car))],
    ["max_mileage", (car: Row) => String(car.mileage)],
    ["min_year", (car: Row) => String(car.year)],
    ["max_year", (car: Row) => String(car.year)],
  ] as const)("with %s has the cars that are exactly at the bound", async (filter, value) => {
    const [car] = matching({}, false) as [Row];
    const { body } = await list({ search: car.vin, [filter]: value(car) });
    expect(idsOf(body)).toEqual([car.id]);
  });

  test("has cars in the wire form", async () => {
    const { body } = await list({ page_size: "100" });
    for (const car of body.results) carSchema.parse(car);
  });

  test("has a tag: an unchanged page is a 304, a changed one is not", async () => {
    const path = "/api/cars/?make=bmw&page_size=3";
    const first = await call("GET", path);
    const tag = first.headers.get("ETag") ?? "";
    expect(tag).toMatch(/^"[0-9a-f]{32}"$/);
    const again = await call("GET", path, { headers: { "If-None-Match": tag } });
    expect([again.status, await again.text(), again.headers.get("ETag")]).toEqual([304, "", tag]);
    const other = await call("GET", "/api/cars/?make=bmw&page_size=4", { headers: { "If-None-Match": tag } });
    expect(other.status).toBe(200);
  });
});

describe("a search", () => {
  test.each([
    ['"', '""', '"unclosed'],
    ["NEAR(", "a NEAR/2 b", "make:bmw", "^bmw", "bmw*", "* *", "-bmw", "+bmw", "(", "{a b}:"],
    ["'; DROP TABLE cars; --", "%", "_", "\\", "?1", ":x", "@x"],
    ["AND", "OR", "NOT", "a AND", "NOT b"],
    [
      "日本車",
      "Ελλάδα",
      "🚗",
      "👩‍🔧",
      "é",
      "é",
      "ﬁ",
      "ß",
      "İ",
      "ا",
      "\u200b",
      "\u00ad",
      "\ufffd",
      "𝔹𝕄𝕎",
      "\u{e000}",
    ],
    ["a ".repeat(50), "x".repeat(100), "!".repeat(100), '"'.repeat(100)],
  ])("treats any text as words, and nothing as an operator: %j", async (...texts) => {
    for (const search of texts) {
      const got = await list({ search });
      expect([search, got.status]).toEqual([search, 200]);
      const counted = await answer(call("GET", `/api/cars/facets/?${new URLSearchParams({ search })}`));
      expect(counted.status).toBe(200);
    }
  });

  test("accepts any string", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 30 }), async (search) => {
        const got = await list({ search });
        expect([200, 400]).toContain(got.status);
        if (got.status === 400) expect(got.body.errors[0].field).toBe("search");
      }),
      { numRuns: 150, seed: 4 },
    );
  });

  test("for an empty text is no filter, and for a text without a word finds nothing", async () => {
    expect((await list({ search: " " })).body.count).toBe(matching({}, false).length);
    expect((await list({ search: "!?" })).body.count).toBe(0);
  });
});

describe("facets", () => {
  const ask = async (asked: Query, token?: string) => {
    const got = await answer(call("GET", `/api/cars/facets/?${new URLSearchParams(asked)}`, { token }));
    expect(got.status).toBe(200);
    return facetsSchema.parse(got.body);
  };
  const OWN: Record<string, string[]> = {
    year: ["year", "min_year", "max_year"],
    price: ["min_price", "max_price"],
  };
  const VALUES: Record<string, (car: Row) => unknown> = {
    make: (car) => car.makeKey,
    model: (car) => car.modelKey,
    fuel_type: (car) => car.fuelType,
    body_type: (car) => car.bodyType,
    transmission: (car) => car.transmission,
    drive_type: (car) => car.driveType,
    status: (car) => car.status,
    year: (car) => car.year,
  };

  test("equal the counts of a plain filter without the facet's own filter, for any query", async () => {
    const staff = await person("SALES");
    await fc.assert(
      fc.asyncProperty(query, fc.boolean(), async (asked, isStaff) => {
        const got = await ask(asked, isStaff ? staff.token : undefined);
        const others = (facet: string) => {
          const own = OWN[facet] ?? [facet];
          return matching(
            Object.fromEntries(Object.entries(asked).filter(([name]) => !own.includes(name))),
            isStaff,
          );
        };
        for (const [facet, value] of Object.entries(VALUES)) {
          const counts = new Map<unknown, number>();
          for (const car of others(facet))
            if (value(car) !== null) counts.set(value(car), (counts.get(value(car)) ?? 0) + 1);
          const counted = got[facet as "make"].map(({ value, count }) => [
            typeof value === "string" && ["make", "model"].includes(facet) ? foldCase(value) : value,
            count,
          ]);
          expect([facet, new Map(counted as [unknown, number][])]).toEqual([facet, counts]);
        }
        const prices = others("price").map(priceOf);
        for (const { min, max, count } of got.price) {
          const [low, high] = [parseCents(min) ?? 0, parseCents(max) ?? 0];
          expect(prices.filter((price) => price >= low && price <= high)).toHaveLength(count);
        }
        expect(got.price.reduce((sum, { count }) => sum + count, 0)).toBe(prices.length);
      }),
      { numRuns: 60, seed: 4 },
    );
  }, 60_000);

  test("refuse the queries that the list refuses, and paging", async () => {
    for (const asked of ["colour=red", "page=2", "ordering=price", "year=x", "fuel_type=COAL"]) {
      const refused = await answer(call("GET", `/api/cars/facets/?${asked}`));
      expect([refused.status, refused.body.errors[0].field]).toEqual([400, asked.split("=")[0]]);
    }
  });

  test("have a tag", async () => {
    const tag = (await call("GET", "/api/cars/facets/")).headers.get("ETag") ?? "";
    expect((await call("GET", "/api/cars/facets/", { headers: { "If-None-Match": tag } })).status).toBe(304);
  });
});

/** Compares the kept counts with those of the cars. */
async function expectCountsToBeRight() {
  const [kept, real] = await env.DB.batch([
    env.DB.prepare(
      "SELECT facet, value, status, n FROM car_counts WHERE n <> 0 ORDER BY facet, value, status",
    ),
    env.DB.prepare(
      "SELECT facet, value, status, count(*) AS n FROM car_count_keys GROUP BY facet, value, status ORDER BY facet, value, status",
    ),
  ]);
  expect(kept?.results).toEqual(real?.results);
}

describe("the kept counts of the database", () => {
  test("are rewritten where a change of a car moves it, and nowhere else", async () => {
    const { id } = stock[1] as Row;
    const write = async (set: string) => {
      const { meta } = await env.DB.prepare(`UPDATE cars SET ${set} WHERE id = ?`).bind(id).run();
      await expectCountsToBeRight();
      return meta.rows_written;
    };
    // Each count that the car moves to below exists.
    await write("mileage = 12000, location = 'WAREHOUSE'");
    await write("mileage = 10000, location = 'SHOWROOM'");
    // The row, and an entry of each index that has the mileage.
    const own = await write("mileage = 10001");
    expect(own).toBe(13);
    expect(await write("mileage = 12000")).toBe(own + 2);
    expect(await write("mileage = 10000, location = 'WAREHOUSE'")).toBe(own + 4);
    const all = await write("status = iif(status = 'REMOVED', 'AVAILABLE', 'REMOVED')");
    expect(all).toBeGreaterThanOrEqual(own + 2 * 14);
  });

  test("have the spelling that the last car was written with", async () => {
    const { id, makeKey, status } = stock[2] as Row;
    const spelling = makeKey.toUpperCase().replace("E", "e");
    await env.DB.prepare("UPDATE cars SET make = ? WHERE id = ?").bind(spelling, id).run();
    const label = await env.DB.prepare(
      "SELECT label FROM car_counts WHERE facet = 'make' AND value = ? AND status = ?",
    )
      .bind(makeKey, status)
      .first("label");
    expect(label).toBe(spelling);
    await expectCountsToBeRight();
  });

  test("equal the counts of the cars after any changes", async () => {
    const staff = await person("ADMIN");
    for (let step = 0; step < 60; step += 1) {
      const car = pick(stock);
      const change = pick([
        { make: pick(MAKES), model: "Neu" },
        { year: 2020 + random(5), mileage: random(200_000) },
        { base_price: 200_000, discount_price: random(2) ? null : random(200_000) },
        { drive_type: pick([null, "AWD"]), location: pick(CAR_LOCATIONS) },
        { status: pick(["AVAILABLE", "RESERVED", "REMOVED"]), fuel_type: pick(FUEL_TYPES) },
        { description: "new words", color: "Green" },
        { year: car.year, mileage: car.mileage, location: car.location },
      ]);
      const changed = await call("PATCH", `/api/cars/${car.id}/`, { token: staff.token, json: change });
      expect(changed.status).toBe(200);
      await expectCountsToBeRight();
    }
    await env.DB.prepare("DELETE FROM cars WHERE id = ?").bind(stock[0]?.id).run();
    await expectCountsToBeRight();
    // The index of words agrees with the texts, or this throws.
    await env.DB.prepare("INSERT INTO cars_search (cars_search, rank) VALUES ('integrity-check', 1)").run();
    const green = await list({ search: "green words", page_size: "1" }, staff.token);
    const { n } = (await env.DB.prepare("SELECT count(*) AS n FROM cars WHERE color = 'Green'").first()) as {
      n: number;
    };
    expect([n > 0, green.body.count]).toEqual([true, n]);
  });
});
