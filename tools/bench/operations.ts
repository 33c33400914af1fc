/** The measured operations. */
import { uuidv7 } from "uuidv7";
import { type Car, type Person, type Stage, spread } from "./stage.ts";

/** One request. `about`: the values by which one request of an operation differs from another in its SQL. */
export type Call = {
  method: string;
  path: string;
  token?: string | undefined;
  json?: unknown;
  headers?: Record<string, string>;
  about?: string[];
  /** The car whose coordinator is called. */
  car?: string;
};

/** An operation under measurement. */
export type Operation = {
  name: string;
  /** What it is held against: L1, the bare route; L2, the bare SQL. */
  against: "L1" | "L2" | "nothing";
  /** Each call can be made only once. */
  once?: boolean;
  /** The coordinator has loaded the car. */
  isWarm?: boolean;
  /** L2 takes the answer's bytes out of the bucket. */
  photo?: boolean;
  /** At least `count` calls, where each can be made only once; else as many as there are. */
  calls(stage: Stage, count: number): Promise<Call[]>;
};

const ZONE = "Europe/Berlin";
/** Different requests of a kind, if there are as many: the Worker keeps the last 1,000 answers. */
const DIFFERENT = 6000;

/** As large as a photo is after it was scaled down. */
const PHOTO_BYTES = 100_000;

const get = (path: string, more: Partial<Call> = {}): Call => ({ method: "GET", path, ...more });
const different = (call: (index: number) => Call) => async () =>
  Array.from({ length: DIFFERENT }, (_, i) => call(i));
const same = (call: (stage: Stage) => Call) => async (stage: Stage) => [call(stage)];
const ofCars = (call: (car: Car, index: number) => Call) => async (stage: Stage) =>
  stage.stock.filter((_, i) => i % Math.ceil(stage.stock.length / DIFFERENT) === 0).map(call);

/** Cars with names of makes that stock has many of. */
const MAKES = ["bmw", "toyota", "volkswagen", "audi", "ford", "fiat"];
const ORDERS = ["year", "-mileage", "price", "-price", "base_price", "-created_at", "mileage"];
const WORDS = ["matrix", "panorama", "heated", "golf", "wagon", "sport", "premium", "911"];

/** How many slots of a stage are booked. */
const slotsUsed = new WeakMap<Stage, number>();

const slotsOf = (car: string, index: number): Call =>
  get(`/api/cars/${car}/available-slots/?date=${dayAhead(2 + (index % 30))}`);

export const OPERATIONS: Operation[] = [
  { name: "list, repeated", against: "L1", calls: same(() => get("/api/cars/")) },
  { name: "facets, repeated", against: "L1", calls: same(() => get("/api/cars/facets/")) },
  { name: "detail, repeated", against: "L1", calls: same(({ stock }) => get(`/api/cars/${stock[0]?.id}/`)) },
  {
    name: "detail, unchanged (304)",
    against: "L1",
    calls: same(({ stock }) => get(`/api/cars/${stock[0]?.id}/`, { headers: { "If-None-Match": '"1"' } })),
  },
  {
    name: "list",
    against: "L2",
    // As people leaf through it: the first twenty pages of each ordering, of different sizes.
    calls: different((i) =>
      get(
        `/api/cars/?ordering=${ORDERS[i % 7]}&page=${1 + (i % 20)}&page_size=${13 + (Math.floor(i / 140) % 15)}`,
      ),
    ),
  },
  {
    name: "list, filtered",
    against: "L2",
    calls: different((i) => get(`/api/cars/?make=${MAKES[i % 6]}&max_price=${40_000 + i}&ordering=price`)),
  },
  {
    name: "list, searched",
    against: "L2",
    calls: different((i) => get(`/api/cars/?search=${WORDS[i % 8]}&max_price=${40_000 + i}`)),
  },
  {
    name: "list, deep page",
    against: "L2",
    calls: different((i) => get(`/api/cars/?ordering=price&page_size=5&page=${1_900 - (i % 1_800)}`)),
  },
  { name: "detail", against: "L2", calls: ofCars(({ id }) => get(`/api/cars/${id}/`)) },
  {
    name: "facets",
    against: "L2",
    calls: different((i) => get(`/api/cars/facets/?make=${MAKES[i % 6]}&max_price=${30_000 + i}`)),
  },
  {
    name: "slots, repeated",
    against: "L1",
    calls: same(({ popular }) => slotsOf(popular[0]?.id ?? "", 0)),
  },
  {
    name: "slots of popular cars",
    against: "L2",
    calls: async ({ popular }) =>
      Array.from({ length: DIFFERENT }, (_, i) => slotsOf(popular[i % popular.length]?.id ?? "", i)),
  },
  { name: "slots, cold", against: "L2", calls: ofCars(({ id }, i) => slotsOf(id, i)) },
  {
    name: "my bookings",
    against: "L2",
    calls: async ({ customers }) => customers.map(({ token }) => get("/api/bookings/me/", { token })),
  },
  {
    name: "book",
    against: "L2",
    once: true,
    isWarm: true,
    async calls(stage, count) {
      const from = slotsUsed.get(stage) ?? 0;
      slotsUsed.set(stage, from + count);
      return spread(stage.popular, stage.customers, from + count, 40, ZONE)
        .slice(from)
        .map(({ carId, customerId, startAt, endAt }) => ({
          method: "POST",
          path: "/api/bookings/",
          token: tokenOf(stage.customers, customerId),
          json: { car: carId, start_at: new Date(startAt).toISOString() },
          car: carId,
          about: [carId, customerId, String(startAt), String(endAt)],
        }));
    },
  },
  {
    name: "approve",
    against: "L2",
    once: true,
    async calls(stage, count) {
      const stock = furtherCars(stage, count);
      const now = Date.now();
      const pending = spread(stock, stage.customers, count, 3, ZONE).map((drive) => ({
        ...drive,
        id: uuidv7(),
        status: "PENDING" as const,
        notes: "",
        createdAt: now,
        updatedAt: now,
      }));
      await stage.add({ cars: stock, bookings: pending });
      return pending.map(({ id, carId, customerId }) => ({
        method: "PATCH",
        path: `/api/bookings/${id}/approve/`,
        token: stage.seller.token,
        car: carId,
        about: [carId, customerId, id],
      }));
    },
  },
  {
    name: "sell",
    against: "L2",
    once: true,
    async calls(stage, count) {
      const stock = furtherCars(stage, count);
      await stage.add({ cars: stock });
      return stock.map(({ id: car }, index) => {
        const customer = stage.customers[index % stage.customers.length]?.id ?? "";
        return {
          method: "POST",
          path: "/api/sales/",
          token: stage.seller.token,
          json: { car, customer, sale_price: "19990.00", payment_method: "CASH" },
          car,
          about: [car, customer],
        };
      });
    },
  },
  {
    name: "photo",
    against: "L2",
    photo: true,
    async calls({ bucket, photoKey }) {
      await bucket.put(photoKey, new Uint8Array(PHOTO_BYTES).fill(7));
      return [get(`/photos/${photoKey}`)];
    },
  },
  {
    name: "login",
    against: "nothing",
    calls: async ({ customers, password }) =>
      customers.map(({ username }) => ({
        method: "POST",
        path: "/api/auth/login/",
        json: { username, password },
      })),
  },
];

/** A thousand bookings of one car for the slots of one day. */
export function hotCar(stage: Stage): Call[] {
  const car = stage.stock.at(-1);
  if (!car) throw new Error("there is no stock");
  const slots = spread([car], stage.customers, 8, 20, ZONE);
  return Array.from({ length: 1000 }, (_, index) => ({
    method: "POST",
    path: "/api/bookings/",
    token: stage.customers[index % stage.customers.length]?.token,
    json: { car: car.id, start_at: new Date(slots[index % 8]?.startAt ?? 0).toISOString() },
  }));
}

const dayAhead = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

const tokenOf = (people: readonly Person[], id: string): string | undefined =>
  people.find((person) => person.id === id)?.token;

let made = 0;

/** Cars like those in stock, and not there yet. */
function furtherCars(stage: Stage, count: number): Car[] {
  return Array.from({ length: count }, (_, index) => {
    const like = stage.stock[index % stage.stock.length];
    if (!like) throw new Error("there is no stock");
    made += 1;
    return { ...like, id: uuidv7(), vin: `FURTHER-${made}` };
  });
}
