/** People, cars and requests for the tests that run inside workerd. Each test makes its own: none depends on another. */
import { env, exports } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { uuidv7 } from "uuidv7";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { bookings, cars, FIRST_SHOWROOM, sessions, staffProfiles, users } from "../../src/db/schema.ts";
import type { Caller } from "../../src/shared/callers.ts";
import type { Role } from "../../src/shared/enums.ts";
import { addDays, localDate } from "../../src/shared/showroom-time.ts";
import { foldCase } from "../../src/shared/text.ts";
import { defaultSchedule, slotsOn } from "../../src/showrooms/schedule.ts";

export const db = drizzle(env.DB);
export const ZONE = env.SHOWROOM_TIME_ZONE;
/** The schedule of the showroom that a new database has. */
const SCHEDULE = defaultSchedule(FIRST_SHOWROOM, ZONE, 365);

/** Variables that are complete for a public deployment. */
export const DEPLOYED = {
  ENVIRONMENT: "production",
  PUBLIC_URL: "https://dealership.internal",
  EMAIL_FROM: "showroom@dealership.internal",
  EMAIL_STAFF: "sales@dealership.internal",
};

type Person = { id: string; username: string; email: string; role: Role; token: string; caller: Caller };

let made = 0;

/** A user of a role, with an access token. Their password is unusable: hashing one takes a quarter of a second. */
export async function person(
  role: Role = "CUSTOMER",
  more: Partial<typeof users.$inferInsert> = {},
): Promise<Person> {
  made += 1;
  const id = uuidv7();
  const username = `person-${made}-${id.slice(-6)}`;
  const email = `${username}@example.com`;
  const now = Date.now();
  await db.insert(users).values({
    id,
    username,
    usernameKey: foldCase(username),
    email,
    emailKey: foldCase(email),
    passwordHash: "none",
    role,
    createdAt: now,
    updatedAt: now,
    ...more,
  });
  if (role !== "CUSTOMER")
    await db.insert(staffProfiles).values({
      id: uuidv7(),
      userId: id,
      salaryCents: 100,
      commissionRate: 250,
      hireDate: "2020-01-01",
      createdAt: now,
      updatedAt: now,
    });
  const sessionId = uuidv7();
  await db
    .insert(sessions)
    .values({ id: sessionId, userId: id, createdAt: now, expiresAt: now + 86_400_000 });
  const token = await signAccessToken({ userId: id, role, sessionId }, env.JWT_SECRET, now);
  return { id, username, email, role, token, caller: { id, role, sessionId } };
}

/** A car in stock; returns its id. */
export async function car(more: Partial<typeof cars.$inferInsert> = {}): Promise<string> {
  made += 1;
  const now = Date.now();
  const make = more.make ?? "Toyota";
  const model = more.model ?? "Corolla";
  const row: typeof cars.$inferInsert = {
    id: uuidv7(),
    vin: `TEST-${made}-${uuidv7().slice(-12)}`.toUpperCase(),
    make,
    makeKey: foldCase(make),
    model,
    modelKey: foldCase(model),
    year: 2024,
    mileage: 12_000,
    fuelType: "PETROL",
    transmission: "MANUAL",
    color: "Blue",
    bodyType: "SEDAN",
    basePriceCents: 2_000_000,
    currency: "EUR",
    createdAt: now,
    updatedAt: now,
    ...more,
  };
  await db.insert(cars).values(row);
  return row.id;
}

/** A booking written straight into the database; returns its id. */
export async function booking(
  row: Omit<typeof bookings.$inferInsert, "id" | "endAt" | "createdAt" | "updatedAt">,
) {
  const id = uuidv7();
  const now = Date.now();
  await db
    .insert(bookings)
    .values({ id, endAt: row.startAt + 3_600_000, createdAt: now, updatedAt: now, ...row });
  return id;
}

/** The start of a slot `days` from today at the `index`th opening hour. */
export function slot(days: number, index = 0): number {
  const found = slotsOn(SCHEDULE, addDays(localDate(Date.now(), ZONE), days))[index];
  if (!found) throw new Error("no such slot");
  return found.startAt;
}

export const iso = (at: number): string => new Date(at).toISOString();

type Call = { token?: string | undefined; json?: unknown; headers?: Record<string, string>; body?: BodyInit };

/** Sends a request to the Worker under test. A link of an answer reaches it too, whatever its host. */
export function call(
  method: string,
  path: string,
  { token, json, headers, body }: Call = {},
): Promise<Response> {
  return exports.default.fetch(
    new Request(new URL(path, "http://dealership.test"), {
      method,
      headers: {
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(json === undefined ? (body === undefined ? {} : { body }) : { body: JSON.stringify(json) }),
    }),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies whose shape they are about to check.
type Answer = { status: number; body: any; headers: Headers };

/** The status, headers and parsed body of an answer. */
export async function answer(sent: Promise<Response>): Promise<Answer> {
  const response = await sent;
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}
