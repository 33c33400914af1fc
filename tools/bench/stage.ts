/** Where measurements take place: the built Worker in workerd, no proxy before it, with a stock and people. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { uuidv7 } from "uuidv7";
import { unstable_readConfig } from "wrangler";
import { hashPassword } from "../../src/auth/passwords.ts";
import { signAccessToken } from "../../src/auth/tokens.ts";
import type { Slot } from "../../src/bookings/slots.ts";
import {
  bookings,
  carPhotos,
  cars,
  FIRST_SHOWROOM,
  sessions,
  staffProfiles,
  users,
} from "../../src/db/schema.ts";
import type { Role } from "../../src/shared/enums.ts";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { defaultSchedule, slotsOn } from "../../src/showrooms/schedule.ts";
import { insertAll } from "../database/bulk.ts";
import { createTables } from "../database/local-storage.ts";
import { demoCars } from "../demo/demo-data.ts";
import { buildWorker } from "../server/built-worker.ts";

const FOLDER = ".bench";
const PASSWORD = "drive-safely-2026";

/** The Workers on the stage: the one that is measured, its twin that counts, and the one that shows the limits. */
const WORKERS = {
  app: "src/index.ts",
  metered: "tools/bench/metered-worker.ts",
  limits: "tools/bench/limits-worker.ts",
};
export type Which = keyof typeof WORKERS;

export type Car = ReturnType<typeof demoCars>[number];
export type Person = { id: string; username: string; role: Role; token: string };
export type Booking = typeof bookings.$inferInsert;

/**
 * The size of the database; `popular`: the number of cars whose coordinators are loaded; `sellers`: the number of people
 * who sell, one unless it is given.
 */
export type Size = { cars: number; customers: number; bookings: number; popular: number; sellers?: number };

type Limit = { name: string; namespace_id: string; simple: { limit: number; period: 10 | 60 } };

const allWorkers = Object.keys(WORKERS) as Which[];

/**
 * Builds the Workers, starts them and fills their databases, which begin equal.
 * @param vars variables that differ from production's
 * @param inspectorPort where the inspector of the isolates listens, if it is needed
 */
export async function setStage(
  size: Size,
  firstPort: number,
  names: readonly Which[] = allWorkers,
  vars: Record<string, string> = {},
  inspectorPort?: number,
) {
  const config = unstable_readConfig({ config: "wrangler.toml" }, { hideWarnings: true });
  const secret = randomBytes(48).toString("base64url");
  const ports = { app: firstPort, metered: firstPort + 1, limits: firstPort + 2 };
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      ...(inspectorPort === undefined ? {} : { inspectorPort }),
      workers: names.map((name) => ({
        name,
        modules: true,
        scriptPath: scriptOf(name),
        compatibilityDate: config.compatibility_date ?? "",
        compatibilityFlags: config.compatibility_flags,
        // No limit on guesses, and as in production in everything else.
        bindings: {
          ...config.vars,
          ENVIRONMENT: "production",
          PUBLIC_URL: "https://dealership.internal",
          EMAIL_FROM: "showroom@dealership.internal",
          EMAIL_STAFF: "sales@dealership.internal",
          RATE_LIMITS: "off",
          // Few customers stand for many.
          MAX_ACTIVE_BOOKINGS: "100000",
          MAX_ACTIVE_BOOKINGS_UNVERIFIED: "100000",
          MAX_MAILS_PER_DAY: "1000000",
          JWT_SECRET: secret,
          // No cache: a request costs what the first of its kind costs.
          ...(name === "metered" ? { PUBLIC_FRESHNESS_SECONDS: "0" } : {}),
          ...vars,
        },
        d1Databases: { DB: `database-of-${name}` },
        r2Buckets: { PHOTOS: "photos" },
        images: { binding: "IMAGES" },
        ratelimits: Object.fromEntries(config.ratelimits.map((limit: Limit) => [limit.name, limit])),
        durableObjects: { CAR_COORDINATOR: { className: "CarCoordinator", useSQLite: true } },
        // The queue has no consumer, because delivery is not part of a request.
        queueProducers: { NOTIFICATIONS: { queueName: `queue-of-${name}` } },
        unsafeDirectSockets: [{ host: "127.0.0.1", port: ports[name] }],
      })),
    }),
  );
  await runtime.ready;
  const databases = await Promise.all(names.map((name) => runtime.getD1Database("DB", name)));
  for (const d1 of databases) await createTables(d1);

  const { stock, customers, seller, sellers, admin, rows } = await furnish(
    size,
    secret,
    String(config.vars["SHOWROOM_TIME_ZONE"]),
  );
  for (const d1 of databases) {
    await insertAll(d1, users, rows.users);
    await insertAll(d1, staffProfiles, rows.profiles);
    await insertAll(d1, sessions, rows.sessions);
    await insertAll(d1, cars, stock);
    await insertAll(d1, carPhotos, rows.photos);
    await insertAll(d1, bookings, rows.bookings);
  }
  return {
    ports,
    stock,
    popular: stock.slice(0, size.popular),
    customers,
    seller,
    sellers,
    admin,
    password: PASSWORD,
    photoKey: rows.photos[0]?.key ?? "",
    bucket: await runtime.getR2Bucket("PHOTOS", names[0]),
    /** Puts further rows into all databases alike. */
    async add(rows: { cars?: Car[]; bookings?: Booking[] }): Promise<void> {
      for (const d1 of databases) {
        if (rows.cars) await insertAll(d1, cars, rows.cars);
        if (rows.bookings) await insertAll(d1, bookings, rows.bookings);
      }
    },
    close: () => runtime.dispose(),
  };
}

export type Stage = Awaited<ReturnType<typeof setStage>>;

const built = new Map<Which, string>();

/** Builds a Worker, once for all stages; returns the path of its script. */
function scriptOf(name: Which): string {
  const script = built.get(name) ?? buildWorker(WORKERS[name], join(FOLDER, name));
  built.set(name, script);
  return script;
}

async function furnish(size: Size, secret: string, zone: string) {
  const now = Date.now();
  const passwordHash = await hashPassword(PASSWORD);
  const stock = demoCars(size.cars, now).map((car) => ({ ...car, status: "AVAILABLE" as const }));
  const roles: Role[] = [
    ...Array<Role>(size.sellers ?? 1).fill("SALES"),
    ...Array<Role>(size.customers).fill("CUSTOMER"),
    "ADMIN",
  ];
  const people = await Promise.all(
    roles.map(async (role, index) => {
      const [id, sessionId] = [uuidv7(), uuidv7()];
      const token = await signAccessToken({ userId: id, role, sessionId }, secret, now);
      return { id, sessionId, role, token, username: `person-${index}` };
    }),
  );
  const sellers = people.filter(({ role }) => role === "SALES");
  const customers = people.filter(({ role }) => role === "CUSTOMER");
  const [seller] = sellers;
  const admin = people.at(-1);
  if (!seller || !admin) throw new Error("nobody works here");
  const drives: Booking[] = spread(stock, customers, size.bookings, 7, zone).map((drive, index) => ({
    ...drive,
    id: uuidv7(),
    status: index % 3 === 0 ? ("APPROVED" as const) : ("PENDING" as const),
    notes: index % 4 === 0 ? "I would like to try the motorway." : "",
    createdAt: now,
    updatedAt: now,
  }));
  const at = { createdAt: now, updatedAt: now };
  return {
    stock,
    seller,
    sellers,
    customers,
    admin,
    rows: {
      users: people.map(({ id, role, username }) => ({
        id,
        role,
        username,
        usernameKey: username,
        email: `${username}@example.com`,
        emailKey: `${username}@example.com`,
        passwordHash,
        firstName: "Some",
        lastName: "Body",
        ...at,
      })),
      profiles: sellers.map(({ id }) => ({
        id: uuidv7(),
        userId: id,
        salaryCents: 1,
        commissionRate: 250,
        hireDate: "2020-01-01",
        ...at,
      })),
      sessions: people.map(({ id, sessionId }) => ({
        id: sessionId,
        userId: id,
        createdAt: now,
        expiresAt: now + 86_400_000,
      })),
      photos: stock.flatMap((car) =>
        [0, 1].map((place) => {
          const id = uuidv7();
          return {
            id,
            carId: car.id,
            key: `${id}.webp`,
            thumbnailKey: `${id}-small.webp`,
            contentType: "image/webp",
            width: 1600,
            height: 1000,
            sortOrder: place,
            isPrimary: place === 0 ? 1 : 0,
            createdAt: now,
          };
        }),
      ) as unknown as Array<typeof carPhotos.$inferInsert>,
      bookings: drives,
    },
  };
}

/**
 * Test drives without conflict of a car or a customer: of each car in turn, by each customer in turn, slot after slot
 * from `firstDay` days ahead.
 */
export function spread(
  stock: ReadonlyArray<{ id: string }>,
  customers: ReadonlyArray<{ id: string }>,
  count: number,
  firstDay: number,
  zone: string,
): Array<Slot & { carId: string; customerId: string }> {
  const today = localDate(Date.now(), zone);
  const schedule = defaultSchedule(FIRST_SHOWROOM, zone, 3650);
  const atOnce = Math.min(stock.length, customers.length);
  return Array.from({ length: count }, (_, index) => {
    const round = Math.floor(index / atOnce);
    const slot = slotsOn(schedule, addDays(today, firstDay + Math.floor(round / 8)))[round % 8];
    const [car, customer] = [stock[index % stock.length], customers[index % customers.length]];
    if (!slot || !car || !customer) throw new Error("the stage is too small");
    return { ...slot, carId: car.id, customerId: customer.id };
  });
}

mkdirSync(FOLDER, { recursive: true });
