import { describe, expect, test } from "vitest";
import { type Dump, parseDump, UnreadableDump } from "../../tools/import-django/parse.ts";
import { findSources, type Names } from "../../tools/import-django/tables.ts";
import copied from "../fixtures/django.sql?raw";
import inserted from "../fixtures/django-inserts.sql?raw";

describe("a dump of the Django service", () => {
  test("gives the same rows from COPY blocks and from INSERTs", () => {
    const [blocks, inserts] = [parseDump(copied), parseDump(inserted)];
    expect([...blocks.keys()].sort()).toEqual([...inserts.keys()].sort());
    for (const [name, table] of blocks) expect(inserts.get(name), name).toEqual(table);
    expect(blocks.get("accounts_user")?.rows).toHaveLength(25);
    expect(blocks.get("sales_sale")?.references.get("salesperson_id")).toBe("accounts_user");
  });

  test("gives the same rows with the line ends of Windows", () => {
    expect(parseDump(copied.replaceAll("\n", "\r\n"))).toEqual(parseDump(copied));
  });

  test("keeps every character of a text", () => {
    const car = parseDump(copied)
      .get("inventory_car")
      ?.rows.find(({ vin }) => vin === "WVWZZZ1KZAW000001");
    expect(car?.["description"]).toBe(
      "First owner; \"mint\" -- really.\n\tTab, back\\slash, 100 % 'quoted' 🚗\r\n\\.\nBEGIN TRANSACTION; COMMIT; /* end",
    );
    expect(car?.["discount_price"]).toBeNull();
  });

  test("may have quoted names, functions, other schemas and named columns", () => {
    const dump = parseDump(`
CREATE FUNCTION public.f() RETURNS trigger AS $body$ BEGIN; INSERT INTO x VALUES (1); END; $body$;
CREATE TABLE public."Odd Table" (
    id integer NOT NULL,
    "order" numeric(12,2) DEFAULT 0.00,
    CONSTRAINT positive CHECK ((id > 0))
);
INSERT INTO public."Odd" ("order", id) VALUES ('it''s; (so)', -1.50);
INSERT INTO archive.old (a) VALUES (true);
`);
    expect(dump.get("Odd")?.rows).toEqual([{ order: "it's; (so)", id: "-1.50" }]);
    expect(dump.get("archive.old")?.rows).toEqual([{ a: "t" }]);
    expect(dump.has("x")).toBe(false);
  });

  test.each([
    ["of the custom format", "PGDMP\u0001\u000e"],
    ["in another encoding", "SET client_encoding = 'LATIN1';"],
    ["with escapes in plain quotes", "SET standard_conforming_strings = off;"],
    ["that ends within rows", "COPY public.t (a) FROM stdin;\n1\n"],
    ["that ends within a quote", "INSERT INTO public.t (a) VALUES ('x"],
    ["that ends within a statement", "CREATE TABLE public.t ("],
    ["whose rows do not name their columns", "INSERT INTO public.t VALUES (1);"],
    ["with a row too short", "COPY public.t (a, b) FROM stdin;\n1\n\\.\n"],
    ["with computed values", "INSERT INTO public.t (a) VALUES (now());"],
    ["that is none", "Hello"],
    ["that is empty", ""],
  ])("is refused with a message to the operator when it is %s", (_, text) => {
    expect(() => parseDump(text)).toThrow(UnreadableDump);
  });
});

describe("the tables of the Django service", () => {
  const renamed = (...changes: Array<[string, string]>): Dump =>
    parseDump(changes.reduce((text, [from, to]) => text.replaceAll(from, to), copied));
  const found = (dump: Dump, names: Names = {}) =>
    Object.entries(findSources(dump, names)).map(([area, { table }]) => `${area} ${table}`);

  test("are found by their columns, with any name of the app", () => {
    expect(found(renamed(["accounts_user", "people_member"], ["inventory_car", "stock_vehicle"]))).toEqual([
      "users people_member",
      "staff staff_staffprofile",
      "cars stock_vehicle",
      "bookings bookings_booking",
      "sales sales_sale",
      "commissions sales_commission",
    ]);
  });

  test("are found under the names that the operator gives", () => {
    const dump = renamed(["inventory_car", "stock_vehicle"], ["base_price", "list_price"]);
    expect(() => findSources(dump, {})).toThrow("No table has the columns of cars");
    const sources = findSources(dump, { cars: "stock_vehicle", "cars.base_price": "list_price" });
    expect(sources.cars.rows).toHaveLength(29);
    expect(sources.cars.rows.every((row) => row.base_price !== null)).toBe(true);
    expect(findSources(dump, { "cars.base_price": "list_price" }).cars.table).toBe("stock_vehicle");
  });

  test("must be named by the operator when two match", () => {
    const twice = `${copied}\nCOPY public.inventory_historicalcar (id, vin, make, model, year, fuel_type, transmission, body_type, base_price, status) FROM stdin;\n\\.\n`;
    expect(findSources(parseDump(twice), {}).cars.table).toBe("inventory_car");
    const alike = parseDump(twice.replaceAll(/inventory_car\b/g, "inventory_auto"));
    expect(() => findSources(alike, {})).toThrow("Several tables could be cars");
    expect(findSources(alike, { cars: "inventory_auto" }).cars.rows).toHaveLength(29);
  });

  test.each<[string, Names, string]>([
    ["an unknown area", { bikes: "x" }, "There is nothing called bikes"],
    ["an unknown field", { "cars.wheels": "x" }, "There is nothing called cars.wheels"],
    ["an unknown table", { cars: "x" }, "There is no table x"],
    ["a table of something else", { cars: "auth_group" }, "auth_group has no column for vin, make"],
    ["a column that is not there", { "cars.color": "x" }, "No table has the columns of cars"],
  ])("are refused when they are named wrongly, by %s", (_, names, message) => {
    expect(() => findSources(parseDump(copied), names)).toThrow(message);
  });

  test("must name the targets of their references", () => {
    const keyless = copied.replace(
      /ALTER TABLE ONLY public\.sales_sale\s+ADD CONSTRAINT \S+ FOREIGN KEY \(salesperson_id\).*;/,
      "",
    );
    expect(() => findSources(parseDump(keyless), {})).toThrow("no foreign key for sales_sale.salesperson_id");
    const elsewhere = copied.replace(
      /(FOREIGN KEY \(customer_id\) REFERENCES public\.)accounts_user/,
      "$1django_session",
    );
    expect(() => findSources(parseDump(elsewhere), {})).toThrow("refers to django_session, not to users");
  });
});
