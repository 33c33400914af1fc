/**
 * What each operation may cost: round trips to D1, rows that its queries read and write, calls of the car's coordinator.
 * Counted, not timed, so there is no noise: a change that goes over is a change of the price, and says so here.
 */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { startSession } from "../../src/auth/sessions.ts";
import { openDatabase } from "../../src/db/client.ts";
import { carPhotos, cars, FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { type Cost, costOf, readAccount } from "../../tools/bench/metering.ts";
import { insertAll } from "../../tools/database/bulk.ts";
import { demoCars } from "../../tools/demo/demo-data.ts";
import { png } from "../support/images.ts";
import { booking, call, car, iso, person, slot, ZONE } from "../support/world.ts";

/** The stock; the budgets are the same for each. */
const STOCKS = [1_000, 20_000];
const BOOKINGS_OF_ONE = 20;
const PASSWORD = "drive-safely-2026";

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

let showroomOfTen: Promise<string> | undefined;
/** A showroom that assigns one of its ten salespeople, who work every day. */
const attended = (): Promise<string> => {
  showroomOfTen ??= makeAttended();
  return showroomOfTen;
};

async function makeAttended(): Promise<string> {
  const { token } = await person("ADMIN");
  const json = {
    name: "Automatic",
    code: crypto.randomUUID(),
    time_zone: "Europe/Berlin",
    policy: { assignment: "AUTOMATIC" },
  };
  const { id } = await (await call("POST", "/api/showrooms/", { token, json })).json<{ id: string }>();
  const shifts = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map((weekday) => ({
    showroom: id,
    weekday,
    from: "09:00",
    to: "17:00",
  }));
  for (let n = 0; n < 10; n += 1) {
    const path = `/api/staff/${(await person("SALES")).id}/shifts/`;
    expect((await call("PUT", path, { token, json: { shifts } })).status).toBe(200);
  }
  return id;
}

/** A car whose coordinator has loaded it. */
async function warmCar(more: Parameters<typeof car>[0] = {}): Promise<string> {
  const id = await car(more);
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

const sell = async (carId: string): Promise<Request> =>
  asSeller("POST", "/api/sales/", {
    car: carId,
    customer: (await person()).id,
    sale_price: "19990.00",
    payment_method: "CASH",
  });

let carsMade = 0;
const newCar = () => ({
  vin: `BUDGET-${++carsMade}`,
  make: "Audi",
  model: "A4",
  year: 2022,
  mileage: 1,
  fuel_type: "PETROL",
  transmission: "MANUAL",
  color: "Grey",
  body_type: "WAGON",
  base_price: "20000.00",
  // Others of these tests add showrooms.
  showroom: FIRST_SHOWROOM,
});

const upload = async (carId: string): Promise<Request> => {
  const { token } = await person("SALES");
  const body = new FormData();
  body.set("file", new File([await png()], "photo.png", { type: "image/png" }));
  return ["POST", `/api/cars/${carId}/photos/`, { token, body }];
};

async function carWithPhoto(): Promise<{ carId: string; photoId: string }> {
  const carId = await car();
  const made = await call(...(await upload(carId)));
  return { carId, photoId: (await made.json<{ id: string }>()).id };
}

/** The tokens of a new session. */
async function started() {
  const { id, role } = await person();
  const db = openDatabase(env.DB, "first-primary");
  const pair = await startSession(db, { id, role }, { verifiedHash: "none" }, env.JWT_SECRET, Date.now());
  if (!pair) throw new Error("no session began");
  return pair;
}

const refreshOf = (refresh: string): Request => ["POST", "/api/auth/refresh/", { json: { refresh } }];

const asAdmin = async (method: string, path: string, json?: unknown): Promise<Request> => {
  const { token } = await person("ADMIN");
  return [method, path, { token, json }];
};

const newBranch = () => ({ name: "Branch", code: crypto.randomUUID(), time_zone: ZONE });

/** A showroom with cars, each of which has a coming booking; returns its id. */
async function branch(stock = 0): Promise<string> {
  const created = await call(...(await asAdmin("POST", "/api/showrooms/", newBranch())));
  const { id } = await created.json<{ id: string }>();
  const { id: customerId } = await person();
  for (let n = 0; n < stock; n += 1) {
    const carId = await car({ showroomId: id });
    await booking({ carId, customerId, showroomId: id, startAt: slot(3 + n), status: "APPROVED" });
  }
  return id;
}

const carsOf = (showroom: string): Request => ["GET", `/api/cars/?showroom=${showroom}`];
const CLOSED = { from: DAY, to: DAY, windows: [] };

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
  { name: "the cars of a showroom", most: [1, 130, 0, 0], request: async () => carsOf(await branch(20)) },
  { name: "the showrooms", most: [1, 40, 0, 0], request: async () => ["GET", "/api/showrooms/"] },
  {
    name: "one showroom",
    most: [1, 2, 0, 0],
    request: async () => ["GET", `/api/showrooms/${await branch()}/`],
  },
  {
    name: "the special hours of a showroom",
    most: [1, 3, 0, 0],
    request: async () => ["GET", `/api/showrooms/${await branch()}/special-hours/`],
  },
  {
    name: "a new showroom",
    most: [1, 2, 3, 0],
    request: async () => asAdmin("POST", "/api/showrooms/", newBranch()),
  },
  {
    name: "a change of a showroom's address",
    most: [2, 9, 2, 0],
    request: async () => asAdmin("PATCH", `/api/showrooms/${await branch()}/`, { city: "Berlin" }),
  },
  {
    // Every coming booking is read, of whichever showroom.
    name: "special hours",
    most: [2, 500, 4, 0],
    request: async () => asAdmin("POST", `/api/showrooms/${await branch()}/special-hours/`, CLOSED),
  },
  {
    name: "special hours that cancel one booking",
    most: [3, 1000, 11, 0],
    request: async () =>
      asAdmin("POST", `/api/showrooms/${await branch(1)}/special-hours/?cancel_outside=true`, CLOSED),
  },
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
  { name: "the free slots of a car", most: [1, 8, 0, 0], request: async () => slotsOf(await car()) },
  {
    name: "the free slots of a car with bookings",
    most: [1, 10, 0, 0],
    async request() {
      const { carId } = await pending();
      await call(...(await book(carId)));
      return slotsOf(carId);
    },
  },
  {
    name: "the free slots of a car, for staff",
    most: [1, 10, 0, 0],
    request: async () => asSeller("GET", slotsOf(await car())[1]),
  },
  {
    name: "the free slots of a car where ten salespeople work",
    most: [1, 150, 0, 0],
    request: async () => slotsOf(await car({ showroomId: await attended() })),
  },
  {
    name: "a booking where one of ten salespeople gets it",
    most: [1, 145, 18, 1],
    request: async () => book(await warmCar({ showroomId: await attended() })),
  },
  {
    name: "an assignment by hand",
    most: [2, 35, 7, 1],
    async request() {
      const { carId, bookingId } = await pending();
      await warm(carId);
      return asSeller("PATCH", `/api/bookings/${bookingId}/assign/`, {
        salesperson: (await person("SALES")).id,
      });
    },
  },
  {
    name: "my bookings",
    most: [1, 32, 0, 0],
    async request() {
      const customer = await person();
      for (let n = 0; n < BOOKINGS_OF_ONE; n += 1)
        await booking({
          carId: await car(),
          customerId: customer.id,
          startAt: slot(2 + Math.floor(n / 8), n % 8),
          status: "PENDING",
        });
      return ["GET", "/api/bookings/me/?page_size=10", { token: customer.token }];
    },
  },
  {
    name: "one booking",
    most: [1, 3, 0, 0],
    request: async () => asSeller("GET", `/api/bookings/${(await pending()).bookingId}/`),
  },
  // The cap reads the customer, because it is lower without a verified address.
  { name: "a booking", most: [1, 28, 15, 1], request: async () => book(await warmCar()) },
  {
    name: "a booking of a car that nobody booked lately",
    most: [2, 36, 17, 1],
    request: async () => book(await knownCar()),
  },
  {
    name: "a booking of a car that this isolate has not met",
    most: [3, 43, 17, 1],
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
    most: [1, 28, 18, 1],
    request: async () => book(await warmCar(), { "Idempotency-Key": crypto.randomUUID() }),
  },
  {
    name: "a booking of a time that is taken",
    // One to prove that the coordinator's memory is up to date, one for the alternatives, which verifies the caller.
    most: [2, 15, 0, 1],
    status: 409,
    async request() {
      const carId = await warmCar();
      await call(...(await book(carId)));
      return book(carId);
    },
  },
  {
    name: "an approval",
    most: [2, 21, 5, 1],
    async request() {
      const { carId, bookingId } = await pending();
      await warm(carId);
      return asSeller("PATCH", `/api/bookings/${bookingId}/approve/`);
    },
  },
  {
    name: "an approval when nobody booked the car lately",
    most: [3, 31, 7, 1],
    async request() {
      const { bookingId } = await pending();
      return asSeller("PATCH", `/api/bookings/${bookingId}/approve/`);
    },
  },
  ...["decline", "cancel"].map(
    (verb): Budget => ({
      name: `a ${verb} by staff`,
      most: [2, 28, 7, 1],
      async request() {
        const { carId, bookingId } = await pending();
        await warm(carId);
        return asSeller("PATCH", `/api/bookings/${bookingId}/${verb}/`, {});
      },
    }),
  ),
  ...["complete", "no-show"].map(
    (verb): Budget => ({
      name: `a ${verb}`,
      most: [2, 22, 4, 1],
      async request() {
        const [carId, customer] = [await car(), await person()];
        const startAt = Date.now() - 1800_000;
        const bookingId = await booking({ carId, customerId: customer.id, startAt, status: "APPROVED" });
        await warm(carId);
        return asSeller("PATCH", `/api/bookings/${bookingId}/${verb}/`);
      },
    }),
  ),
  {
    name: "a move to another slot",
    most: [2, 46, 16, 1],
    async request() {
      const { carId, bookingId } = await pending();
      await warm(carId);
      return asSeller("PATCH", `/api/bookings/${bookingId}/reschedule/`, { start_at: iso(slot(4)) });
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
    most: [3, 130, 79, 1],
    request: async () => sell((await pending()).carId),
  },
  {
    name: "a sale of a car that somebody booked lately",
    most: [2, 85, 57, 1],
    request: async () => sell(await warmCar()),
  },
  {
    name: "a void sale",
    most: [2, 75, 46, 1],
    async request() {
      const sold = await call(...(await sell(await warmCar())));
      const { id } = await sold.json<{ id: string }>();
      const { token } = await person("ADMIN");
      return ["POST", `/api/sales/${id}/void/`, { token, json: { reason: "Returned" } }];
    },
  },

  { name: "a new car", most: [1, 40, 44, 0], request: async () => asSeller("POST", "/api/cars/", newCar()) },
  {
    name: "a change of a mileage",
    most: [1, 24, 15, 0],
    request: async () => asSeller("PATCH", `/api/cars/${await car()}/`, { mileage: 12_345 }),
  },
  {
    name: "a replacement of a car",
    most: [1, 45, 40, 0],
    request: async () => asSeller("PUT", `/api/cars/${await car()}/`, newCar()),
  },
  {
    name: "a reservation",
    most: [2, 75, 52, 1],
    request: async () => asSeller("PATCH", `/api/cars/${await warmCar()}/`, { status: "RESERVED" }),
  },
  {
    name: "a removal from the stock",
    most: [2, 75, 53, 1],
    request: async () => asSeller("DELETE", `/api/cars/${await warmCar()}/`),
  },
  { name: "a new photo", most: [2, 30, 20, 0], request: async () => upload(await car()) },
  {
    name: "a new order of photos",
    most: [2, 14, 3, 0],
    async request() {
      const { carId, photoId } = await carWithPhoto();
      return asSeller("PUT", `/api/cars/${carId}/photos/order/`, { photos: [photoId] });
    },
  },
  {
    name: "a change of a photo",
    most: [2, 16, 4, 0],
    async request() {
      const { carId, photoId } = await carWithPhoto();
      return asSeller("PATCH", `/api/cars/${carId}/photos/${photoId}/`, { alt_text: "From the left" });
    },
  },
  {
    name: "a deletion of a photo",
    most: [2, 22, 12, 0],
    async request() {
      const { carId, photoId } = await carWithPhoto();
      return asSeller("DELETE", `/api/cars/${carId}/photos/${photoId}/`);
    },
  },

  {
    name: "a login",
    most: [2, 15, 8, 0],
    async request() {
      const { username } = await person("CUSTOMER", { passwordHash: await hashPassword(PASSWORD) });
      return ["POST", "/api/auth/login/", { json: { username, password: PASSWORD } }];
    },
  },
  { name: "a refresh", most: [1, 22, 7, 0], request: async () => refreshOf((await started()).refresh) },
  {
    name: "a refresh that is repeated at once",
    most: [1, 19, 0, 0],
    async request() {
      const { refresh } = await started();
      await call(...refreshOf(refresh));
      return refreshOf(refresh);
    },
  },
  {
    name: "a refresh with a token that nobody has",
    most: [1, 5, 0, 0],
    status: 401,
    request: async () => refreshOf("x".repeat(43)),
  },
  {
    name: "a logout",
    most: [1, 3, 1, 0],
    request: async () => ["POST", "/api/auth/logout/", { json: { refresh: (await started()).refresh } }],
  },
  { name: "the current user", most: [1, 4, 0, 0], request: async () => asSeller("GET", "/api/auth/me/") },

  { name: "the staff", most: [1, 440, 0, 0], request: async () => asAdmin("GET", "/api/staff/") },
  {
    name: "one staff member",
    most: [1, 5, 0, 0],
    request: async () => asAdmin("GET", `/api/staff/${(await person("SALES")).id}/`),
  },
  {
    name: "the metrics of a staff member",
    most: [1, 13, 0, 0],
    request: async () => asAdmin("GET", `/api/staff/${(await person("SALES")).id}/metrics/?from=2026-01-01`),
  },
  {
    name: "a change of a staff member",
    most: [2, 12, 2, 0],
    async request() {
      const { id } = await person("SALES");
      const { token } = await person("ADMIN");
      return ["PATCH", `/api/staff/${id}/`, { token, json: { salary: "1.00" } }];
    },
  },
  {
    name: "a calendar feed with 20 drives",
    most: [1, 130, 0, 0],
    async request() {
      const sam = await person("SALES");
      for (let n = 0; n < 20; n += 1)
        await booking({
          carId: await car(),
          customerId: (await person()).id,
          startAt: slot(3 + n),
          salespersonId: sam.id,
          assignedBy: "STAFF",
        });
      const feed = await call("POST", `/api/staff/${sam.id}/calendar/`, { token: sam.token });
      return ["GET", (await feed.json<{ url: string }>()).url];
    },
  },
  {
    name: "the sales of a salesperson",
    most: [1, 3, 0, 0],
    request: async () => asSeller("GET", "/api/sales/"),
  },
  {
    name: "one sale",
    most: [1, 6, 0, 0],
    async request() {
      const sold = await call(...(await sell(await car())));
      return asAdmin("GET", `/api/sales/${(await sold.json<{ id: string }>()).id}/`);
    },
  },
  {
    name: "the notifications of a booking",
    most: [1, 14, 0, 0],
    async request() {
      const booked = await call(...(await book(await car())));
      const { id } = await booked.json<{ id: string }>();
      return asAdmin("GET", `/api/notifications/?booking=${id}`);
    },
  },
  {
    name: "one user",
    most: [1, 4, 0, 0],
    request: async () => asAdmin("GET", `/api/users/${(await person()).id}/`),
  },
  {
    name: "a deactivation of a user",
    most: [1, 23, 7, 0],
    async request() {
      const { token } = await person("ADMIN");
      return ["PATCH", `/api/users/${(await person()).id}/`, { token, json: { is_active: false } }];
    },
  },
];

/** Everything counted since it was last asked, once background work has ended. */
const account = () => readAccount(() => call("GET", "/account"));

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
