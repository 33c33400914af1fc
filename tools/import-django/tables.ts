/**
 * Where the seed's facts are in a dump. Tables are found by the columns they have, columns by the names they may go
 * by; what a dump calls otherwise is said with `--table AREA=NAME` and `--column AREA.FIELD=NAME`.
 */
import { type Dump, type DumpRow, type DumpTable, UnreadableDump } from "./parse.ts";

/** How a field is found: the names its column may have, whether the table must have it, and which areas it refers to. */
type Field = { names: readonly string[]; required?: true; refersTo?: readonly Area[] };

const field = (...names: string[]): Field => ({ names });
const required = (...names: string[]): Field => ({ names, required: true });
const reference = (refersTo: readonly Area[], ...names: string[]): Field => ({
  names,
  required: true,
  refersTo,
});

/** The fields by area. The first name is the Django service's own, as far as its API shows it. */
const FIELDS = {
  users: {
    id: required("id"),
    username: required("username"),
    password: required("password"),
    email: field("email"),
    first_name: field("first_name"),
    last_name: field("last_name"),
    phone: field("phone", "phone_number"),
    role: field("role"),
    is_superuser: field("is_superuser"),
    is_active: field("is_active"),
    date_joined: field("date_joined", "created_at"),
  },
  staff: {
    id: required("id"),
    user: reference(["users"], "user_id"),
    salary: required("salary"),
    commission_rate: required("commission_rate"),
    hire_date: field("hire_date"),
    is_active: field("is_active"),
  },
  cars: {
    id: required("id"),
    vin: required("vin"),
    make: required("make"),
    model: required("model"),
    year: required("year"),
    mileage: field("mileage"),
    fuel_type: required("fuel_type"),
    transmission: required("transmission"),
    color: field("color"),
    body_type: required("body_type"),
    engine_cc: field("engine_cc"),
    doors: field("doors"),
    seats: field("seats"),
    drive_type: field("drive_type"),
    base_price: required("base_price", "price"),
    discount_price: field("discount_price"),
    currency: field("currency"),
    status: required("status"),
    location: field("location"),
    description: field("description"),
    created_at: field("created_at"),
    updated_at: field("updated_at"),
  },
  bookings: {
    id: required("id"),
    car: reference(["cars"], "car_id"),
    customer: reference(["users"], "customer_id", "user_id"),
    start_at: required("start_at", "start_time", "start_datetime"),
    end_at: field("end_at", "end_time", "end_datetime"),
    status: required("status"),
    notes: field("notes"),
    created_at: field("created_at"),
    updated_at: field("updated_at"),
  },
  sales: {
    id: required("id"),
    car: reference(["cars"], "car_id"),
    customer: reference(["users"], "customer_id"),
    salesperson: reference(["users", "staff"], "salesperson_id"),
    sale_price: required("sale_price"),
    currency: field("currency"),
    payment_method: required("payment_method"),
    sale_datetime: required("sale_datetime", "sale_date", "created_at"),
    contract_number: field("contract_number"),
    remarks: field("remarks"),
    created_at: field("created_at"),
  },
  commissions: {
    id: required("id"),
    sale: reference(["sales"], "sale_id"),
    salesperson: reference(["users", "staff"], "salesperson_id"),
    rate: required("rate", "commission_rate"),
    amount: required("amount", "commission_amount"),
    created_at: field("created_at"),
  },
} as const satisfies Record<string, Record<string, Field>>;

/** A kind of fact that is moved. */
export type Area = "users" | "staff" | "cars" | "bookings" | "sales" | "commissions";

/** The areas, each after those it refers to. */
export const AREAS = ["users", "staff", "cars", "bookings", "sales", "commissions"] as const satisfies Area[];

/** How the name of a table ends, for when two tables have the columns of an area. */
const ENDINGS: Readonly<Record<Area, RegExp>> = {
  users: /_(custom)?user$/,
  staff: /_staff(_?profile)?$/,
  cars: /_car$/,
  bookings: /_booking$/,
  sales: /_sale$/,
  commissions: /_commission$/,
};

/** A row by field; null where the dump has nothing. */
export type SourceRow<A extends Area = Area> = Readonly<Record<keyof (typeof FIELDS)[A], string | null>>;

/** Where an area was found, and its rows. `refersTo` says which area a field's ids are of. */
export type Source<A extends Area = Area> = {
  table: string;
  rows: SourceRow<A>[];
  refersTo: Readonly<Record<string, Area>>;
};

/** Every area of a dump. */
export type Sources = { [A in Area]: Source<A> };

/** Names that differ from the expected ones: `{ "cars": "stock_vehicle", "cars.base_price": "list_price" }`. */
export type Names = Readonly<Record<string, string>>;

/**
 * Finds every area in a dump.
 * @throws {UnreadableDump} with all that is missing or ambiguous, and how to say what is meant
 */
export function findSources(dump: Dump, names: Names): Sources {
  const faults: string[] = [];
  for (const name of Object.keys(names)) {
    const [area, wanted] = name.split(".");
    const known = AREAS.find((each) => each === area);
    if (!known || (wanted !== undefined && !Object.hasOwn(FIELDS[known], wanted)))
      faults.push(`There is nothing called ${name}; areas are ${AREAS.join(", ")}`);
  }
  const tables = Object.fromEntries(AREAS.map((area) => [area, findTable(dump, area, names, faults)]));
  const areaOf = (table: string | undefined) => AREAS.find((area) => tables[area]?.name === table);

  const sources = AREAS.map((area) => {
    const table = tables[area];
    if (!table) return [area, undefined];
    const refersTo: Record<string, Area> = {};
    const fields: Array<[string, Field]> = Object.entries(FIELDS[area]);
    for (const [name, { refersTo: allowed }] of fields) {
      const column = columnOf(table, area, name, names);
      if (!allowed || !column) continue;
      const target = table.references.get(column);
      const found = areaOf(target);
      if (found && allowed.includes(found)) refersTo[name] = found;
      else if (target)
        faults.push(`${table.name}.${column} refers to ${target}, not to ${allowed.join(" or ")}`);
      else faults.push(`The dump has no foreign key for ${table.name}.${column}: dump with the schema`);
    }
    const columns = fields.map(([name]) => [name, columnOf(table, area, name, names)] as const);
    const read = (row: DumpRow) =>
      Object.fromEntries(columns.map(([name, column]) => [name, column ? (row[column] ?? null) : null]));
    return [area, { table: table.name, rows: table.rows.map(read), refersTo }];
  });
  if (faults.length > 0) throw new UnreadableDump(faults.join("\n"));
  return Object.fromEntries(sources);
}

function columnOf(table: DumpTable, area: Area, name: string, names: Names): string | undefined {
  const given = names[`${area}.${name}`];
  const fields: Readonly<Record<string, Field>> = FIELDS[area];
  const candidates = given ? [given] : (fields[name]?.names ?? []);
  return candidates.find((candidate) => table.columns.includes(candidate));
}

function findTable(dump: Dump, area: Area, names: Names, faults: string[]): DumpTable | undefined {
  const fields: Array<[string, Field]> = Object.entries(FIELDS[area]);
  const must = fields.filter(([name, { required }]) => required || names[`${area}.${name}`]);
  const lacks = (table: DumpTable) =>
    must.filter(([name]) => !columnOf(table, area, name, names)).map(([name]) => name);
  const given = names[area];
  if (given) {
    const table = dump.get(given);
    if (!table) faults.push(`There is no table ${given} in the dump`);
    else if (lacks(table).length > 0)
      faults.push(
        `${given} has no column for ${lacks(table).join(", ")}: name it, --column ${area}.FIELD=NAME`,
      );
    else return table;
    return undefined;
  }
  const fitting = [...dump.values()].filter((table) => lacks(table).length === 0);
  const named = fitting.filter((table) => ENDINGS[area].test(table.name));
  const found = fitting.length === 1 ? fitting[0] : named.length === 1 ? named[0] : undefined;
  if (!found)
    faults.push(
      fitting.length === 0
        ? `No table has the columns of ${area} (${must.map(([name]) => name).join(", ")}): name it, --table ${area}=NAME, and columns that are called otherwise, --column ${area}.FIELD=NAME`
        : `Several tables could be ${area} (${fitting.map(({ name }) => name).join(", ")}): name it, --table ${area}=NAME`,
    );
  return found;
}
