/**
 * Strangers who do what they can within every limit, beside honest customers. A quiet run of the same customers comes
 * first, for comparison. The server is the built Worker with production's limits.
 */
import { MAX_WRONG_PER_DAY } from "../../src/auth/guesses.ts";
import { MAX_CHANGES_PER_HOUR } from "../../src/bookings/store.ts";
import { UNVERIFIED_MAILS_PER_DAY } from "../../src/notifications/daily-limits.ts";
import { RATE_LIMITS } from "../../src/shared/rate-limits.ts";
import { PASSWORD, type Server, startServer } from "../server/server.ts";

const STRANGERS = 10;
const CUSTOMERS = 20;
const CARS = 40;
/** As in wrangler.toml. */
const MOST_BOOKINGS = { verified: 5, unverified: 2 };
const MAX_MAILS_PER_DAY = 5000;
/** By how much the slowest percent of honest requests may slow down. */
const MAX_SLOWDOWN = 3;
/** A mail to the customer and one to the sales team. */
const MAILS_OF_A_CHANGE = 2;
/** What a new account may be sent besides: that its address must be verified. */
const MAILS_OF_AN_ACCOUNT = 1;

/** A request that a person repeats. `every`: milliseconds between two of them. */
type Habit = { name: string; every: number; act: () => Promise<{ status: number }> };

/** The times and statuses of the requests of one kind. */
type Seen = { times: number[]; statuses: Record<string, number> };
type Log = Map<string, Seen>;

/** A line of the table: honest requests of one kind in both runs. Milliseconds. */
export type Line = { name: string; quiet: Summary; abused: Summary };
type Summary = { requests: number; p50: number; p99: number };

/** The outcome. `faults`: the broken bounds. */
export type AbuseReport = {
  lines: Line[];
  slowdown: number;
  answers: { honest: Record<string, string>; strangers: Record<string, string> };
  counts: Record<string, number>;
  faults: string[];
};

/** Runs both. @param seconds the length of each */
export async function runAbuse(seconds: number): Promise<AbuseReport> {
  const server = await startServer({
    RATE_LIMITS: "on",
    PUBLIC_FRESHNESS_SECONDS: "30",
    MAX_ACTIVE_BOOKINGS: String(MOST_BOOKINGS.verified),
    MAX_ACTIVE_BOOKINGS_UNVERIFIED: String(MOST_BOOKINGS.unverified),
    MAX_MAILS_PER_DAY: String(MAX_MAILS_PER_DAY),
  });
  try {
    const cars = await Promise.all(Array.from({ length: CARS }, (_, at) => server.car(`ABUSE-${at}`)));
    const customers = [];
    for (let at = 0; at < CUSTOMERS; at += 1)
      customers.push(await honestCustomer(server, cars, `honest-${at}`, `192.0.2.${at + 1}`));

    const strangers = [];
    for (let at = 0; at < STRANGERS; at += 1)
      strangers.push(await stranger(server, cars, at, `198.51.100.${at + 1}`));

    const quiet: Log = new Map();
    await live(customers.flat(), quiet, seconds);
    const mailsBefore = await count(server, "SELECT count(*) AS n FROM notifications");

    const [abused, abuse]: [Log, Log] = [new Map(), new Map()];
    await Promise.all([live(customers.flat(), abused, seconds), live(strangers.flat(), abuse, seconds)]);
    return await judge(server, seconds, mailsBefore, { quiet, abused, abuse });
  } finally {
    await server.close();
  }
}

/** Lets each habit go on for some seconds, and logs it. */
async function live(habits: readonly Habit[], log: Log, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    habits.map(async ({ name, every, act }) => {
      // Not all at the same moment.
      await sleep(Math.random() * every);
      while (performance.now() < end) {
        const begun = performance.now();
        const { status } = await act();
        const seen = log.get(name) ?? { times: [], statuses: {} };
        seen.times.push(performance.now() - begun);
        seen.statuses[status] = (seen.statuses[status] ?? 0) + 1;
        log.set(name, seen);
        await sleep(every - (performance.now() - begun));
      }
    }),
  );
}

/** Somebody who looks at cars, books and cancels now and then, and signs in again from home. */
async function honestCustomer(server: Server, cars: string[], username: string, from: string) {
  let { access: token } = await server.customer(username, from);
  const get = (path: string) => server.call("GET", path, { token, from });
  let booked: string | undefined;
  const habits: Habit[] = [
    { name: "a car", every: 1000, act: () => get(`/api/cars/${pick(cars)}/`) },
    {
      name: "the list",
      every: 2000,
      act: () => server.call("GET", `/api/cars/?make=toyota&page_size=${5 + random(20)}`, { from }),
    },
    {
      name: "a search",
      every: 3000,
      act: () => get(`/api/cars/?search=yaris&max_price=${20_000 + random(999)}`),
    },
    {
      name: "free slots",
      every: 2000,
      act: () => get(`/api/cars/${pick(cars)}/available-slots/?date=${dayAhead()}`),
    },
    { name: "my bookings", every: 2000, act: () => get("/api/bookings/me/") },
    {
      name: "a login",
      every: 30_000,
      async act() {
        const json = { username, password: PASSWORD };
        const answer = await server.call("POST", "/api/auth/login/", { json, from });
        if (answer.status === 200) token = answer.body.access;
        return answer;
      },
    },
    {
      name: "a booking or its end",
      every: 20_000,
      async act() {
        if (booked) {
          const path = `/api/bookings/${booked}/cancel/`;
          booked = undefined;
          return server.call("PATCH", path, { token, from });
        }
        const json = {
          car: pick(cars),
          start_at: `${dayAhead()}T${String(9 + random(8)).padStart(2, "0")}:00:00`,
        };
        const answer = await server.call("POST", "/api/bookings/", { token, json, from });
        if (answer.status === 201) booked = answer.body.id;
        return answer;
      },
    },
  ];
  return habits;
}

/** Somebody who uses each limit up: registers under the addresses of others, guesses, searches, books and has mails sent. */
async function stranger(server: Server, cars: string[], at: number, from: string): Promise<Habit[]> {
  // One account from another day; it begins to book at once.
  const { access } = await server.customer(`stranger-${at}`, `203.0.113.${at + 1}`);
  const accounts: { token: string; bookings: string[] }[] = [{ token: access, bookings: [] }];
  let made = 0;
  const victim = () => `honest-${random(CUSTOMERS)}`;
  const start = () => `${dayAhead()}T${String(9 + random(8)).padStart(2, "0")}:00:00`;
  const perMinute = (requests: number) => 60_000 / requests;
  return [
    {
      // Two of these hash a password, and a guess hashes one.
      name: "registers and signs in",
      every: perMinute(6),
      async act() {
        made += 1;
        const username = `stranger-${at}-${made}`;
        const json = { username, password: PASSWORD, email: `mailbox-${at}-${made}@example.com` };
        const registered = await server.call("POST", "/api/auth/register/", { json, from });
        if (registered.status !== 201) return registered;
        const signedIn = await server.call("POST", "/api/auth/login/", {
          json: { username, password: PASSWORD },
          from,
        });
        if (signedIn.status === 200) accounts.push({ token: signedIn.body.access, bookings: [] });
        return signedIn;
      },
    },
    {
      name: "guesses a password",
      every: perMinute(RATE_LIMITS.ADDRESS_LIMIT.requests - 12),
      act: () =>
        server.call("POST", "/api/auth/login/", {
          json: { username: victim(), password: `guess ${random(1e9)}` },
          from,
        }),
    },
    {
      name: "searches",
      every: perMinute(RATE_LIMITS.COSTLY_LIMIT.requests),
      act: () => server.call("GET", `/api/cars/facets/?search=yaris&max_price=${random(90_000)}`, { from }),
    },
    {
      name: "books",
      every: 1000,
      async act() {
        const account = accounts.length > 0 ? pick(accounts) : undefined;
        if (!account) return server.call("GET", "/api/cars/", { from });
        const json = { car: pick(cars), start_at: start() };
        const answer = await server.call("POST", "/api/bookings/", { token: account.token, json, from });
        if (answer.status === 201) account.bookings.push(answer.body.id);
        return answer;
      },
    },
    {
      name: "moves a booking",
      every: 500,
      async act() {
        const account = accounts.find(({ bookings }) => bookings.length > 0);
        if (!account) return server.call("GET", "/api/cars/", { from });
        return server.call("PATCH", `/api/bookings/${pick(account.bookings)}/reschedule/`, {
          token: account.token,
          json: { start_at: start() },
          from,
        });
      },
    },
    {
      name: "has reset mails sent",
      every: perMinute(RATE_LIMITS.ADDRESS_LIMIT.requests),
      act: () =>
        server.call("POST", "/api/auth/password/forgot/", {
          json: { email: `${victim()}@example.com` },
          from,
        }),
    },
  ];
}

async function judge(
  server: Server,
  seconds: number,
  mailsBefore: number,
  { quiet, abused, abuse }: Record<"quiet" | "abused" | "abuse", Log>,
): Promise<AbuseReport> {
  const all = (log: Log): Seen => ({ times: [...log.values()].flatMap(({ times }) => times), statuses: {} });
  const names = [...quiet.keys()].sort();
  const lines = names.map((name) => ({
    name,
    quiet: summaryOf(quiet.get(name)),
    abused: summaryOf(abused.get(name)),
  }));
  const total = { name: "all", quiet: summaryOf(all(quiet)), abused: summaryOf(all(abused)) };
  const slowdown = total.abused.p99 / total.quiet.p99;

  const ofStrangers = "username LIKE 'stranger-%'";
  const accounts = await count(server, `SELECT count(*) AS n FROM users WHERE ${ofStrangers}`);
  const changes = await count(server, "SELECT coalesce(max(n), 0) AS n FROM booking_changes");
  const slots = await count(
    server,
    `SELECT coalesce(max(n), 0) AS n FROM (SELECT count(*) AS n FROM bookings JOIN users ON users.id = customer_id
      WHERE ${ofStrangers} AND status IN ('PENDING', 'APPROVED') GROUP BY customer_id)`,
  );
  const wrong = await count(server, "SELECT coalesce(max(n), 0) AS n FROM failed_logins WHERE source = ''");
  const mails = (await count(server, "SELECT count(*) AS n FROM notifications")) - mailsBefore;
  const resets = await count(
    server,
    `SELECT coalesce(max(n), 0) AS n FROM (
      SELECT count(*) AS n FROM notifications WHERE kind = 'password_reset' GROUP BY recipient)`,
  );
  const toOne = await count(
    server,
    `SELECT coalesce(max(n), 0) AS n FROM (SELECT count(*) AS n FROM notifications
      WHERE status = 'SENT' AND recipient LIKE '%@example.com' GROUP BY recipient, sent_at / 86400000)`,
  );
  const sent = await count(server, "SELECT count(*) AS n FROM notifications WHERE status = 'SENT'");

  // A limit's windows need not begin with the run.
  const windows = Math.ceil(seconds / RATE_LIMITS.MAIL_LIMIT.seconds) + 1;
  const mostResets = windows * RATE_LIMITS.MAIL_LIMIT.requests;
  const mostMails =
    accounts * (MAX_CHANGES_PER_HOUR * MAILS_OF_A_CHANGE + MAILS_OF_AN_ACCOUNT) +
    CUSTOMERS * (mostResets + MAX_CHANGES_PER_HOUR * MAILS_OF_A_CHANGE);
  const faults: string[] = [];
  const bound = (name: string, value: number, most: number) => {
    if (!(value <= most)) faults.push(`${name}: ${value}, at most ${most}`);
  };
  bound("slowdown of the slowest percent of honest requests", slowdown, MAX_SLOWDOWN);
  bound("active bookings of one stranger's account", slots, MOST_BOOKINGS.unverified);
  bound("changes of bookings by one account in an hour", changes, MAX_CHANGES_PER_HOUR);
  bound("mails written", mails, mostMails);
  bound("mails sent in a day", sent, MAX_MAILS_PER_DAY);
  bound("reset mails to one address", resets, mostResets);
  bound("mails sent to one unverified address in a day", toOne, UNVERIFIED_MAILS_PER_DAY);
  // Those that were being verified when the hundredth was counted.
  bound("wrong passwords of one account from unknown addresses", wrong, MAX_WRONG_PER_DAY + 20);
  for (const [name, { statuses }] of abused)
    for (const [status, n] of Object.entries(statuses))
      if (Number(status) >= 500 || status === "429" || status === "401")
        faults.push(`honest customers: ${name} was answered ${status} ×${n}`);
  for (const [name, { statuses }] of abuse)
    if (statuses["500"]) faults.push(`a stranger ${name} and gets 500`);
  return {
    lines: [...lines, total],
    slowdown,
    answers: { honest: answersOf(abused), strangers: answersOf(abuse) },
    counts: { accounts, slots, changes, mails, sent, toOne, resets, wrong },
    faults,
  };
}

function summaryOf(seen: Seen | undefined): Summary {
  const times = [...(seen?.times ?? [])].sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { requests: times.length, p50: at(0.5), p99: at(0.99) };
}

const answersOf = (log: Log): Record<string, string> =>
  Object.fromEntries(
    [...log].map(([name, { statuses }]) => [
      name,
      Object.entries(statuses)
        .map(([status, n]) => `${status} ×${n}`)
        .join(", "),
    ]),
  );

const count = async (server: Server, sql: string): Promise<number> =>
  Number(await server.db.prepare(sql).first("n"));

const sleep = (ms: number) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const random = (below: number): number => Math.floor(Math.random() * below);
const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
const dayAhead = (): string =>
  new Date(Date.now() + (2 + random(60)) * 86_400_000).toISOString().slice(0, 10);
