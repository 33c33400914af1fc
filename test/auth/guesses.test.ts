import { env } from "cloudflare:workers";
import { and, eq } from "drizzle-orm";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { countWrong, findLogin, MAX_WRONG_PER_DAY } from "../../src/auth/guesses.ts";
import { hashPassword } from "../../src/auth/passwords.ts";
import { startSession } from "../../src/auth/sessions.ts";
import { changePassword, login } from "../../src/auth/use-cases.ts";
import { readConfig } from "../../src/config.ts";
import { openDatabase } from "../../src/db/client.ts";
import { failedLogins, passwordResets, sessions } from "../../src/db/schema.ts";
import type { Deps } from "../../src/deps.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { DAY_MS } from "../../src/shared/showroom-time.ts";
import { answer, call, db, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const HOME = "192.0.2.1";
const NOON = Math.floor(Date.now() / DAY_MS) * DAY_MS + DAY_MS / 2;
const TODAY = Math.floor(NOON / DAY_MS);

let passwordHash = "";
beforeAll(async () => {
  passwordHash = await hashPassword(PASSWORD);
});

/** The dependencies of a request at noon; `isWithin` stands for the platform's limits. */
const depsAt = (now = NOON, isWithin: Deps["isWithin"] = async () => true): Deps => ({
  env,
  config: readConfig(env),
  db: openDatabase(env.DB, "first-primary"),
  primary: () => openDatabase(env.DB, "first-primary"),
  now,
  requestId: "r",
  isWithin,
  afterwards() {},
  stockChanged() {},
  purge() {},
  found: {},
});

const customer = () => person("CUSTOMER", { passwordHash });
const addressHash = (userId: string, address: string) => sha256(`${userId} ${address}`);

/** Sets how many passwords were wrong today. */
const wrongToday = (account: string, source: string, n: number, day = TODAY) =>
  db.insert(failedLogins).values({ account, source, day, n });

const countOf = async (account: string, source = "") =>
  (
    await db
      .select({ n: failedLogins.n })
      .from(failedLogins)
      .where(and(eq(failedLogins.account, account), eq(failedLogins.source, source)))
  )[0]?.n;

const outcome = async (name: string, password: string, address: string, deps = depsAt()) => {
  const result = await login(deps, name, password, address);
  return result.ok ? "signed in" : result.refusal.code;
};

describe("wrong passwords", () => {
  test("of one account are counted together for its username and its e-mail, in any case", async () => {
    const { id, username, email } = await customer();
    for (const name of [username, email.toUpperCase(), ` ${username} `])
      expect(await outcome(name, "not the one", HOME)).toBe("invalid_credentials");
    expect(await countOf(id)).toBe(3);
  });

  test("of a name that nobody has are counted and answered alike", async () => {
    const { username } = await customer();
    const nobody = `nobody-${username}`;
    const costs = [];
    for (const name of [username, nobody]) {
      const deps = depsAt();
      expect(await outcome(name, "not the one", HOME, deps)).toBe("invalid_credentials");
      costs.push({ trips: deps.db.cost().trips, rowsWritten: deps.db.cost().rowsWritten });
    }
    expect(costs[0]).toEqual(costs[1]);
    const account = await sha256(`name ${nobody}`);
    await db.update(failedLogins).set({ n: MAX_WRONG_PER_DAY }).where(eq(failedLogins.account, account));
    expect(await outcome(nobody, "not the one", HOME)).toBe("too_many_requests");
  });

  test("above 100 on a day are refused until the next day, also the right one", async () => {
    const { id, username } = await customer();
    await wrongToday(id, "", MAX_WRONG_PER_DAY);
    for (const password of ["not the one", PASSWORD]) {
      const refused = await login(depsAt(), username, password, HOME);
      expect(refused).toMatchObject({
        ok: false,
        refusal: { code: "too_many_requests", retryAfter: DAY_MS / 2 / 1000 },
      });
    }
    expect(await outcome(username, PASSWORD, HOME, depsAt(NOON + DAY_MS))).toBe("signed in");
  });

  test("by strangers do not lock out the owner at an address where they have a session", async () => {
    const { id, username } = await customer();
    expect(await outcome(username, PASSWORD, HOME)).toBe("signed in");
    await wrongToday(id, "", MAX_WRONG_PER_DAY);
    expect(await outcome(username, PASSWORD, "198.51.100.9")).toBe("too_many_requests");
    expect(await outcome(username, PASSWORD, HOME)).toBe("signed in");
  });

  test("at an address where the owner has a session are bounded, too, and do not count for others", async () => {
    const { id, username } = await customer();
    await outcome(username, PASSWORD, HOME);
    expect(await outcome(username, "not the one", HOME)).toBe("invalid_credentials");
    const source = await addressHash(id, HOME);
    expect([await countOf(id, source), await countOf(id)]).toEqual([1, undefined]);
    await db.update(failedLogins).set({ n: MAX_WRONG_PER_DAY }).where(eq(failedLogins.account, id));
    expect(await outcome(username, PASSWORD, HOME)).toBe("too_many_requests");
    expect(await outcome(username, PASSWORD, "198.51.100.9")).toBe("signed in");
  });

  test("are forgotten by source after a right one", async () => {
    const { id, username } = await customer();
    await outcome(username, PASSWORD, HOME);
    await wrongToday(id, "", 99);
    await wrongToday(id, await addressHash(id, HOME), 99);
    expect(await outcome(username, PASSWORD, HOME)).toBe("signed in");
    expect([await countOf(id), await countOf(id, await addressHash(id, HOME))]).toEqual([99, undefined]);
    expect(await outcome(username, PASSWORD, "198.51.100.9")).toBe("signed in");
    expect(await countOf(id)).toBeUndefined();
  });

  test("that arrive at once do not let the right one in after the hundredth", async () => {
    const user = await customer();
    await wrongToday(user.id, "", 99);
    const deps = depsAt();
    const found = await findLogin(deps, user.username, HOME);
    if (!found.ok) throw new Error("refused too early");
    const { count, addressHash } = found.value;
    // Another guess is counted while this one is being verified.
    await countWrong(deps, count);
    const verified = { verifiedHash: passwordHash, login: { count, addressHash } };
    expect(await startSession(deps.db, user, verified, env.JWT_SECRET, NOON)).toBeUndefined();
    expect(await countOf(user.id)).toBe(100);
  });

  test("of a burst from many addresses are refused, except from a known one", async () => {
    const { id, username } = await customer();
    await outcome(username, PASSWORD, HOME);
    const counted: string[] = [];
    const busy = depsAt(NOON, async (limit, key) => {
      counted.push(`${limit} ${key}`);
      return false;
    });
    expect(await outcome(username, PASSWORD, "198.51.100.9", busy)).toBe("too_many_requests");
    expect(counted).toEqual([`ACCOUNT_BURST_LIMIT login ${id}`]);
    expect(await outcome(username, PASSWORD, HOME, busy)).toBe("signed in");
  });

  test("no longer count after a password reset", async () => {
    const { id } = await customer();
    await wrongToday(id, "", MAX_WRONG_PER_DAY);
    const now = Date.now();
    const token = "a-token-of-the-tests";
    await db
      .insert(passwordResets)
      .values({ tokenHash: await sha256(token), userId: id, createdAt: now, expiresAt: now + 60_000 });
    const json = { token, new_password: "another quiet engine" };
    expect((await call("POST", "/api/auth/password/reset/", { json })).status).toBe(204);
    expect(await countOf(id)).toBeUndefined();
  });
});

describe("a session", () => {
  test("remembers a hash of its user and address, and not the address", async () => {
    const [ada, bob] = [await customer(), await customer()];
    for (const { username } of [ada, bob]) await outcome(username, PASSWORD, HOME);
    const remembered = async (id: string) =>
      (await db.select().from(sessions).where(eq(sessions.userId, id))).map((row) => row.addressHash);
    expect(await remembered(ada.id)).toContain(await addressHash(ada.id, HOME));
    expect(await remembered(bob.id)).not.toContain(await addressHash(ada.id, HOME));
  });

  test("is known by its address also when the client has another address of the same IPv6 network", async () => {
    const { id, username } = await customer();
    const from = (address: string) =>
      answer(
        call("POST", "/api/auth/login/", {
          json: { username, password: PASSWORD },
          headers: { "CF-Connecting-IP": address },
        }),
      );
    expect((await from("2001:db8:1:2::1")).status).toBe(200);
    await wrongToday(id, "", MAX_WRONG_PER_DAY, Math.floor(Date.now() / DAY_MS));
    expect((await from("2001:db8:1:2:ffff::9")).status).toBe(200);
    const refused = await from("2001:db8:1:3::1");
    expect([refused.status, refused.body.code]).toEqual([429, "too_many_requests"]);
    const left = Math.ceil(DAY_MS - (Date.now() % DAY_MS)) / 1000;
    expect(Math.abs(Number(refused.headers.get("Retry-After")) - left)).toBeLessThan(30);
  });
});

describe("a guess at one's own password", () => {
  const change = async (by: Awaited<ReturnType<typeof person>>, current: string, deps = depsAt()) => {
    const claimed = { ...by.caller, allowedRoles: ["CUSTOMER"] } as const;
    const result = await changePassword(deps, claimed, current, "another quiet engine");
    return result.ok ? "changed" : (result.refusal.faults?.[0]?.code ?? result.refusal.code);
  };

  test("is counted by session, and refused after a hundred wrong ones", async () => {
    const user = await customer();
    const source = `session ${user.caller.sessionId}`;
    expect(await change(user, "not the one")).toBe("wrong");
    expect([await countOf(user.id, source), await countOf(user.id)]).toEqual([1, undefined]);
    await db.update(failedLogins).set({ n: MAX_WRONG_PER_DAY }).where(eq(failedLogins.account, user.id));
    expect(await change(user, PASSWORD)).toBe("too_many_requests");
    expect(await outcome(user.username, PASSWORD, HOME)).toBe("signed in");
  });

  test("of a caller who is not signed in is neither counted nor compared", async () => {
    const user = await customer();
    await db.update(sessions).set({ endedAt: 1 }).where(eq(sessions.id, user.caller.sessionId));
    const isWithin = vi.fn(async () => true);
    expect(await change(user, "not the one", depsAt(NOON, isWithin))).toBe("invalid_token");
    expect(isWithin).not.toHaveBeenCalled();
    expect(await countOf(user.id, `session ${user.caller.sessionId}`)).toBeUndefined();
  });
});

describe("a registration that is repeated with its Idempotency-Key", () => {
  const register = (json: object, key: string, from = HOME) =>
    answer(
      call("POST", "/api/auth/register/", {
        json,
        headers: { "Idempotency-Key": key, "CF-Connecting-IP": from },
      }),
    );
  const newName = () => `repeated-${crypto.randomUUID().slice(0, 8)}`;

  test("and another password is refused, and counts as a wrong password", async () => {
    const [username, key] = [newName(), crypto.randomUUID()];
    const first = await register({ username, password: PASSWORD }, key);
    const other = await register({ username, password: "a loud engine" }, key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
    expect(await countOf(first.body.id)).toBe(1);
    const again = await register({ username, password: PASSWORD }, key, "198.51.100.9");
    expect([again.status, again.body.id]).toEqual([201, first.body.id]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
  });

  test("is not confused with that of another person behind the same address who chose the same key", async () => {
    const key = crypto.randomUUID();
    const [ada, bob] = [newName(), newName()];
    const made = await register({ username: ada, password: PASSWORD }, key);
    const other = await register({ username: bob, password: PASSWORD }, key);
    expect([made.status, other.status]).toEqual([201, 201]);
    expect(other.body.username).toBe(bob);
  });

  test("does not reveal the answer after too many wrong passwords", async () => {
    const [username, key] = [newName(), crypto.randomUUID()];
    const first = await register({ username, password: PASSWORD }, key);
    await wrongToday(first.body.id, "", MAX_WRONG_PER_DAY, Math.floor(Date.now() / DAY_MS));
    expect((await register({ username, password: PASSWORD }, key)).status).toBe(429);
  });
});

test("the creation of a staff member that is repeated with another password is refused", async () => {
  const { token } = await person("ADMIN");
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const json = { username: `staff-${crypto.randomUUID().slice(0, 8)}`, salary: "1", commission_rate: "1" };
  const create = (password: string) =>
    answer(call("POST", "/api/staff/", { token, headers, json: { ...json, role: "SALES", password } }));
  expect((await create(PASSWORD)).status).toBe(201);
  const other = await create("a loud engine");
  expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);
  expect((await create(PASSWORD)).headers.get("Idempotency-Replayed")).toBe("true");
});
