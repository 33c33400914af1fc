/**
 * Sends good and bad requests of every operation as every kind of caller, and holds each answer against the OpenAPI
 * document. What good requests make is remembered and used by later ones: created, read, changed, removed.
 */

import { createHash } from "node:crypto";
import { FIRST_SHOWROOM } from "../../src/db/schema.ts";
import { Random } from "../random.ts";
import { PASSWORD, type Server } from "../server/server.ts";
import { type Document, type Operation, readOperations, resolve } from "./document.ts";
import { anything, goodValue, NASTY_TEXTS, wrongKind } from "./values.ts";

/** A fault that the fuzzer found. */
export type Finding = { operation: string; what: string; request: string; answer: string };

/** The result of a run. */
export type Report = {
  requests: number;
  statuses: Record<string, number>;
  silent: string[];
  findings: Finding[];
};

const ROLES = ["anonymous", "CUSTOMER", "SALES", "ADMIN"] as const;
type Caller = (typeof ROLES)[number];

/** The kinds of things whose ids are remembered. */
type Kind =
  | "car"
  | "booking"
  | "sale"
  | "staff"
  | "user"
  | "notification"
  | "refresh"
  | "showroom"
  | "specialHours";

/** Operations that hash a password: a quarter of a second of work each, so they come up seldom. */
const SLOW = new Set(["register", "login", "changePassword", "resetPassword", "createStaff", "eraseMe"]);
const WORKERS = 6;
/** How long the callers' tokens are used: half the time they are good for. */
const SIGNED_IN_MS = 15 * 60 * 1000;
const MAX_FINDINGS = 25;
/** How many callers can choose a new password. */
const FORGETFUL = 200;

type Sent = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | FormData | undefined;
  /** Whether the request is surely invalid, so that an answer of success is a finding. */
  mustFail: boolean;
  /** Whether something else than the caller's role may be refused before it. */
  isOddOutside: boolean;
  /** Whether the path was bent, so that it may lead to another operation, or to none. */
  isElsewhere: boolean;
};

/** A one-pixel PNG. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** Headers and body as they are sent. A form goes out in one piece: a refusal may close the connection before the rest. */
async function inOnePiece({ headers, body }: Sent) {
  if (!(body instanceof FormData)) return { headers, ...(body === undefined ? {} : { body }) };
  const form = new Response(body);
  const type = form.headers.get("Content-Type") ?? "";
  return { headers: { "Content-Type": type, ...headers }, body: await form.arrayBuffer() };
}

/** Runs the fuzzer against a server until the number of its requests is enough. */
export async function fuzz(
  server: Server,
  seed: number,
  isEnough: (requests: number) => boolean,
): Promise<Report> {
  const document: Document = (await server.call("GET", "/openapi.json")).body;
  const operations = readOperations(document);
  const random = new Random(seed);
  const world = await makeWorld(server, random);
  const report: Report = { requests: 0, statuses: {}, silent: [], findings: [] };
  const succeeded = new Set<string>();
  const seen = new Set<string>();

  const worker = async () => {
    while (!isEnough(report.requests) && report.findings.length < MAX_FINDINGS) {
      const operation = random.pick(operations);
      if (SLOW.has(operation.id) && random.chance(0.8)) continue;
      const caller = pickCaller(operation, random);
      const sent = prepare(document, operation, world, random);
      const token = await world.tokenOf(caller);
      if (token && !sent.headers["Authorization"]) sent.headers["Authorization"] = `Bearer ${token}`;
      const response = await fetch(new URL(sent.path, server.url), {
        method: sent.method,
        redirect: "manual",
        ...(await inOnePiece(sent)),
      });
      const text = await response.text();
      report.requests += 1;
      report.statuses[response.status] = (report.statuses[response.status] ?? 0) + 1;
      if (response.ok) {
        succeeded.add(operation.id);
        world.remember(operation.id, text);
      }
      const what = fault(operation, caller, sent, response, text);
      const key = `${operation.id} ${what}`;
      if (!what || seen.has(key)) continue;
      seen.add(key);
      report.findings.push({
        operation: operation.id,
        what,
        request: `${caller}: ${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} ${String(sent.body).slice(0, 400)}`,
        answer: `${response.status} ${text.slice(0, 400)}`,
      });
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  report.silent = operations.map(({ id }) => id).filter((id) => !succeeded.has(id));
  return report;
}

/** Mostly a caller with an allowed role, sometimes any caller. */
function pickCaller(operation: Operation, random: Random): Caller {
  const may = ROLES.filter((role) => !operation.roles || operation.roles.includes(role));
  return random.chance(0.8) ? random.pick(may) : random.pick(ROLES);
}

/** The fault of an answer. */
function fault(
  operation: Operation,
  caller: Caller,
  sent: Sent,
  response: Response,
  text: string,
): string | undefined {
  const { status } = response;
  if (status >= 500) return `answers ${status}`;
  if (!response.headers.get("X-Request-Id")) return "carries no X-Request-Id";
  if (sent.isElsewhere) return undefined;
  const misfit = operation.judge(status, response.headers.get("Content-Type"), text);
  if (misfit) return misfit;
  if (sent.mustFail && status < 400) return "accepts what is surely invalid";
  if (sent.isOddOutside || operation.roles === undefined) return undefined;
  if (caller === "anonymous" && status !== 401) return `answers ${status} to somebody who did not sign in`;
  if (caller !== "anonymous" && !operation.roles.includes(caller) && status !== 403)
    return `answers ${status} to ${caller}, who may not`;
  return undefined;
}

/** A request of an operation: good in half the cases, else with one thing wrong. */
function prepare(document: Document, operation: Operation, world: World, random: Random): Sent {
  const hints = (name: string) => world.hint(operation.id, name);
  const good = (schema: object, name: string) => goodValue(document, schema, random, hints, name);
  let isOddOutside = false;
  let isElsewhere = false;
  let mustFail = false;

  let path = operation.path;
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const { name, in: place, required, schema } of operation.parameters) {
    if (place === "path")
      path = path.replace(`{${name}}`, encodeURIComponent(String(good(schema, `path:${name}`))));
    if (place === "query" && (required || random.chance(0.25))) query.set(name, String(good(schema, name)));
    if (name === "Idempotency-Key" && random.chance(0.3)) headers[name] = `fuzz-${random.between(0, 50)}`;
  }
  let json: unknown = operation.body && good(operation.body.schema, "");
  let raw: string | FormData | undefined;
  let contentType = "application/json";

  if (random.chance(0.5)) {
    const known = operation.body && resolve(document, operation.body.schema);
    const members = Object.keys(known?.properties ?? {});
    const isForm = operation.body?.type.startsWith("multipart") ?? false;
    const bend: Array<() => void> = [
      () => {
        query.set(random.pick(["colour", "page[]", "__proto__", "constructor"]), "1");
        mustFail =
          operation.method === "GET" && operation.parameters.some((parameter) => parameter.in === "query");
      },
      () => {
        const { name } = random.pick(operation.parameters.filter((parameter) => parameter.in === "query"));
        query.set(name, random.pick(NASTY_TEXTS));
      },
      () => {
        const { name } = random.pick(operation.parameters.filter((parameter) => parameter.in === "query"));
        query.append(name, "1");
        query.append(name, "2");
        mustFail = true;
      },
      () => {
        isElsewhere = true;
        path = path.replace(
          /[0-9a-f]{8}-[0-9a-f-]{27}/,
          encodeURIComponent(random.pick(NASTY_TEXTS).toWellFormed()),
        );
      },
      () => {
        isOddOutside = true;
        headers["Authorization"] = random.pick([
          "Bearer",
          "Bearer x",
          "Basic YTpi",
          "Bearer a.b.c",
          "x".repeat(5000),
        ]);
      },
      () => {
        isOddOutside = true;
        headers["X-D1-Bookmark"] = random.pick(["x", "0-0-0-0", "'; --", "a".repeat(2000)]);
      },
      () => {
        headers["X-Request-Id"] = random.pick(["ok-1", "<script>", "a b", "x".repeat(1000)]);
      },
      () => {
        headers["If-None-Match"] = random.pick(["*", '"x"', "x", 'W/"1"', ","]);
        headers["If-Match"] = random.pick(["*", '"x"', "x", 'W/"1"']);
      },
    ];
    if (json !== undefined && !isForm)
      bend.push(
        () => {
          json = { ...(json as object), surely_unknown: anything(random) };
          mustFail = true;
        },
        () => {
          const member = random.pick(members);
          const wrong = known?.properties?.[member]?.readOnly
            ? undefined
            : wrongKind(document, known?.properties?.[member] ?? {}, random);
          if (wrong === undefined) return;
          json = { ...(json as object), [member]: wrong };
          mustFail = true;
        },
        () => {
          json = { ...(json as object), [random.pick(members)]: anything(random) };
        },
        () => {
          const member = random.pick(known?.required ?? []);
          json = Object.fromEntries(Object.entries(json as object).filter(([name]) => name !== member));
          mustFail = true;
        },
        () => {
          json = random.pick<unknown>([null, [], "text", 5, [[[]]]]);
          mustFail = true;
        },
        () => {
          raw = random.pick(["", "{", "[1,", "nul", "\u0000", '{"a":1}}', "{'a':1}", "[".repeat(5000)]);
          mustFail = raw !== "" || operation.body?.isRequired === true;
        },
        () => {
          contentType = random.pick([
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "nonsense",
          ]);
          mustFail = true;
        },
        () => {
          raw = JSON.stringify({ ...(json as object), surely_unknown: "x".repeat(100_000) });
          isOddOutside = true;
          mustFail = true;
        },
      );
    try {
      random.pick(bend)();
    } catch {
      // There was nothing of that kind to bend.
    }
  }
  if (operation.body?.type.startsWith("multipart")) {
    const form = new FormData();
    const bytes = random.chance(0.6) ? PIXEL : Buffer.from(random.pick(NASTY_TEXTS));
    form.set("file", new Blob([bytes]), "photo.png");
    if (random.chance(0.3)) form.set("alt_text", random.pick(NASTY_TEXTS));
    if (random.chance(0.3)) form.set("is_primary", random.pick(["true", "false", "maybe"]));
    raw = form;
  } else if (json !== undefined || raw !== undefined) {
    headers["Content-Type"] = contentType;
    raw ??= JSON.stringify(json);
  }
  const search = query.size > 0 ? `?${query}` : "";
  const slash = random.chance(0.5) ? "/" : "";
  return {
    method: operation.method,
    path: `${path}${slash}${search}`,
    headers,
    body: raw,
    mustFail,
    isOddOutside,
    isElsewhere,
  };
}

/** Goes on with a session: names and passwords may have changed since, by what was sent. */
async function renew(server: Server, person: { token: string; refresh: string }): Promise<void> {
  const { status, body } = await server.call("POST", "/api/auth/refresh/", {
    json: { refresh: person.refresh },
  });
  if (status !== 200) throw new Error(`a session of the fuzzer ended: ${JSON.stringify(body)}`);
  person.token = body.access;
  person.refresh = body.refresh;
}

/** Creates users with a password reset; returns their tokens. One batch, because idle connections may be closed by now. */
async function forgetful(server: Server, count: number): Promise<string[]> {
  const resets = Array.from({ length: count }, (_, index) => ({
    id: crypto.randomUUID(),
    token: crypto.randomUUID(),
    name: `fuzz-forgetful-${index}`,
  }));
  await server.db.batch(
    resets.flatMap(({ id, token, name }) => [
      server.db
        .prepare(
          `INSERT INTO users (id, role, username, username_key, password_hash, created_at, updated_at)
           VALUES (?, 'CUSTOMER', ?2, ?2, '', 0, 0)`,
        )
        .bind(id, name),
      server.db
        .prepare(
          "INSERT INTO password_resets (token_hash, user_id, created_at, expires_at) VALUES (?, ?, 0, 9e12)",
        )
        .bind(createHash("sha256").update(token).digest("hex"), id),
    ]),
  );
  return resets.map(({ token }) => token);
}

type World = Awaited<ReturnType<typeof makeWorld>>;

/** Who and what there is: one user of each role, and the things that earlier requests made. */
async function makeWorld(server: Server, random: Random) {
  const signUp = async (name: string, role: string) => {
    const { access, refresh, user } = await server.customer(name);
    await server.db.prepare("UPDATE users SET role = ? WHERE id = ?").bind(role, user.id).run();
    if (role !== "CUSTOMER")
      await server.db
        .prepare(
          "INSERT INTO staff_profiles (id, user_id, salary_cents, commission_rate, hire_date, created_at, updated_at) VALUES (?, ?, 100, 250, '2020-01-01', 0, 0)",
        )
        .bind(crypto.randomUUID(), user.id)
        .run();
    return { token: access, refresh, id: user.id };
  };
  const customer = await signUp("fuzz-customer", "CUSTOMER");
  const sales = await signUp("fuzz-sales", "SALES");
  const admin = await signUp("fuzz-admin", "ADMIN");
  const people = { CUSTOMER: customer, SALES: sales, ADMIN: admin };
  let signedInAt = Date.now();
  // Reset tokens are mailed and nowhere else, so these people's are put where their hashes are kept.
  const resets = await forgetful(server, FORGETFUL);
  const spare = await server.customer("fuzz-spare");

  /** Ids by kind, newest kept. */
  const pools: Record<Kind, string[]> = {
    car: await Promise.all(Array.from({ length: 10 }, (_, i) => server.car(`FUZZ${i}`))),
    booking: [],
    sale: [],
    staff: [],
    user: [],
    notification: [],
    refresh: [spare.refresh],
    showroom: [],
    specialHours: [],
  };
  /** The showroom that has the special hours. */
  let branch: string = crypto.randomUUID();
  const add = (kind: Kind, id: unknown) => {
    if (typeof id === "string") pools[kind] = [...pools[kind].slice(-20), id];
  };
  const from = (kind: Kind) => (pools[kind].length > 0 ? random.pick(pools[kind]) : crypto.randomUUID());
  /** A car with photos, as it was last seen. */
  let pictured = { car: from("car"), photos: [crypto.randomUUID() as string], file: "none.webp" };
  let made = 0;

  const KIND_OF_PATH: Array<[RegExp, Kind]> = [
    [/Booking/, "booking"],
    [/Sale/, "sale"],
    [/Staff/, "staff"],
    [/User/, "user"],
    [/Notification/, "notification"],
    [/Showroom/, "showroom"],
  ];

  return {
    /** An access token of a caller; a new one before the old one ends, for a run may take longer than it is good for. */
    async tokenOf(caller: Caller): Promise<string | undefined> {
      if (caller === "anonymous") return undefined;
      if (Date.now() > signedInAt + SIGNED_IN_MS) {
        signedInAt = Date.now();
        for (const person of Object.values(people)) await renew(server, person);
      }
      return people[caller].token;
    },

    /** A good value for a member, parameter or path part that its schema alone does not give. */
    hint(operation: string, name: string): unknown {
      switch (name) {
        case "path:photo_id":
          return random.pick(pictured.photos);
        case "path:id":
          if (/SpecialHours/.test(operation)) return branch;
          if (/Photo/.test(operation)) return operation === "addPhoto" ? from("car") : pictured.car;
          return from(KIND_OF_PATH.find(([pattern]) => pattern.test(operation))?.[1] ?? "car");
        case "path:special_id":
          return from("specialHours");
        case "showroom":
          return FIRST_SHOWROOM;
        case "code":
          made += 1;
          return `fuzz-${made}`;
        case "time_zone":
          return "Asia/Tokyo";
        case "car":
          return from("car");
        case "customer":
          return customer.id;
        case "salesperson":
          return sales.id;
        case "path:name":
          return pictured.file;
        case "photos":
          return pictured.photos;
        case "start_at":
          return `${new Date(Date.now() + random.between(1, 40) * 86_400_000).toISOString().slice(0, 10)}T${String(random.between(9, 16)).padStart(2, "0")}:00`;
        case "sale_datetime":
          return undefined;
        case "vin":
          made += 1;
          return `FZ${Date.now().toString(36)}${made}`.toUpperCase();
        case "username":
          if (operation === "login") return "fuzz-spare";
          made += 1;
          return `fuzz-${made}-${random.between(0, 1e9)}`;
        case "password":
          // The caller is needed.
          return operation === "eraseMe" ? `not ${PASSWORD}` : PASSWORD;
        case "current_password":
        case "new_password":
          return PASSWORD;
        case "token":
          return resets.pop() ?? crypto.randomUUID();
        case "refresh":
          return from("refresh");
        case "sale_price":
        case "salary":
        case "base_price":
          return `${random.between(20_000, 99_999)}.00`;
        case "discount_price":
          return `${random.between(1, 19_999)}.50`;
        case "commission_rate":
          return `${random.between(0, 100)}.00`;
        case "currency":
          return "EUR";
        case "year":
          return random.between(1990, 2026);
        case "page":
          return random.pick([1, 1, 1, 2]);
        case "email":
          made += 1;
          return random.chance(0.3) ? "fuzz-spare@example.com" : `fuzz-${made}@example.com`;
        case "phone":
          return "+49 30 1";
        default:
          return undefined;
      }
    },

    /** Notes what a successful answer speaks of. */
    remember(operation: string, text: string): void {
      if (text === "" || operation === "getPhotoFile") return;
      const body = JSON.parse(text);
      const things = Array.isArray(body?.results) ? body.results : [body];
      for (const thing of things) {
        if (/^(create|get|list|update|replace)Cars?$/.test(operation)) {
          add("car", thing.id);
          if (thing.photos?.length > 0) {
            const photos = thing.photos.map((photo: { id: string }) => photo.id);
            pictured = {
              car: thing.id,
              photos,
              file: new URL(thing.photos[0].url).pathname.replace("/photos/", ""),
            };
          }
        }
        if (/Booking/.test(operation)) add("booking", thing.id);
        if (/Sale/.test(operation)) add("sale", thing.id);
        // Never the callers' own: they are needed.
        if (operation === "createStaff") add("staff", thing.id);
        if (operation === "register") add("user", thing.id);
        // Never the one in which the cars stand: their slots are needed.
        if (operation === "createShowroom") {
          if (pools.showroom.length === 0) branch = thing.id;
          add("showroom", thing.id);
        }
        if (operation === "createSpecialHours") add("specialHours", thing.id);
        if (/Notification/.test(operation)) add("notification", thing.id);
        if (/^(login|refresh)$/.test(operation)) add("refresh", thing.refresh);
      }
    },
  };
}
