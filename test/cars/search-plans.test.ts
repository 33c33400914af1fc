/** How SQLite finds a page of the stock and counts it: what docs/performance/catalog-cost.md measures rests on this. */
import { describe, expect, test } from "vitest";
import { type CarFilters, type CarsQuery, carsQuery, ORDERINGS } from "../../src/cars/schemas.ts";
import { facetCounts } from "../../src/cars/search/facets.ts";
import { carList } from "../../src/cars/search/list.ts";
import { planOf, stepsOf } from "../support/plans.ts";

type Asked = Record<string, string>;

/** The queries of a list: its page and its count. */
async function listQueries(asked: Asked, seesRemoved = false) {
  const query: CarsQuery = carsQuery.parse(asked);
  const [page, count] = carList(query, seesRemoved);
  return { page, count };
}

const facetPlans = async ({ page: _, page_size: __, ordering: ___, ...filters }: CarsQuery) =>
  Promise.all(facetCounts(filters as CarFilters, false).map(planOf));

const INDEX = {
  year: "cars_by_year",
  mileage: "cars_by_mileage",
  price: "cars_by_price",
  base_price: "cars_by_base_price",
  discount_price: "cars_by_discount_price",
  created_at: "cars_by_created",
} as const;

/** What follows once the ids of a page are known: only its own cars are fetched. */
const FETCH = [
  "SEARCH cars USING INDEX sqlite_autoindex_cars_1 (id=?)",
  "SEARCH p USING INDEX car_photos_order (car_id=?)",
];
const KEPT = "SEARCH car_counts USING INDEX sqlite_autoindex_car_counts_1 (facet=?)";
const KEPT_VALUE = "SEARCH car_counts USING INDEX sqlite_autoindex_car_counts_1 (facet=? AND value=?)";

/** A step of a plan without what SQLite cannot know of a generated column: that the index holds all that is asked. */
const plain = (step: string | undefined) => step?.replace("COVERING ", "");

/** The steps that find the ids of a page, before its cars are fetched and put in order. */
async function idSteps(page: Parameters<typeof stepsOf>[0]): Promise<string[]> {
  const steps = await stepsOf(page);
  return steps.slice(0, steps.indexOf("SCAN page"));
}

const EACH_ORDERING = ORDERINGS.flatMap(
  (key) =>
    [
      [key, key],
      [`-${key}`, key],
    ] as const,
);

describe.each(EACH_ORDERING)("the list ordered by %s", (ordering, key) => {
  test("walks its index, sorts nothing, and takes the count from the counts that are kept", async () => {
    for (const filter of [{}, { status: "RESERVED" }] as Asked[]) {
      const { page, count } = await listQueries({ ...filter, ordering });
      const plan = await planOf(page);
      expect(plan.map(plain)).toEqual([KEPT, `SCAN cars USING INDEX ${INDEX[key]}`, ...FETCH]);
      expect((await idSteps(page)).filter((step) => step.startsWith("USE TEMP B-TREE"))).toEqual([]);
      expect(await planOf(count)).toEqual([KEPT]);
    }
  });

  test("begins a page far down within its index, at the step that the kept counts name", async () => {
    for (const filter of [{}, { status: "RESERVED" }] as Asked[]) {
      const { page } = await listQueries({ ...filter, ordering, page: "40" });
      const found = (await planOf(page)).map(plain);
      expect(found.slice(0, -3)).toEqual([KEPT, KEPT]);
      expect(found.at(-3)).toMatch(new RegExp(`^SEARCH cars USING INDEX ${INDEX[key]} \\(\\w+[<>]\\?\\)$`));
      expect(found.slice(-2)).toEqual(FETCH);
    }
  });

  test("reads along the index of a filter that rules most cars out", async () => {
    const { page, count } = await listQueries({ make: "bmw", ordering });
    const plan = (await planOf(page)).map(plain);
    expect(plan).toEqual([KEPT_VALUE, "SEARCH cars USING INDEX cars_by_make (make_key=?)", ...FETCH]);
    expect(await planOf(count)).toEqual([KEPT_VALUE]);
  });
});

const searched = [
  "SEARCH cars USING INTEGER PRIMARY KEY (rowid=?)",
  expect.stringMatching(/^SCAN cars_search VIRTUAL TABLE INDEX 0:M/),
];

/** A filter, how it finds cars in the order that lists have unless asked otherwise, and how they are counted. */
const FILTERS: [Asked, string[], string[]][] = [
  [{ make: "bmw" }, ["SEARCH cars USING INDEX cars_by_make (make_key=?)"], [KEPT_VALUE]],
  [{ model: "x3" }, ["SEARCH cars USING INDEX cars_by_model (model_key=?)"], [KEPT_VALUE]],
  [{ year: "2024" }, ["SEARCH cars USING INDEX cars_by_year (year=?)"], [KEPT_VALUE]],
  [{ fuel_type: "DIESEL" }, ["SEARCH cars USING INDEX cars_by_fuel_type (fuel_type=?)"], [KEPT_VALUE]],
  [{ body_type: "SUV" }, ["SEARCH cars USING INDEX cars_by_body_type (body_type=?)"], [KEPT_VALUE]],
  [
    { transmission: "MANUAL" },
    ["SEARCH cars USING INDEX cars_by_transmission (transmission=?)"],
    [KEPT_VALUE],
  ],
  [{ drive_type: "AWD" }, ["SEARCH cars USING INDEX cars_by_drive_type (drive_type=?)"], [KEPT_VALUE]],
  // Counted along the index: the number of its cars is not kept.
  [
    { showroom: "01936f7e-8a3b-7c4d-9e5f-123456789abc" },
    ["SEARCH cars USING INDEX cars_by_showroom (showroom_id=?)"],
    ["SEARCH cars USING INDEX cars_by_showroom (showroom_id=?)"],
  ],
  // The newest cars come first anyway, so a span is looked for in the order of the list.
  [{ location: "WAREHOUSE" }, ["SCAN cars USING INDEX cars_by_created"], [KEPT_VALUE]],
  [
    { min_year: "2024" },
    ["SCAN cars USING INDEX cars_by_created"],
    ["SEARCH cars USING INDEX cars_by_year (year>?)"],
  ],
  [
    { max_year: "2024" },
    ["SCAN cars USING INDEX cars_by_created"],
    ["SEARCH cars USING INDEX cars_by_year (year<?)"],
  ],
  [
    { min_price: "9000" },
    ["SCAN cars USING INDEX cars_by_created"],
    ["SEARCH cars USING INDEX cars_by_price (price_cents>?)"],
  ],
  [
    { max_price: "9000" },
    ["SCAN cars USING INDEX cars_by_created"],
    ["SEARCH cars USING INDEX cars_by_price (price_cents<?)"],
  ],
  [
    { max_mileage: "1000" },
    ["SCAN cars USING INDEX cars_by_created"],
    ["SEARCH cars USING INDEX cars_by_mileage (mileage<?)"],
  ],
  [{ search: "octavia" }, searched, searched],
  [
    { make: "bmw", max_price: "9000" },
    ["SEARCH cars USING INDEX cars_by_make (make_key=?)"],
    ["SEARCH cars USING INDEX cars_by_make (make_key=?)"],
  ],
];

describe.each(FILTERS)("the list with %j", (filter, found, counted) => {
  test("is found and counted along an index, and fetches only the cars of its page", async () => {
    const { page, count } = await listQueries(filter);
    const isKept = counted.includes(KEPT_VALUE);
    expect((await planOf(page)).map(plain)).toEqual([...(isKept ? [KEPT_VALUE] : []), ...found, ...FETCH]);
    expect((await planOf(count)).map(plain)).toEqual(counted);
  });
});

describe("the facets", () => {
  test("of the whole stock, or of one status, read the kept counts alone", async () => {
    for (const asked of [{}, { status: "RESERVED" }])
      for (const plan of await facetPlans(carsQuery.parse(asked))) expect(plan).toEqual([KEPT]);
  });

  test.each(FILTERS.filter(([filter]) => !("location" in filter)))(
    "with %j read the matching cars once, along an index",
    async (filter) => {
      const plans = await facetPlans(carsQuery.parse(filter));
      for (const plan of plans)
        expect(
          plan.filter((step) => / cars\b/.test(step)).map((step) => /^SEARCH cars USING/.test(step)),
        ).toEqual(plan.includes(KEPT) ? [] : [true]);
      expect(plans.length).toBeGreaterThan(0);
    },
  );

  test("with a location, which no index tells apart, read the cars once", async () => {
    const [plan, ...more] = await facetPlans(carsQuery.parse({ location: "WAREHOUSE" }));
    expect([plan?.filter((step) => / cars\b/.test(step)), more]).toEqual([["SCAN cars"], []]);
  });
});
