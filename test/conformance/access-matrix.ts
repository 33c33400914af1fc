/** Who may do what, as data: every operation, each kind of caller, and what they are answered. */
import { signAccessToken } from "../../src/auth/tokens.ts";
import { FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { ROLES, type Role } from "../../src/shared/enums.ts";
import { PASSWORD, SECRET, type Server } from "../../tools/server/server.ts";
import { png } from "../support/images.ts";

/** The kinds of caller, in the order of the statuses below. */
export const CALLERS = [
  "anonymous",
  "customer",
  "other customer",
  "SALES",
  "other SALES",
  "ADMIN",
  "deactivated staff",
  "expired token",
  "deleted user",
] as const;
export type Caller = (typeof CALLERS)[number];

type Asked = { path: string; json?: unknown; form?: FormData };

/** The things an operation is tried on, created for each try. What belongs to somebody belongs to `customer` or `SALES`. */
interface Things {
  caller: Caller;
  car(): Promise<string>;
  description(): object;
  photo(): Promise<{ car: string; photo: string }>;
  upload(): Promise<FormData>;
  booking(status?: string, startAt?: number): Promise<string>;
  sale(): Promise<string>;
  specialHours(): Promise<string>;
  absence(): Promise<string>;
  calendarFeed(): Promise<string>;
  failedNotification(): Promise<string>;
  customer(): string;
  slot(): Promise<string>;
  profile(of: "SALES" | "other SALES" | "ADMIN"): string;
  refresh(): Promise<string>;
  name(): string;
}

const showroomPath = `/api/showrooms/${FIRST_SHOWROOM}/`;

/** A drive that began then can be completed. */
const YESTERDAY = Date.now() - 86_400_000;
/** No slot that is booked is as far away. */
const IN_A_MONTH = Date.now() + 31 * 86_400_000;
const HOUR_MS = 3_600_000;

type Row = [ask: (things: Things) => Promise<Asked> | Asked, statuses: string];

// The statuses are in the order of CALLERS:
//   anonymous · customer · other customer · SALES · other SALES · ADMIN · deactivated · expired · deleted
export const MATRIX: Record<string, Row> = {
  register: [
    (t) => ({ path: "/api/auth/register/", json: { username: t.name(), password: PASSWORD } }),
    "201 201 201 201 201 201 201 201 201",
  ],
  login: [
    () => ({ path: "/api/auth/login/", json: { username: "customer", password: PASSWORD } }),
    "200 200 200 200 200 200 200 200 200",
  ],
  refresh: [
    async (t) => ({ path: "/api/auth/refresh/", json: { refresh: await t.refresh() } }),
    "200 200 200 200 200 200 200 200 200",
  ],
  logout: [
    async (t) => ({ path: "/api/auth/logout/", json: { refresh: await t.refresh() } }),
    "204 204 204 204 204 204 204 204 204",
  ],
  forgotPassword: [
    () => ({ path: "/api/auth/password/forgot/", json: { email: "customer@example.com" } }),
    "204 204 204 204 204 204 204 204 204",
  ],
  resetPassword: [
    () => ({ path: "/api/auth/password/reset/", json: { token: "made-up", new_password: PASSWORD } }),
    "400 400 400 400 400 400 400 400 400",
  ],
  verifyEmail: [
    () => ({ path: "/api/auth/email/verify/", json: { token: "made-up" } }),
    "400 400 400 400 400 400 400 400 400",
  ],
  resendVerificationEmail: [
    () => ({ path: "/api/auth/email/resend/" }),
    "401 204 204 204 204 204 401 401 401",
  ],
  getMe: [() => ({ path: "/api/auth/me/" }), "401 200 200 200 200 200 401 401 401"],
  updateMe: [() => ({ path: "/api/auth/me/", json: { phone: "1" } }), "401 200 200 200 200 200 401 401 401"],
  changePassword: [
    () => ({
      path: "/api/auth/password/change/",
      json: { current_password: PASSWORD, new_password: PASSWORD },
    }),
    "401 204 204 204 204 204 401 401 401",
  ],

  // A customer sees what anybody sees, so whether the customer still exists is not looked up.
  listCars: [() => ({ path: "/api/cars/" }), "200 200 200 200 200 200 401 401 200"],
  getCar: [async (t) => ({ path: `/api/cars/${await t.car()}/` }), "200 200 200 200 200 200 401 401 200"],
  listAvailableSlots: [
    async (t) => ({ path: `/api/cars/${await t.car()}/available-slots/?date=2030-01-01` }),
    "200 200 200 200 200 200 401 401 200",
  ],

  countCarFacets: [() => ({ path: "/api/cars/facets/" }), "200 200 200 200 200 200 401 401 200"],
  createCar: [(t) => ({ path: "/api/cars/", json: t.description() }), "401 403 403 201 201 201 401 401 401"],
  replaceCar: [
    async (t) => ({ path: `/api/cars/${await t.car()}/`, json: t.description() }),
    "401 403 403 200 200 200 401 401 401",
  ],
  updateCar: [
    async (t) => ({ path: `/api/cars/${await t.car()}/`, json: { mileage: 7 } }),
    "401 403 403 200 200 200 401 401 401",
  ],
  removeCar: [async (t) => ({ path: `/api/cars/${await t.car()}/` }), "401 403 403 204 204 204 401 401 401"],
  addPhoto: [
    async (t) => ({ path: `/api/cars/${await t.car()}/photos/`, form: await t.upload() }),
    "401 403 403 201 201 201 401 401 401",
  ],
  orderPhotos: [
    async (t) => {
      const { car, photo } = await t.photo();
      return { path: `/api/cars/${car}/photos/order/`, json: { photos: [photo] } };
    },
    "401 403 403 200 200 200 401 401 401",
  ],
  updatePhoto: [
    async (t) => {
      const { car, photo } = await t.photo();
      return { path: `/api/cars/${car}/photos/${photo}/`, json: { alt_text: "x" } };
    },
    "401 403 403 200 200 200 401 401 401",
  ],
  removePhoto: [
    async (t) => {
      const { car, photo } = await t.photo();
      return { path: `/api/cars/${car}/photos/${photo}/` };
    },
    "401 403 403 204 204 204 401 401 401",
  ],
  getPhotoFile: [() => ({ path: "/photos/unknown.webp" }), "404 404 404 404 404 404 404 404 404"],

  listShowrooms: [() => ({ path: "/api/showrooms/" }), "200 200 200 200 200 200 401 401 200"],
  getShowroom: [() => ({ path: showroomPath }), "200 200 200 200 200 200 401 401 200"],
  createShowroom: [
    (t) => ({ path: "/api/showrooms/", json: { name: "Branch", code: t.name(), time_zone: "Asia/Tokyo" } }),
    "401 403 403 403 403 201 401 401 401",
  ],
  updateShowroom: [
    () => ({ path: showroomPath, json: { phone: "1" } }),
    "401 403 403 403 403 200 401 401 401",
  ],
  listSpecialHours: [
    () => ({ path: `${showroomPath}special-hours/` }),
    "200 200 200 200 200 200 401 401 200",
  ],
  createSpecialHours: [
    () => ({
      path: `${showroomPath}special-hours/`,
      json: { from: "2100-01-01", to: "2100-01-01", windows: [] },
    }),
    "401 403 403 403 403 201 401 401 401",
  ],
  removeSpecialHours: [
    async (t) => ({ path: `${showroomPath}special-hours/${await t.specialHours()}/` }),
    "401 403 403 403 403 200 401 401 401",
  ],

  createBooking: [
    async (t) => ({
      path: "/api/bookings/",
      json: {
        car: await t.car(),
        start_at: await t.slot(),
        ...(t.caller.includes("customer") ? {} : { customer: t.customer() }),
      },
    }),
    // The token of the other SALES is from when they were a customer, and a customer books in another way.
    "401 201 201 201 403 201 401 401 401",
  ],
  listMyBookings: [() => ({ path: "/api/bookings/me/" }), "401 200 200 403 403 403 401 401 401"],
  getBooking: [
    async (t) => ({ path: `/api/bookings/${await t.booking()}/` }),
    "401 200 404 200 200 200 401 401 401",
  ],
  approveBooking: [
    async (t) => ({ path: `/api/bookings/${await t.booking()}/approve/` }),
    "401 403 403 200 200 200 401 401 401",
  ],
  declineBooking: [
    async (t) => ({ path: `/api/bookings/${await t.booking()}/decline/` }),
    "401 403 403 200 200 200 401 401 401",
  ],
  completeBooking: [
    async (t) => ({ path: `/api/bookings/${await t.booking("APPROVED", YESTERDAY)}/complete/` }),
    "401 403 403 200 200 200 401 401 401",
  ],
  markBookingNoShow: [
    async (t) => ({ path: `/api/bookings/${await t.booking("APPROVED", YESTERDAY)}/no-show/` }),
    "401 403 403 200 200 200 401 401 401",
  ],
  cancelBooking: [
    async (t) => ({ path: `/api/bookings/${await t.booking()}/cancel/` }),
    "401 200 404 200 200 200 401 401 401",
  ],
  listBookings: [() => ({ path: "/api/bookings/" }), "401 403 403 200 200 200 401 401 401"],
  rescheduleBooking: [
    async (t) => ({
      path: `/api/bookings/${await t.booking()}/reschedule/`,
      json: { start_at: await t.slot() },
    }),
    "401 200 404 200 200 200 401 401 401",
  ],

  assignBooking: [
    async (t) => ({
      path: `/api/bookings/${await t.booking()}/assign/`,
      json: { salesperson: t.profile("SALES") },
    }),
    "401 403 403 200 200 200 401 401 401",
  ],

  createSale: [
    async (t) => ({
      path: "/api/sales/",
      json: { car: await t.car(), customer: t.customer(), sale_price: 1, payment_method: "CASH" },
    }),
    "401 403 403 201 201 201 401 401 401",
  ],
  listSales: [() => ({ path: "/api/sales/" }), "401 403 403 200 200 200 401 401 401"],
  getSale: [async (t) => ({ path: `/api/sales/${await t.sale()}/` }), "401 403 403 200 404 200 401 401 401"],
  voidSale: [
    async (t) => ({ path: `/api/sales/${await t.sale()}/void/`, json: { reason: "mistake" } }),
    "401 403 403 403 403 200 401 401 401",
  ],

  listNotifications: [() => ({ path: "/api/notifications/" }), "401 403 403 403 403 200 401 401 401"],
  replayNotification: [
    async (t) => ({ path: `/api/notifications/${await t.failedNotification()}/replay/` }),
    "401 403 403 403 403 200 401 401 401",
  ],

  getOpsStatus: [() => ({ path: "/api/ops/status/" }), "401 403 403 403 403 200 401 401 401"],

  createStaff: [
    (t) => ({
      path: "/api/staff/",
      json: { username: t.name(), password: PASSWORD, salary: 1, commission_rate: 1 },
    }),
    "401 403 403 403 403 201 401 401 401",
  ],
  listStaff: [() => ({ path: "/api/staff/" }), "401 403 403 403 403 200 401 401 401"],
  getStaff: [(t) => ({ path: `/api/staff/${t.profile("SALES")}/` }), "401 403 403 200 404 200 401 401 401"],
  getStaffMetrics: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/metrics/` }),
    "401 403 403 200 404 200 401 401 401",
  ],
  updateStaff: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/`, json: { salary: "2.00" } }),
    "401 403 403 403 403 200 401 401 401",
  ],

  getShifts: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/shifts/` }),
    "401 403 403 200 404 200 401 401 401",
  ],
  putShifts: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/shifts/`, json: { shifts: [], weight: 50 } }),
    "401 403 403 403 403 200 401 401 401",
  ],
  listAbsences: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/absences/` }),
    "401 403 403 200 404 200 401 401 401",
  ],
  createAbsence: [
    (t) => ({
      path: `/api/staff/${t.profile("SALES")}/absences/`,
      json: { from: "2100-01-01T00:00:00Z", to: "2100-01-02T00:00:00Z" },
    }),
    "401 403 403 201 404 201 401 401 401",
  ],
  removeAbsence: [
    async (t) => ({ path: `/api/staff/${t.profile("SALES")}/absences/${await t.absence()}/` }),
    "401 403 403 204 404 204 401 401 401",
  ],

  createCalendarFeed: [
    (t) => ({ path: `/api/staff/${t.profile("SALES")}/calendar/` }),
    "401 403 403 201 404 201 401 401 401",
  ],
  removeCalendarFeed: [
    async (t) => {
      await t.calendarFeed();
      return { path: `/api/staff/${t.profile("SALES")}/calendar/` };
    },
    "401 403 403 204 404 204 401 401 401",
  ],
  // By its secret alone.
  getCalendarFeed: [
    async (t) => ({ path: `/calendars/${await t.calendarFeed()}.ics` }),
    "200 200 200 200 200 200 200 200 200",
  ],

  getFairness: [
    () => ({ path: `/api/reports/fairness/?showroom=${FIRST_SHOWROOM}` }),
    "401 403 403 403 403 200 401 401 401",
  ],

  exportMe: [() => ({ path: "/api/auth/me/export/" }), "401 200 200 200 200 200 401 401 401"],
  getUser: [(t) => ({ path: `/api/users/${t.customer()}/` }), "401 403 403 403 403 200 401 401 401"],
  updateUser: [
    (t) => ({ path: `/api/users/${t.customer()}/`, json: { is_active: true } }),
    "401 403 403 403 403 200 401 401 401",
  ],
  // The last, because it erases its caller.
  eraseMe: [
    () => ({ path: "/api/auth/me/", json: { password: PASSWORD } }),
    "401 204 204 403 403 403 401 401 401",
  ],
};

/** An operation of the OpenAPI document. `roles`: who may call it; undefined for anybody. */
export type Operation = { id: string; method: string; roles: Role[] | undefined };

/** Every operation that the server describes, in the order of the matrix. */
export async function describedOperations(server: Server): Promise<Operation[]> {
  const document = (await server.call("GET", "/openapi.json")).body;
  const place = Object.keys(MATRIX);
  return Object.values<Record<string, { operationId: string; "x-roles"?: Role[] }>>(document.paths)
    .flatMap((path) =>
      Object.entries(path).map(([method, { operationId, "x-roles": roles }]) => ({
        id: operationId,
        method: method.toUpperCase(),
        roles,
      })),
    )
    .sort((one, other) => place.indexOf(one.id) - place.indexOf(other.id));
}

// What the consumer of the queue and the objects of cars write by themselves says nothing about a request.
const WATCHED = [
  "SELECT * FROM users ORDER BY id",
  "SELECT * FROM staff_profiles ORDER BY id",
  "SELECT * FROM sessions ORDER BY id",
  "SELECT * FROM refresh_tokens ORDER BY token_hash",
  "SELECT * FROM cars ORDER BY id",
  "SELECT * FROM car_photos ORDER BY id",
  "SELECT key FROM loose_objects ORDER BY key",
  "SELECT * FROM bookings ORDER BY id",
  "SELECT * FROM showrooms ORDER BY id",
  "SELECT * FROM special_hours ORDER BY id",
  "SELECT * FROM shifts ORDER BY showroom_id, user_id, weekday, from_time",
  "SELECT * FROM absences ORDER BY id",
  "SELECT * FROM calendar_feeds ORDER BY user_id",
  "SELECT * FROM sales ORDER BY id",
  "SELECT * FROM commissions ORDER BY id",
  "SELECT * FROM idempotency_keys ORDER BY id",
];

/** Notifications. The consumer changes them meanwhile, but neither writes one nor touches one that has failed. */
const NOTIFICATIONS =
  "SELECT id, iif(status = 'FAILED', 'FAILED after ' || attempts || ' at ' || next_attempt_at, '') AS failure FROM notifications";

type Snapshot = { facts: string; notifications: Map<string, string> };

const isChanged = (before: Snapshot, after: Snapshot): boolean =>
  before.facts !== after.facts ||
  [...after.notifications.keys()].some((id) => !before.notifications.has(id)) ||
  [...before.notifications].some(([id, failure]) => failure && after.notifications.get(id) !== failure);

/** Makes the callers on a server, and what operations are tried on. */
export async function stageMatrix(server: Server) {
  const tokens = new Map<Caller, string | undefined>([["anonymous", undefined]]);
  /** For each role, the token of a person who has it and whose session has ended. */
  const signedOut = new Map<Role, string>();
  const ids = new Map<string, string>();
  const profiles = new Map<string, string>();
  let made = 0;

  const sessionOf = async (userId: string): Promise<string> => {
    const query = server.db.prepare("SELECT id FROM sessions WHERE user_id = ?").bind(userId);
    return (await query.first<string>("id")) ?? "";
  };

  const signUp = async (caller: Caller, role: "CUSTOMER" | "SALES" | "ADMIN") => {
    const username = caller.replaceAll(" ", "-");
    const { access, user } = await server.customer(username);
    ids.set(caller, user.id);
    tokens.set(caller, access);
    if (role === "CUSTOMER") return;
    const profile = crypto.randomUUID();
    profiles.set(caller, profile);
    await server.db.batch([
      server.db.prepare("UPDATE users SET role = ? WHERE id = ?").bind(role, user.id),
      server.db
        .prepare(
          "INSERT INTO staff_profiles (id, user_id, salary_cents, commission_rate, hire_date, created_at, updated_at) VALUES (?, ?, 100, 250, '2020-01-01', 0, 0)",
        )
        .bind(profile, user.id),
    ]);
    // The token of the other one says CUSTOMER: it is older than the role.
    if (caller === "other SALES") return;
    const claims = { userId: user.id, role, sessionId: await sessionOf(user.id) };
    tokens.set(caller, await signAccessToken(claims, SECRET, Date.now()));
  };
  await signUp("customer", "CUSTOMER");
  await signUp("other customer", "CUSTOMER");
  await signUp("SALES", "SALES");
  await signUp("other SALES", "SALES");
  await signUp("ADMIN", "ADMIN");
  await signUp("deactivated staff", "SALES");
  await server.db
    .prepare("UPDATE users SET is_active = 0 WHERE id = ?")
    .bind(ids.get("deactivated staff"))
    .run();
  const customer = ids.get("customer") ?? "";
  const claims = { userId: customer, role: "CUSTOMER", sessionId: await sessionOf(customer) } as const;
  tokens.set("expired token", await signAccessToken(claims, SECRET, Date.now() - 3_600_000));
  await signUp("deleted user", "CUSTOMER");
  const deleted = ids.get("deleted user");
  await server.db.batch(
    [
      "DELETE FROM refresh_tokens WHERE session_id IN (SELECT id FROM sessions WHERE user_id = ?)",
      "DELETE FROM sessions WHERE user_id = ?",
      "DELETE FROM notifications WHERE user_id = ?",
      "DELETE FROM email_verifications WHERE user_id = ?",
      "DELETE FROM users WHERE id = ?",
    ].map((sql) => server.db.prepare(sql).bind(deleted)),
  );

  for (const role of ROLES) {
    const userId = ids.get(role === "CUSTOMER" ? "customer" : role) ?? "";
    const sessionId = crypto.randomUUID();
    await server.db
      .prepare("INSERT INTO sessions (id, user_id, created_at, expires_at, ended_at) VALUES (?, ?, 0, ?, 1)")
      .bind(sessionId, userId, Date.now() + 86_400_000)
      .run();
    signedOut.set(role, await signAccessToken({ userId, role, sessionId }, SECRET, Date.now()));
  }

  const things = (caller: Caller): Things => ({
    caller,
    car: () => server.car(`MATRIX${++made}`),
    description: () => ({
      vin: `NEW${++made}`,
      make: "Fiat",
      model: "500",
      year: 2024,
      fuel_type: "HYBRID",
      transmission: "MANUAL",
      body_type: "HATCHBACK",
      base_price: "19000.00",
    }),
    async photo() {
      const [car, photo] = [await this.car(), crypto.randomUUID()];
      await server.db
        .prepare(
          "INSERT INTO car_photos (id, car_id, key, thumbnail_key, content_type, width, height, sort_order, is_primary, created_at) VALUES (?1, ?2, ?1 || '.webp', ?1 || '-t.webp', 'image/webp', 1, 1, 0, 1, 0)",
        )
        .bind(photo, car)
        .run();
      return { car, photo };
    },
    async upload() {
      const form = new FormData();
      form.set("file", new File([await png(4, 3)], "car.png"));
      return form;
    },
    // Each at its own time: a customer drives one car at a time.
    async booking(status = "PENDING", day = IN_A_MONTH) {
      const start = day + 2 * ++made * HOUR_MS * Math.sign(day - Date.now());
      const id = crypto.randomUUID();
      await server.db
        .prepare(
          "INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
        )
        .bind(id, await this.car(), ids.get("customer"), start, start + 3_600_000, status)
        .run();
      return id;
    },
    async sale() {
      const id = crypto.randomUUID();
      const carId = await this.car();
      const run = (sql: string, ...values: unknown[]) => server.db.prepare(sql).bind(...values);
      await server.db.batch([
        run(
          "INSERT INTO sales (id, car_id, customer_id, salesperson_id, sale_price_cents, currency, payment_method, sale_at, created_at) VALUES (?, ?, ?, ?, 100, 'EUR', 'CASH', 0, 0)",
          id,
          carId,
          ids.get("customer"),
          ids.get("SALES"),
        ),
        run(
          "INSERT INTO commissions (id, sale_id, salesperson_id, rate, amount_cents, created_at) VALUES (?, ?, ?, 250, 2, 0)",
          crypto.randomUUID(),
          id,
          ids.get("SALES"),
        ),
        run("UPDATE cars SET status = 'SOLD' WHERE id = ?", carId),
      ]);
      return id;
    },
    async specialHours() {
      const id = crypto.randomUUID();
      await server.db
        .prepare(
          "INSERT INTO special_hours (id, showroom_id, from_date, to_date, windows, created_at) VALUES (?, ?, '2100-01-01', '2100-01-01', '[]', 0)",
        )
        .bind(id, FIRST_SHOWROOM)
        .run();
      return id;
    },
    async calendarFeed() {
      const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
      await server.db
        .prepare(
          `INSERT OR REPLACE INTO calendar_feeds (user_id, token_hash, created_at)
           SELECT user_id, ?, 0 FROM staff_profiles WHERE id = ?`,
        )
        .bind(await sha256(token), this.profile("SALES"))
        .run();
      return token;
    },
    async absence() {
      const id = crypto.randomUUID();
      await server.db
        .prepare(
          `INSERT INTO absences (id, user_id, start_at, end_at, created_at)
           SELECT ?, user_id, 0, 1, 0 FROM staff_profiles WHERE id = ?`,
        )
        .bind(id, this.profile("SALES"))
        .run();
      return id;
    },
    async failedNotification() {
      const id = crypto.randomUUID();
      await server.db
        .prepare(
          "INSERT INTO notifications (id, kind, recipient, user_id, facts, status, created_at, next_attempt_at) VALUES (?, 'password_reset', 'customer@example.com', ?, '{}', 'FAILED', 0, 0)",
        )
        .bind(id, ids.get("customer"))
        .run();
      return id;
    },
    customer: () => ids.get("customer") ?? "",
    async slot() {
      // No two are alike, because nobody drives two cars at once.
      made += 1;
      const day = new Date(Date.now() + (2 + (made % 28)) * 86_400_000).toISOString().slice(0, 10);
      return `${day}T${10 + (Math.floor(made / 28) % 7)}:00`;
    },
    profile: (of) => profiles.get(of) ?? "",
    refresh: async () =>
      (await server.call("POST", "/api/auth/login/", { json: { username: "customer", password: PASSWORD } }))
        .body.refresh,
    name: () => `matrix-${++made}`,
  });

  const snapshot = async (): Promise<Snapshot> => {
    const statements = [NOTIFICATIONS, ...WATCHED].map((sql) => server.db.prepare(sql));
    const [notifications, ...facts] = (await server.db.batch(statements)).map(({ results }) => results);
    const rows = (notifications ?? []) as { id: string; failure: string }[];
    return {
      facts: JSON.stringify(facts),
      notifications: new Map(rows.map(({ id, failure }) => [id, failure])),
    };
  };

  /** Waits until the objects that earlier requests left over are deleted, which happens after their answers. */
  async function settle(): Promise<void> {
    const left = "SELECT count(*) AS n FROM loose_objects";
    for (let wait = 0; (await server.db.prepare(left).first<number>("n")) !== 0; wait += 20) {
      if (wait > 10_000) throw new Error("objects of uploads were not deleted after the answer");
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** Calls an operation; `effect`: whether anything that is watched has changed. */
  async function attempt({ id, method }: Operation, caller: Caller, token: string | undefined) {
    const row = MATRIX[id];
    if (!row) throw new Error(`${id} is not in the matrix`);
    const { path, ...content } = await row[0](things(caller));
    await settle();
    const before = await snapshot();
    const { status, body } = await server.call(method, path, { token, ...content });
    return { status, body, effect: isChanged(before, await snapshot()) };
  }

  return {
    attemptAs: (operation: Operation, caller: Caller) => attempt(operation, caller, tokens.get(caller)),
    attemptSignedOut: (operation: Operation, role: Role) =>
      attempt(operation, role === "CUSTOMER" ? "customer" : role, signedOut.get(role)),
  };
}
