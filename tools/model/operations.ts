/** The operations of the model: what is sent to the metered Worker, and what the model cannot count. */
import { FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { defaultSchedule, slotsOn } from "../../src/showrooms/schedule.ts";
import type { Stage } from "../bench/stage.ts";
import { drawPhoto } from "../demo/demo-photos.ts";

/** One request. */
export type Sent = { method: string; path: string; token?: string; json?: unknown; body?: FormData };

/** Sends a request that prepares another, and returns the body of its answer. */
export type Prepare = (
  sent: Sent,
) => Promise<{ id?: string; refresh?: string; photos?: Array<{ url: string }> }>;

/**
 * An operation of the model. `isCached`: an answer may come from a cache. `hashes`: passwords that are hashed.
 * `isExempt`: no limit of milliseconds. `make` prepares what is needed, which does not count.
 */
export type Modelled = {
  name: string;
  isCached?: boolean;
  hashes?: number;
  isExempt?: boolean;
  make: (stage: Stage, prepare: Prepare) => Promise<Sent> | Sent;
};

const SCHEDULE = defaultSchedule(FIRST_SHOWROOM, "Europe/Berlin", 365);
let days = 60;

/** The start of a slot that nothing else here uses. */
function freeStart(): string {
  const [slot] = slotsOn(SCHEDULE, addDays(localDate(Date.now(), SCHEDULE.timeZone), ++days));
  if (!slot) throw new Error("the showroom is closed on that day");
  return new Date(slot.startAt).toISOString();
}

let cars = 0;
let people = 0;

/** A car that nobody has asked for. */
export function freshCar({ stock }: Stage): string {
  const car = stock[++cars];
  if (!car) throw new Error("the stock is too small");
  return car.id;
}

/** A customer who has done nothing yet: limits count by customer. */
function freshCustomer({ customers }: Stage) {
  const customer = customers[++people];
  if (!customer) throw new Error("there are too few customers");
  return customer;
}

const get = (path: string, token?: string): Sent => ({ method: "GET", path, ...(token ? { token } : {}) });

/** A booking of a car, by a customer who has none. */
export const bookingOf = (stage: Stage, car: string, token = freshCustomer(stage).token): Sent => ({
  method: "POST",
  path: "/api/bookings/",
  token,
  json: { car, start_at: freeStart() },
});

/** A car whose coordinator has loaded it. */
async function warmCar(stage: Stage, prepare: Prepare): Promise<string> {
  const car = freshCar(stage);
  await prepare(bookingOf(stage, car));
  return car;
}

/** A pending booking, and its customer's token. */
async function booked(stage: Stage, prepare: Prepare) {
  const { token } = freshCustomer(stage);
  const { id = "" } = await prepare(bookingOf(stage, freshCar(stage), token));
  return { id, token };
}

const decide =
  (verb: string, as: "staff" | "customer", json?: () => unknown): Modelled["make"] =>
  async (stage, prepare) => {
    const { id, token } = await booked(stage, prepare);
    return {
      method: "PATCH",
      path: `/api/bookings/${id}/${verb}/`,
      token: as === "staff" ? stage.seller.token : token,
      ...(json ? { json: json() } : {}),
    };
  };

const saleOf = (stage: Stage, car: string): Sent => ({
  method: "POST",
  path: "/api/sales/",
  token: stage.seller.token,
  json: { car, customer: freshCustomer(stage).id, sale_price: "19990.00", payment_method: "CASH" },
});

function uploadTo(stage: Stage, car: string): Sent {
  const body = new FormData();
  body.set("file", new File([drawPhoto("SEDAN", "Blue", false).display], "photo.png"));
  return { method: "POST", path: `/api/cars/${car}/photos/`, token: stage.seller.token, body };
}

const login = ({ username }: { username: string }, password: string): Sent => ({
  method: "POST",
  path: "/api/auth/login/",
  json: { username, password },
});

const tomorrow = (): string => addDays(localDate(Date.now(), SCHEDULE.timeZone), 1);

/** The operations, in the order of the tables. */
export const MODELLED: Modelled[] = [
  { name: "list of cars, first page", isCached: true, make: () => get("/api/cars/") },
  { name: "list, filtered", isCached: true, make: () => get("/api/cars/?make=bmw&max_price=30000") },
  { name: "list, searched", isCached: true, make: () => get("/api/cars/?search=matrix") },
  { name: "facets", isCached: true, make: () => get("/api/cars/facets/") },
  { name: "facets, filtered", isCached: true, make: () => get("/api/cars/facets/?make=bmw") },
  { name: "one car", isCached: true, make: (stage) => get(`/api/cars/${freshCar(stage)}/`) },
  {
    name: "free slots of a day",
    isCached: true,
    make: (stage) => get(`/api/cars/${freshCar(stage)}/available-slots/?date=${tomorrow()}`),
  },
  {
    name: "file of a photo",
    isCached: true,
    async make(stage, prepare) {
      const car = freshCar(stage);
      await prepare(uploadTo(stage, car));
      const { photos = [] } = await prepare(get(`/api/cars/${car}/`));
      return get(new URL(photos.at(-1)?.url ?? "").pathname);
    },
  },
  { name: "list of cars, for staff", make: ({ seller }) => get("/api/cars/", seller.token) },

  {
    name: "log in",
    hashes: 1,
    isExempt: true,
    make: (stage) => login(freshCustomer(stage), stage.password),
  },
  {
    name: "refresh the tokens",
    async make(stage, prepare) {
      const { refresh } = await prepare(login(freshCustomer(stage), stage.password));
      return { method: "POST", path: "/api/auth/refresh/", json: { refresh } };
    },
  },
  { name: "the current user", make: (stage) => get("/api/auth/me/", freshCustomer(stage).token) },

  {
    name: "book (the coordinator has loaded the car)",
    make: async (stage, prepare) => bookingOf(stage, await warmCar(stage, prepare)),
  },
  {
    name: "book (nobody booked the car lately)",
    async make(stage, prepare) {
      const car = freshCar(stage);
      await prepare(get(`/api/cars/${car}/available-slots/?date=${tomorrow()}`));
      return bookingOf(stage, car);
    },
  },
  { name: "my bookings", make: ({ customers }) => get("/api/bookings/me/", customers[0]?.token) },
  { name: "bookings of a day", make: ({ seller }) => get(`/api/bookings/?date=${tomorrow()}`, seller.token) },
  { name: "approve", make: decide("approve", "staff") },
  { name: "decline", make: decide("decline", "staff", () => ({ reason: "Sold yesterday" })) },
  { name: "cancel, by the customer", make: decide("cancel", "customer", () => ({})) },
  {
    name: "move, by the customer",
    make: decide("reschedule", "customer", () => ({ start_at: freeStart() })),
  },

  { name: "sell", make: async (stage, prepare) => saleOf(stage, await warmCar(stage, prepare)) },
  {
    name: "void a sale",
    async make(stage, prepare) {
      const { id } = await prepare(saleOf(stage, freshCar(stage)));
      const json = { reason: "Returned" };
      return { method: "POST", path: `/api/sales/${id}/void/`, token: stage.admin.token, json };
    },
  },
  { name: "list of sales", make: ({ seller }) => get("/api/sales/", seller.token) },

  {
    name: "change a car's mileage",
    make: (stage) => ({
      method: "PATCH",
      path: `/api/cars/${freshCar(stage)}/`,
      token: stage.seller.token,
      json: { mileage: 12_345 },
    }),
  },
  {
    name: "reserve a car",
    make: async (stage, prepare) => ({
      method: "PATCH",
      path: `/api/cars/${await warmCar(stage, prepare)}/`,
      token: stage.seller.token,
      json: { status: "RESERVED" },
    }),
  },
  {
    name: "remove a car",
    make: async (stage, prepare) => ({
      method: "DELETE",
      path: `/api/cars/${await warmCar(stage, prepare)}/`,
      token: stage.seller.token,
    }),
  },
  {
    name: "upload a photo (without the time of its bytes)",
    isExempt: true,
    make: (stage) => uploadTo(stage, freshCar(stage)),
  },

  { name: "list of staff", make: ({ admin }) => get("/api/staff/", admin.token) },
  {
    name: "metrics of a staff member",
    make: ({ admin, seller }) => get(`/api/staff/${seller.id}/metrics/`, admin.token),
  },
  { name: "list of notifications", make: ({ admin }) => get("/api/notifications/", admin.token) },
];
