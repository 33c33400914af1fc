/**
 * What each operation may cost: round trips to D1, rows that its queries read and write, calls of the car's coordinator.
 * Counted, not timed, so there is no noise: a change that goes over is a change of the price, and says so here.
 */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { carPhotos, cars } from "../../src/db/schema.ts";
import { type Account, type Cost, costOf } from "../../tools/bench/metering.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { demoCars } from "../../tools/demo/demo-data.ts";
import { booking, call, car, iso, person, slot } from "../support/world.ts";

/** The stock; the budgets are the same for each. */
const STOCKS = [1_000, 20_000];
const BOOKINGS_OF_ONE = 20;

type Request = Parameters<typeof call>;
type Budget = {
  name: string;
  /** `[trips, rows read, rows written, coordinator calls]`: trips and calls to the one, rows at most. */
  most: [number, number, number, number];
  /** What is answered, when it is not success. */
  status?: number;
  /** Makes what is needed, which does not count, and says what to ask for. */
  request: () => Promise<Request>;
};

const book = async (carId: string, headers = {}, startAt = slot(3)): Promise<Request> => {
  const { token } = await person();
  return ["POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(startAt) }, headers }];
};

const slotsOf = (carId: string): Request => ["GET", `/api/cars/${carId}/available-slots/?date=${DAY}`];
const DAY = iso(slot(3)).slice(0, 10);

/** A car whose slots this isolate has read, so that it knows that the car exists. */
async function knownCar(): Promise<string> {
  const id = await car();
  await call(...slotsOf(id));
  return id;
}

/** Has a car's coordinator load it, to refuse a booking. */
const warm = async (carId: string) => call(...(await book(carId, {}, slot(3) + 1)));

/** A car whose coordinator has loaded it. */
async function warmCar(): Promise<string> {
  const id = await car();
  await warm(id);
  return id;
}

async function pending(): Promise<{ carId: string; bookingId: string }> {
  const [carId, customer] = [await car(), await person()];
  const bookingId = await booking({ carId, customerId: customer.id, startAt: slot(2), status: "PENDING" });
  return { carId, bookingId };
}

const asSeller = async (method: string, path: string, json?: unknown): Promise<Request> => {
  const { token } = await person("SALES");
  return [method, path, { token, json }];
};

const BUDGETS: Budget[] = [
  { name: "the list", most: [1, 130, 0, 0], request: async () => ["GET", "/api/cars/"] },
  {
    name: "a page far down",
    most: [1, 1100, 0, 0],
    request: async () => ["GET", "/api/cars/?ordering=price&page=45"],
  },
  { name: "the list of a make", most: [1, 130, 0, 0], request: async () => ["GET", "/api/cars/?make=bmw"] },
  { name: "all facets", most: [1, 650, 0, 0], request: async () => ["GET", "/api/cars/facets/"] },
  { name: "one car", most: [1, 2, 0, 0], request: async () => ["GET", `/api/cars/${await car()}/`] },
  {
    name: "the file of a photo",
    most: [1, 2, 0, 0],
    request: async () => {
      const photo = photoOf({ id: await car() });
      await insertAll(env.DB, carPhotos, [photo]);
      await env.PHOTOS.put(photo.key, "a picture");
      return ["GET", `/photos/${photo.key}`];
    },
  },
  {
    name: "one car, for staff",
    most: [1, 4, 0, 0],
    request: async () => asSeller("GET", `/api/cars/${await car()}/`),
  },
  { name: "the free slots of a car", most: [1, 2, 0, 0], request: async () => slotsOf(await car()) },
  {
    name: "the free slots of a car with bookings",
    most: [1, 4, 0, 0],
    async request() {
      const { carId } = await pending();
      await call(...(await book(carId)));
      return slotsOf(carId);
    },
  },
  {
    name: "the free slots of a car, for staff",
    most: [1, 5, 0, 0],
    request: async () => asSeller("GET", slotsOf(await car())[1]),
  },
  {
    name: "my bookings",
    most: [1, 32, 0, 0],
    async request() {
      const customer = await person();
      for (let n = 0; n < BOOKINGS_OF_ONE; n += 1)
        await booking({ carId: await car(), customerId: customer.id, startAt: slot(2), status: "PENDING" });
      return ["GET", "/api/bookings/me/?page_size=10", { token: customer.token }];
    },
  },
  {
    name: "one booking",
    most: [1, 3, 0, 0],
    request: async () => asSeller("GET", `/api/bookings/${(await pending()).bookingId}/`),
  },
  // The cap reads the customer, because it is lower without a verified address.
  { name: "a booking", most: [1, 19, 16, 1], request: async () => book(await warmCar()) },
  {
    name: "a booking of a car that nobody booked lately",
    most: [2, 23, 18, 1],
    request: async () => book(await knownCar()),
  },
  {
    name: "a booking of a car that this isolate has not met",
    most: [3, 26, 18, 1],
    request: async () => book(await car()),
  },
  {
    name: "a booking of a car that does not exist",
    most: [1, 3, 0, 0],
    status: 404,
    request: async () => book(crypto.randomUUID()),
  },
  {
    name: "a booking that may be repeated",
    most: [1, 19, 19, 1],
    request: async () => book(await warmCar(), { "Idempotency-Key": crypto.randomUUID() }),
  },
  {
    name: "a booking of a time that is taken",
    // One to prove that the coordinator's memory is up to date, one to verify the caller.
    most: [2, 4, 0, 1],
    status: 409,
    async request() {
      const carId = await warmCar();
      await call(...(await book(carId)));
      return book(carId);
    },
  },
  {
    name: "an approval",
    most: [2, 17, 10, 1],
    async request() {
      const { carId, bookingId } = await pending();
      await warm(carId);
      return asSeller("PATCH", `/api/bookings/${bookingId}/approve/`);
    },
  },
  {
    name: "an approval when nobody booked the car lately",
    most: [3, 22, 12, 1],
    async request() {
      const { bookingId } = await pending();
      return asSeller("PATCH", `/api/bookings/${bookingId}/approve/`);
    },
  },
  {
    name: "the state of the deployment",
    most: [1, 15, 0, 0],
    async request() {
      // Each mail that waits costs three rows more.
      await env.DB.prepare("UPDATE notifications SET status = 'SENT', sent_at = 1").run();
      const { token } = await person("ADMIN");
      return ["GET", "/api/ops/status/", { token }];
    },
  },
  {
    name: "a sale",
    most: [3, 130, 80, 1],
    request: async () =>
      asSeller("POST", "/api/sales/", {
        car: (await pending()).carId,
        customer: (await person()).id,
        sale_price: "19990.00",
        payment_method: "CASH",
      }),
  },
];

/** Everything counted since it was last asked. */
const account = async () => (await call("GET", "/account")).json<Account>();

describe.each(STOCKS)("with %i cars in stock", (stock) => {
  beforeAll(async () => {
    const known = (await env.DB.prepare("SELECT count(*) AS n FROM cars").first<number>("n")) ?? 0;
    const more = demoCars(stock, Date.now()).slice(known);
    await insertAll(env.DB, cars, more);
    await insertAll(env.DB, carPhotos, more.map(photoOf));
  });

  test.each(BUDGETS)("$name stays within its budget", async ({ most, status, request }) => {
    const asked = await request();
    await account();
    const answer = await call(...asked);
    await answer.arrayBuffer();
    const cost: Cost = costOf(await account());
    expect(status ? answer.status === status : answer.ok).toBe(true);
    const [trips, rowsRead, rowsWritten, coordinatorCalls] = most;
    expect.soft(cost).toMatchObject({ trips, coordinatorCalls });
    expect.soft(cost.rowsRead, "rows read").toBeLessThanOrEqual(rowsRead);
    expect.soft(cost.rowsWritten, "rows written").toBeLessThanOrEqual(rowsWritten);
  });
});

const photoOf = ({ id }: { id: string }) => ({
  // The name of a file has the id of its photo.
  id,
  carId: id,
  key: `${id}.webp`,
  thumbnailKey: `${id}-small.webp`,
  contentType: "image/webp",
  width: 1600,
  height: 1000,
  sortOrder: 0,
  createdAt: 0,
});
