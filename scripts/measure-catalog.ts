/** `npm run measure:catalog`: measures the cost in D1 of the catalog's requests, for docs/performance/. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { carsQuery, facetsQuery } from "../src/cars/schemas.ts";
import { facetCounts } from "../src/cars/search/facets.ts";
import { carList } from "../src/cars/search/list.ts";
import { carById } from "../src/cars/store.ts";
import { openDatabase } from "../src/db/client.ts";
import { carPhotos, cars } from "../src/db/schema.ts";
import { fail, readArguments } from "../tools/command-line/arguments.ts";
import { insertAll } from "../tools/database/bulk.ts";
import { type Cost, openLocalDatabase } from "../tools/database/local-database.ts";
import { demoCars } from "../tools/demo/demo-data.ts";

const PAGE = "docs/performance/catalog-cost.md";
const USAGE = `npm run measure:catalog -- [SIZE …]

Measures what the requests of the catalog cost in D1 round trips and rows read, with 1,000, 10,000 and 100,000 cars in
stock, and writes the table to ${PAGE}. Takes about five minutes. With other sizes it only prints the table.`;

const { positionals } = readArguments(USAGE, { allowPositionals: true, options: {} });
const given = positionals.map(Number);
if (given.some((size) => !Number.isInteger(size) || size < 1)) fail(USAGE);
const SIZES = given.length > 0 ? given : [1_000, 10_000, 100_000];

const ORDERINGS = ["created_at", "year", "mileage", "price", "base_price", "discount_price"];
const FILTERS = [
  "make=toyota",
  "model=corolla",
  "year=2024",
  "min_year=2024",
  "max_year=2019",
  "min_price=90000",
  "max_price=9000",
  "max_mileage=1000",
  "fuel_type=DIESEL",
  "fuel_type=CNG",
  "body_type=SUV",
  "transmission=MANUAL",
  "transmission=CVT",
  "drive_type=4WD",
  "status=RESERVED",
  "location=WAREHOUSE",
  "search=matrix",
  "search=911 carrera",
];
const PAIRS = [
  "make=bmw&fuel_type=DIESEL",
  "make=volvo&max_price=30000",
  "fuel_type=ELECTRIC&body_type=SUV",
  "body_type=WAGON&max_mileage=50000",
  "min_price=20000&max_price=30000",
  "fuel_type=HYBRID&ordering=price",
  "make=bmw&ordering=-price",
  "transmission=AUTOMATIC&min_year=2023&ordering=mileage",
];

type Row = { request: string; costs: Cost[] };
const rows = new Map<string, Row>();

function record(request: string, cost: Cost): void {
  const row = rows.get(request) ?? { request, costs: [] };
  row.costs.push(cost);
  rows.set(request, row);
}

for (const size of SIZES) {
  const local = await openLocalDatabase();
  try {
    await load(local.d1, size);
    const db = openDatabase(local.counted, "first-primary");
    const list = async (text: string) => {
      const query = carsQuery.parse(Object.fromEntries(new URLSearchParams(text)));
      const [rows, [total]] = await db.ask(...carList(query, false));
      return { rows, count: total?.count ?? 0 };
    };
    const measure = async (text: string) => {
      const { count } = await list(text);
      const last = Math.max(1, Math.ceil(count / 20));
      const pages: [string, number][] = [
        ["first", 1],
        ["middle", Math.ceil(last / 2)],
        ["last", last],
      ];
      for (const [name, page] of pages)
        record(`\`?${text}\` ${name} page`, await local.costOf(() => list(`${text}&page=${page}`)));
    };
    for (const ordering of ORDERINGS)
      for (const sign of ["", "-"]) await measure(`ordering=${sign}${ordering}`);
    for (const filter of [...FILTERS, ...PAIRS]) await measure(filter);
    const [some] = (await list("")).rows;
    record("one car", await local.costOf(() => carById(db, some?.id ?? "")));
    for (const text of ["", "make=bmw", "fuel_type=ELECTRIC", "make=bmw&fuel_type=DIESEL", "search=matrix"]) {
      const filters = facetsQuery.parse(Object.fromEntries(new URLSearchParams(text)));
      record(`\`facets/?${text}\``, await local.costOf(() => db.ask(...facetCounts(filters, false))));
    }
  } finally {
    await local.close();
  }
}

const heads = SIZES.map((size) => `rows read, ${size.toLocaleString("en")} cars`);
const table = [
  `| request | D1 round trips | ${heads.join(" | ")} |`,
  `|---|---:|${heads.map(() => "---:|").join("")}`,
  ...[...rows.values()].map(({ request, costs }) => {
    const trips = [...new Set(costs.map((cost) => cost.trips))].join("/");
    const read = costs.map((cost) => cost.rowsRead.toLocaleString("en"));
    return `| ${request} | ${trips} | ${read.join(" | ")} |`;
  }),
].join("\n");

if (given.length > 0) console.log(table);
else {
  mkdirSync(dirname(PAGE), { recursive: true });
  writeFileSync(
    PAGE,
    `<!-- Written by "npm run measure:catalog": do not edit. -->
# What the catalog costs

D1 round trips, and rows that D1 reads, for each request of the catalog, by the size of the stock. D1 reports the rows
itself, so the numbers are exact. The demo data is the same at every run.

${table}
`,
  );
  console.log(`Wrote ${PAGE}.`);
}

/** Puts demo cars into the database, each with two photos. */
async function load(d1: D1Database, size: number): Promise<void> {
  const began = Date.now();
  const stock = demoCars(size, began);
  await insertAll(d1, cars, stock);
  await insertAll(
    d1,
    carPhotos,
    stock.flatMap((car) =>
      [0, 1].map((place) => ({
        id: `${car.id}-${place}`,
        carId: car.id,
        key: `${car.id}-${place}`,
        thumbnailKey: `${car.id}-${place}-small`,
        contentType: "image/webp",
        width: 1600,
        height: 1000,
        sortOrder: place,
        isPrimary: place === 0,
        createdAt: 0,
      })),
    ),
  );
  console.error(`${size} cars loaded in ${Math.round((Date.now() - began) / 1000)} s`);
}
