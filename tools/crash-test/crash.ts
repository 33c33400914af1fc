/**
 * The black box under fire: a real server with its storage on disk, clients who book, cancel, move and approve over
 * HTTP, and SIGKILL in the middle of it, several times. Afterwards the database is compared with what the clients
 * were told.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { drizzle } from "drizzle-orm/d1";
import { uuidv7 } from "uuidv7";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { bookings, cars, FIRST_SHOWROOM, sessions, users } from "../../src/db/schema.ts";
import type { Role } from "../../src/shared/enums.ts";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { defaultSchedule, slotsOn } from "../../src/showrooms/schedule.ts";
import { KillableServer, withDatabase } from "../server/killable-server.ts";
import { freePort } from "../server/ports.ts";
import { Clients, type Load, type Stage } from "./crash-clients.ts";

/** The number of calls and kills, and the folder of storage and log. Without a port a free one is used. */
export type CrashOptions = Load & { cars: number; folder: string; port?: number | undefined };

/** The outcome. `faults` is empty when every promise was kept. */
export type CrashReport = {
  options: CrashOptions;
  seconds: number;
  calls: Record<string, number>;
  answers: Record<string, number>;
  kills: number;
  bookings: { stored: number; acknowledged: number; unanswered: number; active: number };
  overlaps: number;
  lost: number;
  faults: string[];
};

const CUSTOMERS = 50;
const DAYS = 5;

/** Runs the test. Leaves nothing running; its folder keeps the database and the server's log. */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  const begun = performance.now();
  rmSync(options.folder, { recursive: true, force: true });
  mkdirSync(options.folder, { recursive: true });
  const secret = randomBytes(48).toString("base64url");
  const server = new KillableServer(options.folder, secret, options.port ?? (await freePort()));
  server.migrate();
  const stage = await setStage(options, secret);
  const clients = new Clients(options, stage, server);
  try {
    await server.start();
    await clients.run();
  } finally {
    server.kill();
  }
  const { counts, ...judged } = await judge(options, clients);
  return {
    options,
    seconds: Math.round((performance.now() - begun) / 1000),
    calls: clients.calls,
    answers: clients.answers,
    kills: server.kills,
    ...judged,
    bookings: counts,
  };
}

/** Puts people and cars into the database. */
async function setStage({ folder, cars: stock }: CrashOptions, secret: string): Promise<Stage> {
  const now = Date.now();
  const roles: Role[] = ["SALES", ...Array<Role>(CUSTOMERS).fill("CUSTOMER")];
  const people = roles.map((role, i) => ({
    id: uuidv7(),
    username: `person-${i}`,
    usernameKey: `person-${i}`,
    email: `person-${i}@example.com`,
    emailKey: `person-${i}@example.com`,
    passwordHash: "none",
    role,
    createdAt: now,
    updatedAt: now,
  }));
  const carIds = Array.from({ length: stock }, () => uuidv7());
  await withDatabase(folder, async (d1) => {
    const db = drizzle(d1);
    for (const row of people) {
      await db.insert(users).values(row);
      await db
        .insert(sessions)
        .values({ id: row.id, userId: row.id, createdAt: now, expiresAt: now + 86_400_000 });
    }
    for (const [i, id] of carIds.entries())
      await db.insert(cars).values({
        id,
        vin: `CRASH-${i}`,
        make: "Toyota",
        makeKey: "toyota",
        model: "Yaris",
        modelKey: "yaris",
        year: 2024,
        mileage: 10,
        fuelType: "HYBRID",
        transmission: "AUTOMATIC",
        color: "Red",
        bodyType: "HATCHBACK",
        basePriceCents: 2_000_000,
        currency: "EUR",
        createdAt: now,
        updatedAt: now,
      });
  });
  const [staff, ...customers] = await Promise.all(
    people.map(async ({ id, role }) => ({
      id,
      token: await signAccessToken({ userId: id, role, sessionId: id }, secret, now),
    })),
  );
  if (!staff) throw new Error("nobody is there");
  const zone = "Europe/Berlin";
  const schedule = defaultSchedule(FIRST_SHOWROOM, zone, 365);
  const slots = Array.from({ length: DAYS }, (_, i) =>
    slotsOn(schedule, addDays(localDate(now, zone), i + 2)),
  )
    .flat()
    .map(({ startAt }) => startAt);
  return { customers, staff, carIds, slots };
}

/** Compares the database with the answers that clients got. */
async function judge({ folder }: CrashOptions, { known, doubtful, keys, faults }: Clients) {
  return withDatabase(folder, async (d1) => {
    const rows = await drizzle(d1).select().from(bookings);
    const stored = new Map(rows.map((row) => [row.id, row]));
    const first = async (query: string) => Number((await d1.prepare(query).first<{ n: number }>())?.n);

    const overlaps = await first(
      `SELECT count(*) AS n FROM bookings a JOIN bookings b ON (a.car_id = b.car_id OR a.customer_id = b.customer_id) AND a.id < b.id
         AND a.start_at < b.end_at AND b.start_at < a.end_at
       WHERE a.status IN ('PENDING', 'APPROVED') AND b.status IN ('PENDING', 'APPROVED')`,
    );
    if (overlaps > 0) faults.push(`${overlaps} pairs of active bookings of one car or one customer overlap`);

    let lost = 0;
    for (const { id, carId, customerId, changes, doubts, cancelled, starts } of known.values()) {
      const row = stored.get(id);
      if (!row || row.carId !== carId || row.customerId !== customerId) {
        lost += 1;
        faults.push(`${id} was acknowledged and is not stored`);
        continue;
      }
      if (row.sequence < changes || row.sequence > changes + doubts)
        faults.push(`${id}: ${changes} changes acknowledged, ${doubts} in doubt, ${row.sequence} stored`);
      if (cancelled && row.status !== "CANCELLED") faults.push(`${id} was cancelled and is ${row.status}`);
      if (!starts.has(row.startAt)) faults.push(`${id} starts at a time that nobody requested`);
    }

    const unanswered = rows.filter((row) => !known.has(row.id));
    for (const row of unanswered) {
      const wanted = doubtful.some(
        ({ carId, customerId, startAt }) =>
          carId === row.carId && customerId === row.customerId && startAt === row.startAt,
      );
      if (!wanted) faults.push(`${row.id} is stored, although its caller was refused or nobody called`);
    }

    for (const [key, ids] of keys) if (ids.size > 1) faults.push(`the key ${key} made ${ids.size} bookings`);

    // Of the last fact: an earlier notification may have been replaced before it was sent.
    const unnotified = await first(
      `SELECT count(*) AS n FROM bookings b WHERE 1 <> (
         SELECT count(*) FROM notifications n
         WHERE n.booking_id = b.id AND n.user_id = b.customer_id AND n.facts ->> '$.sequence' = b.sequence)`,
    );
    if (unnotified > 0)
      faults.push(`${unnotified} bookings whose customer is not notified exactly once of the last fact`);

    const active = rows.filter(({ status }) => status === "PENDING" || status === "APPROVED").length;
    const counts = {
      stored: rows.length,
      acknowledged: known.size,
      unanswered: unanswered.length,
      active,
    };
    return { counts, overlaps, lost, faults: [...new Set(faults)].slice(0, 50) };
  });
}
