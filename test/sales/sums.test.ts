/** Whatever is done in whatever order, some of it at once: cars, sales, bookings, ledger, metrics and notices agree. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { commissionOn } from "../../src/sales/commission.ts";
import { answer, call, car, iso, person, slot } from "../support/world.ts";

type Step =
  | { do: "sell"; car: number; seller: number; price: number }
  | { do: "void"; sale: number }
  | { do: "book"; car: number; slot: number }
  | { do: "cancel"; booking: number }
  | { do: "rate"; seller: number; rate: number };

const CARS = 3;
/** Of the cars, in their order. */
const CURRENCIES = ["EUR", "USD", "EUR"];
const SELLERS = 2;
const index = fc.nat({ max: 20 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("sell" as const),
      car: fc.nat({ max: CARS - 1 }),
      seller: fc.nat({ max: SELLERS - 1 }),
      price: fc.integer({ min: 1, max: 9_999_999_999 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("void" as const), sale: index }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("book" as const),
      car: fc.nat({ max: CARS - 1 }),
      slot: fc.nat({ max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), booking: index }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("rate" as const),
      seller: fc.nat({ max: SELLERS - 1 }),
      rate: fc.nat({ max: 10_000 }),
    }),
  },
);

const rows = async <T>(sql: string, ...values: unknown[]) =>
  (
    await env.DB.prepare(sql)
      .bind(...values)
      .all<T>()
  ).results;

test("the sums agree after random sequences of selling, voiding, booking and changing rates", async () => {
  const admin = await person("ADMIN");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 12 }),
      async (bursts) => {
        const cars = await Promise.all(CURRENCIES.map((currency) => car({ currency })));
        const sellers = await Promise.all(Array.from({ length: SELLERS }, () => person("SALES")));
        const buyer = await person();
        const sold: string[] = [];
        const booked: string[] = [];

        const take = async (one: Step): Promise<number> => {
          switch (one.do) {
            case "sell": {
              const json = {
                car: cars[one.car],
                customer: buyer.id,
                sale_price: (one.price / 100).toFixed(2),
                payment_method: "CASH",
              };
              const made = await answer(
                call("POST", "/api/sales/", { token: sellers[one.seller]?.token, json }),
              );
              if (made.status === 201) sold.push(made.body.id);
              return made.status;
            }
            case "void": {
              const id = sold[one.sale % Math.max(1, sold.length)];
              if (!id) return 0;
              return (
                await call("POST", `/api/sales/${id}/void/`, { token: admin.token, json: { reason: "x" } })
              ).status;
            }
            case "book": {
              const json = { car: cars[one.car], start_at: iso(slot(3, one.slot)) };
              const made = await answer(call("POST", "/api/bookings/", { token: buyer.token, json }));
              if (made.status === 201) booked.push(made.body.id);
              return made.status;
            }
            case "cancel": {
              const id = booked[one.booking % Math.max(1, booked.length)];
              if (!id) return 0;
              return (await call("PATCH", `/api/bookings/${id}/cancel/`, { token: buyer.token })).status;
            }
            case "rate": {
              const { id } = (
                await rows<{ id: string }>(
                  "SELECT id FROM staff_profiles WHERE user_id = ?",
                  sellers[one.seller]?.id,
                )
              )[0] ?? { id: "" };
              const json = { commission_rate: (one.rate / 100).toFixed(2) };
              return (await call("PATCH", `/api/staff/${id}/`, { token: admin.token, json })).status;
            }
          }
        };
        for (const burst of bursts)
          for (const status of await Promise.all(burst.map(take)))
            expect([0, 200, 201, 409]).toContain(status);

        const these = `(${cars.map((id) => `'${id}'`).join()})`;
        // A car is SOLD exactly when one sale of it stands, and a sold car has no future drive.
        expect(
          await rows(`SELECT id FROM cars WHERE id IN ${these} AND (status = 'SOLD') <>
          (SELECT count(*) FROM sales WHERE car_id = cars.id AND voided_at IS NULL)`),
        ).toEqual([]);
        expect(
          await rows(`SELECT b.id FROM bookings b JOIN cars c ON c.id = b.car_id
          WHERE c.id IN ${these} AND c.status = 'SOLD' AND b.status IN ('PENDING', 'APPROVED')`),
        ).toEqual([]);
        // Every sale has its commission; a void one has it taken back, to the cent; nothing else is on the ledger.
        const sales = await rows<{
          id: string;
          seller: string;
          currency: string;
          price: number;
          voided: number | null;
          rates: string;
          amounts: string;
          confirmed: number;
        }>(`SELECT s.id, s.salesperson_id AS seller, s.currency, s.sale_price_cents AS price, s.voided_at AS voided,
          (SELECT json_group_array(c.rate) FROM commissions c WHERE c.sale_id = s.id) AS rates,
          (SELECT json_group_array(c.amount_cents ORDER BY c.reverses IS NOT NULL) FROM commissions c WHERE c.sale_id = s.id) AS amounts,
          (SELECT count(*) FROM notifications n WHERE n.sale_id = s.id AND n.kind = 'sale_confirmed') AS confirmed
        FROM sales s WHERE s.car_id IN ${these}`);
        expect(sales.map(({ id }) => id).sort()).toEqual(sold.sort());
        for (const sale of sales) {
          const [rate = 0] = JSON.parse(sale.rates);
          const amount = commissionOn(sale.price, rate);
          expect(JSON.parse(sale.amounts)).toEqual(sale.voided === null ? [amount] : [amount, 0 - amount]);
          expect(sale.confirmed).toBe(1);
        }
        // Metrics are the sums, whatever happened on the way.
        for (const seller of sellers) {
          const [profile] = await rows<{ id: string }>(
            "SELECT id FROM staff_profiles WHERE user_id = ?",
            seller.id,
          );
          const metrics = (
            await answer(call("GET", `/api/staff/${profile?.id}/metrics/`, { token: seller.token }))
          ).body;
          const open = sales.filter((sale) => sale.seller === seller.id && sale.voided === null);
          const money = (values: number[]) => (values.reduce((a, b) => a + b, 0) / 100).toFixed(2);
          const sumsOf = (these: typeof sales) => ({
            revenue: money(these.map(({ price }) => price)),
            commission: money(these.map(({ amounts }) => JSON.parse(amounts)[0])),
          });
          const byCurrency = Map.groupBy(open, ({ currency }) => currency);
          const own = sumsOf(byCurrency.get("EUR") ?? []);
          expect(metrics).toMatchObject({
            total_sales_count: open.length,
            total_revenue: own.revenue,
            total_commission: own.commission,
            totals: [...byCurrency.keys()].sort().map((currency) => {
              const these = byCurrency.get(currency) ?? [];
              return { currency, sales_count: these.length, ...sumsOf(these) };
            }),
          });
        }
        // Each customer of a cancelled booking was notified exactly once.
        expect(
          await rows(`SELECT b.id FROM bookings b WHERE b.car_id IN ${these} AND b.status = 'CANCELLED' AND
          (SELECT count(*) FROM notifications n WHERE n.booking_id = b.id AND n.kind = 'booking_cancelled') <> 1`),
        ).toEqual([]);
      },
    ),
    { numRuns: 20, endOnFailure: true },
  );
}, 180_000);
