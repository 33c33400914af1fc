/** The report about a dump: what can be loaded, what is refused and why, and whether the sums agree. */
import { formatCents } from "../../src/shared/money.ts";
import type { Conversion, Rows } from "./convert.ts";
import { AREAS, type Area, type Sources } from "./tables.ts";

/** Where an area is in the database, and the amount that is summed: its field in the dump, and here. */
type Ledger = {
  table: string;
  amount?: { field: string; column: string; of: (rows: Rows) => number[] };
};

const LEDGERS: Readonly<Record<Area, Ledger>> = {
  users: { table: "users" },
  staff: {
    table: "staff_profiles",
    amount: {
      field: "salary",
      column: "salary_cents",
      of: ({ staff }) => staff.map((row) => row.salaryCents),
    },
  },
  cars: {
    table: "cars",
    amount: {
      field: "base_price",
      column: "base_price_cents",
      of: ({ cars }) => cars.map((row) => row.basePriceCents),
    },
  },
  bookings: { table: "bookings" },
  sales: {
    table: "sales",
    amount: {
      field: "sale_price",
      column: "sale_price_cents",
      of: ({ sales }) => sales.map((row) => row.salePriceCents),
    },
  },
  commissions: {
    table: "commissions",
    amount: {
      field: "amount",
      column: "amount_cents",
      of: ({ commissions }) => commissions.map((row) => row.amountCents),
    },
  },
};

/** How many rows, and the sum of their amounts in cents (nothing for an area without amounts). */
export type Total = { count: number; cents: number };
/** The totals of every area. */
export type Totals = Record<Area, Total>;

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

/** Cents of any amount that PostgreSQL writes, also of those that our rules refuse; what is no number is nothing. */
function centsOf(text: string | null | undefined): number {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text ?? "");
  const cents = Number(found?.[2] ?? 0) * 100 + Number((found?.[3] ?? "").padEnd(2, "0").slice(0, 2));
  return found?.[1] === "-" ? -cents : cents;
}

const ofEach = (total: (area: Area) => Total): Totals => ({
  users: total("users"),
  staff: total("staff"),
  cars: total("cars"),
  bookings: total("bookings"),
  sales: total("sales"),
  commissions: total("commissions"),
});

function sourceTotals(sources: Sources, isCounted: (area: Area, id: string) => boolean): Totals {
  return ofEach((area) => {
    const rows: ReadonlyArray<Readonly<Record<string, string | null>>> = sources[area].rows;
    const counted = rows.filter((row) => isCounted(area, row["id"] ?? ""));
    const field = LEDGERS[area].amount?.field;
    return { count: counted.length, cents: field ? sum(counted.map((row) => centsOf(row[field]))) : 0 };
  });
}

/** What the dump has, what of it is refused, and what is to be written. */
export function totalsOf(sources: Sources, { rows, refused }: Conversion) {
  const out = new Set(refused.map(({ area, id }) => `${area} ${id}`));
  return {
    dump: sourceTotals(sources, () => true),
    refused: sourceTotals(sources, (area, id) => out.has(`${area} ${id}`)),
    written: ofEach((area) => ({
      count: rows[area].length,
      cents: sum(LEDGERS[area].amount?.of(rows) ?? []),
    })),
  };
}

/** The query whose one row holds the totals of a database. */
export const TOTALS_QUERY = `SELECT ${AREAS.flatMap((area) => {
  const { table, amount } = LEDGERS[area];
  return [
    `(SELECT count(*) FROM ${table}) AS ${area}_count`,
    `(SELECT ${amount ? `coalesce(sum(${amount.column}), 0) FROM ${table}` : "0"}) AS ${area}_cents`,
  ];
}).join(", ")}`;

/** Reads the answer to `TOTALS_QUERY`. */
export const totalsFrom = (row: Record<string, unknown>): Totals =>
  ofEach((area) => ({ count: Number(row[`${area}_count`]), cents: Number(row[`${area}_cents`]) }));

/** The report, as text. */
export function report(sources: Sources, conversion: Conversion): string {
  const { dump, refused, written } = totalsOf(sources, conversion);
  const cell = (area: Area, { count, cents }: Total) =>
    (LEDGERS[area].amount ? `${count} (${formatCents(cents)})` : String(count)).padEnd(22);
  const lines = [
    `${"".padEnd(13)}${"in the dump".padEnd(22)}${"refused".padEnd(22)}${"to be loaded".padEnd(22)}from table`,
    ...AREAS.map((area) =>
      [
        area.padEnd(13),
        cell(area, dump[area]),
        cell(area, refused[area]),
        cell(area, written[area]),
        sources[area].table,
      ].join(""),
    ),
    ...heading(
      "Refused",
      conversion.refused.map(({ area, id, reasons }) => `${area} ${id}: ${reasons.join("; ")}`),
    ),
    ...heading(
      "Cannot sign in before they set a new password",
      conversion.locked.map(
        ({ username, email }) => `${username} ${email ?? "(no e-mail: nothing can be sent)"}`,
      ),
    ),
    ...heading("Notes", conversion.notes),
  ];
  return lines.join("\n");
}

const heading = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", `${title} (${lines.length}):`, ...lines.map((line) => `  ${line}`)];
