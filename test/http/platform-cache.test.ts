import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { carPhotos, cars } from "../../src/db/schema.ts";
import { forgetPublic } from "../../src/http/public-cache.ts";
import { Random } from "../../tools/random.ts";
import { type CacheStatus, SharedCache } from "../support/shared-cache.ts";
import { car, db, iso, person, slot } from "../support/world.ts";

const PROMISE_SECONDS = 30;
const OUTAGE_SECONDS = 300;
const SHOPS = ["https://shop.example", "https://other.example"];

const app = createApp();

/** The database, until it is taken away. */
const power = { isDown: false };
const DB = new Proxy(env.DB, {
  get(d1, member) {
    if (member === "withSession" && power.isDown)
      return () => {
        throw new Error("D1_ERROR: Network connection lost.");
      };
    const value = Reflect.get(d1, member);
    return typeof value === "function" ? value.bind(d1) : value;
  },
});

const limit = { limit: async () => ({ success: true }) };
const bindings = (d1: D1Database, seconds: number) =>
  ({
    ...env,
    DB: d1,
    RATE_LIMITS: "on",
    REQUEST_LIMIT: limit,
    COSTLY_LIMIT: limit,
    CORS_ORIGINS: SHOPS.join(),
    PUBLIC_FRESHNESS_SECONDS: String(seconds),
  }) as unknown as Env;

/** The Worker behind the cache, and the same Worker asked directly, which reads the database each time. */
const CACHED = bindings(DB, PROMISE_SECONDS);
const DIRECT = bindings(env.DB, 0);

async function ask(request: Request, own: Env, cache?: CacheContext): Promise<Response> {
  const ctx = createExecutionContext();
  if (cache) Object.defineProperty(ctx, "cache", { value: cache });
  const answer = await app.fetch(request, own, ctx);
  const whole = new Response([204, 304].includes(answer.status) ? null : await answer.arrayBuffer(), answer);
  await waitOnExecutionContext(ctx);
  return whole;
}

/** What a mutant does to the answers of the Worker, or to its purge. */
type Mutant = {
  answer?: (headers: Headers, request: Request) => void;
  body?: (text: string, request: Request) => string;
  purge?: () => Promise<CachePurgeResult>;
};

/** Two tiers of shared caches before the Worker: near the reader, and near the Worker. */
function platform(mutant: Mutant = {}) {
  const faults: string[] = [];
  const taken: Partial<Record<CacheStatus, number>> = {};
  const counted = async (answered: Promise<Response>): Promise<Response> => {
    const answer = await answered;
    const status = answer.headers.get("Cf-Cache-Status") as CacheStatus;
    taken[status] = (taken[status] ?? 0) + 1;
    return answer;
  };
  const purge =
    mutant.purge ??
    (async (options: CachePurgeOptions) => {
      await upper.purge(options);
      return lower.purge(options);
    });
  const cache: CacheContext = { purge, invalidate: purge };
  const upper = new SharedCache(async (request) => {
    const answer = await ask(request, CACHED, cache);
    const text = mutant.body && answer.ok && /json/.test(answer.headers.get("Content-Type") ?? "");
    const body = text ? mutant.body?.(await answer.text(), request) : answer.body;
    const tampered = new Response(body ?? null, answer);
    mutant.answer?.(tampered.headers, request);
    if (!tampered.headers.has("Cache-Control"))
      faults.push(`${request.method} ${new URL(request.url).pathname} has no Cache-Control`);
    return tampered;
  });
  const lower = new SharedCache((request) => counted(upper.fetch(request)));
  const settle = async () => {
    await lower.settle();
    await upper.settle();
  };
  return { fetch: (request: Request) => counted(lower.fetch(request)), settle, faults, taken };
}

type Member = Awaited<ReturnType<typeof person>>;

/** Who asks, and what they send. `as` names whose answer it must be. */
type Caller = {
  name: string;
  as: "anybody" | "ann" | "ben" | "sam" | "nobody";
  headers?: Record<string, string>;
  member?: Member;
};

/** An answer as its caller reads it. */
type Seen = { status: number; body: string };

const anonymous: Caller = { name: "anonymous", as: "anybody" };
const ANONYMOUS: Caller[] = [
  anonymous,
  { name: "anonymous, in German", as: "anybody", headers: { "Accept-Language": "de" } },
  ...[...SHOPS, "https://evil.example"].map((origin) => ({
    name: `a page of ${origin}`,
    as: "anybody" as const,
    headers: { Origin: origin },
  })),
];

const PHOTO = "a photo";

const photoRow = (carId: string, id: string) => ({
  id,
  carId,
  key: `${id}.webp`,
  thumbnailKey: `${id}-small.webp`,
  contentType: "image/webp",
  width: 4,
  height: 3,
  sortOrder: 0,
  isPrimary: true,
  createdAt: 0,
});

/**
 * One run of callers who read and write at random. Returns the first faults, and how often each way through the caches was
 * taken.
 */
async function run(seed: number, steps: number, mutant: Mutant = {}) {
  forgetPublic();
  power.isDown = false;
  const random = new Random(seed);
  const { fetch, settle, faults, taken } = platform(mutant);

  const [ann, ben, sam] = [await person(), await person(), await person("SALES")];
  const [carId, hidden] = [await car({ make: `Make${seed}` }), await car({ status: "REMOVED" })];
  const photoId = crypto.randomUUID();
  const file = `${photoId}.webp`;
  await db.insert(carPhotos).values(photoRow(carId, photoId));
  await env.PHOTOS.put(file, PHOTO, { httpMetadata: { contentType: "text/plain" } });
  const day = iso(slot(3)).slice(0, 10);

  const publicPaths = [
    `/api/cars/?make=make${seed}`,
    `/api/cars/${carId}`,
    `/api/cars/${carId}/`,
    `/api/cars/facets/?make=make${seed}`,
    `/api/cars/${carId}/available-slots/?date=${day}`,
    `/api/cars/${hidden}/`,
  ];
  const photoPath = `/photos/${file}`;
  const privatePaths = ["/api/auth/me/", "/api/bookings/me/", "/api/bookings/"];
  const paths = [...publicPaths, photoPath, ...privatePaths, "/api/nothing", "/healthz"];

  const callers: Caller[] = [
    ...ANONYMOUS,
    { name: "Ann", as: "ann", member: ann },
    { name: "Ann on a page", as: "ann", member: ann, headers: { Origin: SHOPS[0] ?? "" } },
    { name: "Ben", as: "ben", member: ben },
    { name: "Sam of the staff", as: "sam", member: sam },
    { name: "with a broken token", as: "nobody", headers: { Authorization: "Bearer a.b.c" } },
  ];

  let requests = 0;
  async function requestOf(caller: Caller, path: string, more: RequestInit = {}): Promise<Request> {
    requests += 1;
    const headers = new Headers({ ...caller.headers, ...(more.headers as Record<string, string>) });
    headers.set("X-Request-Id", `request-${requests}`);
    if (caller.member) {
      const { id: userId, role, sessionId } = caller.member.caller;
      // For some minutes it is the same token, as a client's is.
      const signedAt = Math.floor(Date.now() / 600_000) * 600_000;
      headers.set(
        "Authorization",
        `Bearer ${await signAccessToken({ userId, role, sessionId }, env.JWT_SECRET, signedAt)}`,
      );
    }
    const host = random.pick(["dealership.test", "old.test", "edge.workers.test"]);
    return new Request(`https://${host}${path}`, { ...more, headers });
  }

  /** The body without what is of this request alone. @throws when it names another request */
  const neutral = (request: Request, body: string): string => {
    const id = /"request_id":"([^"]*)"/.exec(body)?.[1];
    if (id !== undefined && id !== request.headers.get("X-Request-Id")) throw new Error(`it names ${id}`);
    return body.replace(/"request_id":"[^"]*"/, "");
  };

  /** Whose answer it is: a customer sees of the stock what anybody sees, and some answers are the same for all. */
  const ownerOf = (caller: Caller, path: string): Caller["as"] => {
    if (path === photoPath || !path.startsWith("/api/") || caller.as === "nobody") return caller.as;
    return publicPaths.includes(path) && caller.as !== "sam" ? "anybody" : caller.as;
  };

  /** What each caller would have been answered directly, since each change. */
  const truth: { since: number; answers: Map<string, Seen> }[] = [];
  async function remember(): Promise<void> {
    const before = truth.at(-1)?.answers;
    const answers = new Map<string, Seen>(before);
    const asked = new Set<string>();
    const changing = [...publicPaths, photoPath, ...privatePaths];
    await Promise.all(
      callers.flatMap((caller) =>
        (before ? changing : paths).map(async (path) => {
          const key = `${ownerOf(caller, path)} ${path}`;
          if (asked.has(key)) return;
          asked.add(key);
          const request = await requestOf(caller, path);
          const direct = await ask(request, DIRECT);
          answers.set(key, { status: direct.status, body: neutral(request, await direct.text()) });
        }),
      ),
    );
    truth.push({ since: Date.now(), answers });
  }

  /** The answers that were true within the last seconds. */
  const trueWithin = (caller: Caller, path: string, seconds: number): Seen[] =>
    truth
      .filter(
        (_, index) => (truth[index + 1]?.since ?? Number.POSITIVE_INFINITY) > Date.now() - seconds * 1000,
      )
      .map(({ answers }) => answers.get(`${ownerOf(caller, path)} ${path}`) as Seen);

  /** What a caller has read with an entity tag, as a browser keeps it. */
  const kept = new Map<string, { tag: string; seen: Seen }>();

  async function readAs(caller: Caller, path: string, bookmark?: string): Promise<void> {
    const what = `step of seed ${seed}: ${caller.name} reads ${path}${bookmark ? " with a bookmark" : ""}`;
    const own = kept.get(`${caller.name} ${path}`);
    const request = await requestOf(caller, path, {
      method: random.chance(0.1) ? "HEAD" : "GET",
      headers: {
        ...(own && random.chance(0.4) ? { "If-None-Match": own.tag } : {}),
        ...(bookmark ? { "X-D1-Bookmark": bookmark } : {}),
      },
    });
    const answer = await fetch(request);
    const text = await answer.text();
    const status = answer.headers.get("Cf-Cache-Status") as CacheStatus;
    const fault = (why: string) => faults.push(`${what}: ${why} (${status})`);

    const id = answer.headers.get("X-Request-Id");
    if (id !== null && id !== request.headers.get("X-Request-Id")) fault(`it is named ${id}`);
    if (status !== "BYPASS" && answer.headers.has("RateLimit-Policy")) fault("it has the limit of another");
    if (answer.headers.has("Set-Cookie")) fault("it sets a cookie");
    const origin = caller.headers?.["Origin"] ?? "";
    const allowed = path.startsWith("/api/") && SHOPS.includes(origin) ? origin : null;
    if (answer.headers.get("Access-Control-Allow-Origin") !== allowed && answer.status < 300)
      fault(`it allows ${answer.headers.get("Access-Control-Allow-Origin")}`);
    if (answer.status >= 400 && answer.headers.get("Cache-Control") !== "no-store" && status !== "BYPASS")
      fault("a problem is kept");

    let seen: Seen;
    try {
      seen = { status: answer.status, body: neutral(request, text) };
    } catch (error) {
      fault(String(error));
      return;
    }
    if (answer.status === 304) {
      if (own?.tag !== answer.headers.get("ETag")) fault("304 for another tag");
      seen = own?.seen ?? seen;
    }
    const tag = answer.headers.get("ETag");
    if (tag && request.method === "GET" && answer.status === 200)
      kept.set(`${caller.name} ${path}`, { tag, seen });

    const isPublic = publicPaths.includes(path) && !bookmark && caller.as !== "sam" && caller.as !== "nobody";
    const age = !isPublic ? 0 : power.isDown ? OUTAGE_SECONDS : PROMISE_SECONDS;
    const isTrue = ({ status: code, body }: Seen) =>
      code === seen.status && (request.method === "HEAD" || body === seen.body);
    const isOutage = power.isDown && seen.status === 503;
    if (!isOutage && !trueWithin(caller, path, age).some(isTrue))
      fault(`it was not true within ${age} seconds: ${seen.status} ${seen.body.slice(0, 200)}`);
  }

  let booking: string | undefined;
  /** A write through the cache. Its author reads at once what they changed. */
  async function write(): Promise<void> {
    const json = { "Content-Type": "application/json" };
    const send = async (caller: Caller, method: string, path: string, body?: object) => {
      const request = await requestOf(caller, path, {
        method,
        headers: body ? json : {},
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const answer = await fetch(request);
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path} as ${caller.name}: ${answer.status} ${text}`);
      await remember();
      const bookmark = answer.headers.get("X-D1-Bookmark");
      if (!bookmark) throw new Error(`${method} ${path} has no bookmark`);
      for (const read of publicPaths.slice(0, 3)) {
        await readAs(caller, read, bookmark);
        await readAs(anonymous, read, bookmark);
      }
      await readAs(anonymous, photoPath);
      return text;
    };
    const [asSam, asAnn] = [callers.find(({ as }) => as === "sam"), callers.find(({ as }) => as === "ann")];
    if (!asSam || !asAnn) throw new Error("nobody writes");
    const row = await db.select({ status: cars.status }).from(cars).where(eq(cars.id, carId)).get();
    if (row?.status === "REMOVED") {
      await send(asSam, "PATCH", `/api/cars/${carId}/`, { status: "AVAILABLE" });
    } else if (random.chance(0.3)) {
      if (random.chance(0.5)) await send(asSam, "DELETE", `/api/cars/${carId}/`);
      else await send(asSam, "PATCH", `/api/cars/${carId}/`, { status: "REMOVED" });
      booking = undefined;
    } else if (random.chance(0.4)) {
      await send(asSam, "PATCH", `/api/cars/${carId}/`, { mileage: random.between(1, 99_999) });
    } else if (booking) {
      await send(asAnn, "PATCH", `/api/bookings/${booking}/cancel/`);
      booking = undefined;
    } else {
      const start_at = iso(slot(3, random.between(0, 7)));
      booking = JSON.parse(await send(asAnn, "POST", "/api/bookings/", { car: carId, start_at })).id;
    }
  }

  await remember();
  for (let step = 0; step < steps && faults.length === 0; step += 1) {
    const chance = random.next();
    if (chance < 0.04 && !power.isDown) await write();
    else if (chance < 0.08 && !power.isDown) {
      // Another isolate's write: this one's memory does not learn of it.
      const change = { mileage: random.between(1, 99_999), version: 1000 + step };
      await db.update(cars).set(change).where(eq(cars.id, carId));
      await remember();
    } else if (chance < 0.1) power.isDown = !power.isDown;
    else if (chance < 0.25)
      vi.setSystemTime(Date.now() + random.pick([0.4, 1, 3, 6, 10, 20, 26, 60, 270, 301]) * 1000);
    else if (random.chance(0.6))
      await readAs(random.pick(ANONYMOUS.slice(0, 3)), random.pick(publicPaths.slice(0, 2)));
    else await readAs(random.pick(callers), random.pick(paths));
    await settle();
  }
  return { faults, taken };
}

const isPublic = (headers: Headers) => headers.get("Cache-Control")?.startsWith("public");

/** Changes the `Cache-Control` of shared answers about the stock. */
const withCacheControl = (change: (header: string) => string): Mutant => ({
  answer: (headers) => {
    if (isPublic(headers)) headers.set("Cache-Control", change(headers.get("Cache-Control") ?? ""));
  },
});

const withoutVary = (name: string): Mutant => ({
  answer: (headers) => {
    const names = (headers.get("Vary") ?? "").split(", ").filter((other) => other !== name);
    headers.set("Vary", names.join(", "));
  },
});

/** Careless Workers: each breaks one rule. */
const MUTANTS: Record<string, Mutant> = {
  "sends a private answer without Cache-Control": {
    answer: (headers) => {
      if (!isPublic(headers)) headers.delete("Cache-Control");
    },
  },
  "names the first request in a shared answer": {
    answer: (headers, request) => headers.set("X-Request-Id", request.headers.get("X-Request-Id") ?? ""),
  },
  "names the rate limit in a shared answer": {
    answer: (headers) => headers.set("RateLimit-Policy", '"address";q=20000;w=60'),
  },
  "does not vary by token": withoutVary("Authorization"),
  "does not vary by bookmark": withoutVary("X-D1-Bookmark"),
  "does not vary by origin": withoutVary("Origin"),
  "builds links from the host of the request": {
    body: (text, request) => text.replaceAll(env.PUBLIC_URL, new URL(request.url).origin),
  },
  "lets problems be kept": {
    answer: (headers) => {
      if (headers.get("Content-Type")?.includes("problem"))
        headers.set("Cache-Control", "public, max-age=60");
    },
  },
  "lets a cache revalidate for ten minutes": withCacheControl((header) =>
    header.replace("revalidate=25", "revalidate=600"),
  ),
  "sets no bound to stale answers while it fails": withCacheControl((header) =>
    header.replace(/, stale-if-error=\d+/, ""),
  ),
  "does not purge": { purge: async () => ({ success: true, errors: [] }) },
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("behind the platform's cache", () => {
  test("everybody gets what is theirs, no older than promised, and authors see their writes at once", async () => {
    const all: Record<string, number> = {};
    for (let seed = 1; seed <= 3; seed += 1) {
      const { faults, taken } = await run(seed, 150);
      expect(faults).toEqual([]);
      for (const [status, count] of Object.entries(taken)) all[status] = (all[status] ?? 0) + count;
    }
    console.log(all);
    for (const status of ["HIT", "MISS", "BYPASS", "UPDATING", "STALE", "EXPIRED", "REVALIDATED"])
      expect(all[status], status).toBeGreaterThan(0);
  }, 300_000);

  test.each(Object.entries(MUTANTS))(
    "a Worker that %s is found out",
    async (_, mutant) => {
      let faults: string[] = [];
      for (let seed = 1; seed <= 20 && faults.length === 0; seed += 1)
        ({ faults } = await run(seed, 150, mutant));
      expect(faults).not.toEqual([]);
    },
    300_000,
  );
});

describe("an answer that may be shared", () => {
  const asked = (path: string, cache?: CacheContext) =>
    ask(new Request(`https://dealership.test${path}`), CACHED, cache);
  const front = new SharedCache(async () => new Response());

  test("names its request and the rate limit, unless the platform's cache is in front", async () => {
    const path = `/api/cars/${await car()}/`;
    const own = (await asked(path)).headers;
    expect([own.get("X-Request-Id"), own.get("RateLimit-Policy")]).not.toContain(null);
    for (const shared of [path, "/docs", "/openapi.json"])
      expect([...(await asked(shared, front)).headers.keys()]).not.toContain("x-request-id");
    expect((await asked(path, front)).headers.get("RateLimit-Policy")).toBeNull();
    for (const private_ of ["/api/nothing", "/nothing", "/healthz", "/readyz", "/api/auth/me"])
      expect((await asked(private_, front)).headers.get("X-Request-Id"), private_).not.toBeNull();
  });
});

describe("the purge of photos", () => {
  /** A cache that records its purges, and answers each with what `purged` returns. */
  function recording(purged: () => Promise<CachePurgeResult>) {
    const calls: CachePurgeOptions[] = [];
    const purge = (options: CachePurgeOptions) => {
      calls.push(options);
      return purged();
    };
    return { calls, cache: { purge, invalidate: purge } };
  }
  const works = async () => ({ success: true, errors: [] });

  async function send(method: string, path: string, cache: CacheContext, json?: object): Promise<number> {
    const { token } = await person("SALES");
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const request = new Request(`https://dealership.test${path}`, {
      method,
      headers,
      ...(json ? { body: JSON.stringify(json) } : {}),
    });
    return (await ask(request, CACHED, cache)).status;
  }

  test("is one call for a car that leaves the stock, and none for another change", async () => {
    const { calls, cache } = recording(works);
    const id = await car();
    const path = `/api/cars/${id}/`;
    expect(await send("PATCH", path, cache, { mileage: 7 })).toBe(200);
    expect(await send("PATCH", path, cache, { status: "RESERVED" })).toBe(200);
    expect(calls).toEqual([]);
    const ofCar = { tags: [`photos-of-${id}`] };
    expect(await send("PATCH", path, cache, { status: "REMOVED" })).toBe(200);
    expect(calls).toEqual([ofCar]);
    expect(await send("DELETE", path, cache), "a repeated removal repeats the purge").toBe(204);
    expect(calls).toEqual([ofCar, ofCar]);
    expect(await send("DELETE", `/api/cars/${crypto.randomUUID()}/`, cache)).toBe(404);
    expect(calls).toHaveLength(2);
  });

  test("is one call for a photo that is deleted", async () => {
    const { calls, cache } = recording(works);
    const [carId, id] = [await car(), crypto.randomUUID()];
    await db.insert(carPhotos).values({ ...photoRow(carId, id) });
    expect(await send("DELETE", `/api/cars/${carId}/photos/${id}/`, cache)).toBe(204);
    expect(calls).toEqual([{ tags: [`photo-${id}`] }]);
    expect(await send("DELETE", `/api/cars/${carId}/photos/${id}/`, cache)).toBe(404);
    expect(calls).toHaveLength(1);
  });

  test.each([
    ["refused", async () => ({ success: false, errors: [{ code: 1, message: "too many" }] })],
    ["broken", () => Promise.reject(new Error("no cache"))],
  ])("that is %s is logged with its tags, and the removal stands", async (_, purged) => {
    const { cache } = recording(purged);
    const logged = vi.spyOn(console, "warn").mockImplementation(() => {});
    const id = await car();
    expect(await send("DELETE", `/api/cars/${id}/`, cache)).toBe(204);
    const line = logged.mock.calls.flat().find((text) => String(text).includes("cache.not_purged"));
    expect(String(line)).toContain(`photos-of-${id}`);
    logged.mockRestore();
  });
});
