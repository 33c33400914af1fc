import { env, exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { problemSchema } from "../../src/http/problems.ts";
import { answer, call, car, iso, person, slot } from "../support/world.ts";

describe("paths", () => {
  test.each(["/api/cars", "/api/cars/", "/api/cars?page=1", "/api/cars/?page=1"])(
    "%s answers without a redirect",
    async (path) => {
      expect((await call("GET", path)).status).toBe(200);
    },
  );

  test.each(["/api/c%61rs", "/api/c%61rs/", "/api/%63ars/?page=1"])(
    "%s, percent-encoded, is the same path",
    async (path) => {
      const found = await answer(call("GET", path));
      expect(found.status).toBe(200);
      expect(found.body).toHaveProperty("results");
    },
  );

  test("the id of a car may be percent-encoded", async () => {
    const id = await car();
    const encoded = `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`;
    for (const path of [`/api/cars/${encoded}`, `/api/cars/${encoded}/`])
      expect((await answer(call("GET", path))).body.id).toBe(id);
  });

  test.each(["/api/auth/login", "/api/auth/login/"])("POST %s reaches its handler", async (path) => {
    const refused = await answer(call("POST", path, { json: { username: "nobody", password: "wrong" } }));
    expect([refused.status, refused.body.code]).toEqual([401, "invalid_credentials"]);
  });

  test("HEAD gets the headers of GET and no body", async () => {
    const response = await call("HEAD", `/api/cars/${await car()}`);
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("a wrong method gets 405 with the allowed methods", async () => {
    for (const path of ["/api/cars", "/api/cars/"]) {
      const refused = await answer(call("PATCH", path));
      expect(refused.status).toBe(405);
      expect(refused.headers.get("Allow")).toBe("GET, HEAD, OPTIONS, POST");
      expect(problemSchema.parse(refused.body).code).toBe("method_not_allowed");
    }
  });

  test("an unknown path gets a problem, not a page", async () => {
    for (const path of ["/nothing", "/api/nothing", "/api/cars/x/y/z", "/docs/none.js"]) {
      const refused = await answer(call("GET", path));
      expect(refused.status).toBe(404);
      expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
      expect(problemSchema.parse(refused.body)).toMatchObject({ status: 404, code: "not_found" });
    }
  });

  test("a CORS preflight is answered", async () => {
    const response = await call("OPTIONS", "/api/bookings/", {
      headers: { Origin: "http://shop.example", "Access-Control-Request-Method": "POST" },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe("http://shop.example");
    expect(response.headers.get("Access-Control-Allow-Methods")).toContain("POST");
  });
});

test("every response names its request, says how it may be cached, requires HTTPS, and must not be read as another type", async () => {
  const path = `/api/cars/${await car()}/`;
  const answers = [
    call("GET", path),
    call("GET", path, { headers: { "If-None-Match": '"1"' } }),
    call("GET", path, { headers: { Authorization: "Bearer nonsense" } }),
    call("GET", "/api/nothing/"),
    call("PATCH", "/api/cars/"),
    call("OPTIONS", path),
    call("OPTIONS", path, {
      headers: { Origin: "http://shop.example", "Access-Control-Request-Method": "GET" },
    }),
    call("GET", "/healthz"),
    call("GET", "/docs"),
    call("HEAD", path),
    call("HEAD", "/openapi.json"),
    call("GET", "/readyz"),
    call("GET", "/style.css"),
    call("GET", "/nothing"),
    call("GET", "/photos/none.webp"),
    call("OPTIONS", "/docs"),
    call("POST", "/healthz"),
  ];
  const seen = await Promise.all(answers);
  expect(seen.map(({ status }) => status)).toEqual([
    200, 304, 401, 404, 405, 204, 204, 200, 200, 200, 200, 200, 200, 404, 404, 204, 405,
  ]);
  for (const { url, headers } of seen) {
    expect(headers.get("X-Request-Id"), url).toMatch(/^[\w-]{8,64}$/);
    expect(headers.get("Cache-Control"), url).toMatch(
      /^(no-store|private, no-cache|public, max-age=60, .*)$/,
    );
    expect(headers.get("Strict-Transport-Security"), url).toContain("max-age=");
    expect(headers.get("X-Content-Type-Options"), url).toBe("nosniff");
  }
});

test("a response to one caller must not be stored by caches", async () => {
  const { token } = await person();
  expect((await call("GET", "/api/auth/me/", { token })).headers.get("Cache-Control")).toBe("no-store");
});

describe("a request id", () => {
  test("of a valid form is kept and named in the problem", async () => {
    const refused = await answer(call("GET", "/api/nothing", { headers: { "X-Request-Id": "trace-42" } }));
    expect(refused.headers.get("X-Request-Id")).toBe("trace-42");
    expect(refused.body.request_id).toBe("trace-42");
  });

  test("of an invalid form is replaced", async () => {
    for (const odd of ["a b", "<script>", "x".repeat(300)]) {
      const response = await call("GET", "/api/cars/", { headers: { "X-Request-Id": odd } });
      expect(response.headers.get("X-Request-Id")).toMatch(/^[\w-]{8,64}$/);
    }
  });
});

describe("invalid input", () => {
  const post = async (json: unknown) => {
    const { token } = await person();
    return answer(call("POST", "/api/bookings/", { token, json }));
  };
  const valid = async () => ({ car: await car(), start_at: iso(slot(2)) });

  test.each([
    ["a number for the car", { car: 5 }, "car"],
    ["no UUID", { car: "abc" }, "car"],
    ["a NUL character in the notes", { notes: "a\u0000b" }, "notes"],
    ["half a surrogate pair in the notes", { notes: "\ud800" }, "notes"],
    ["2,001 characters of notes", { notes: "n".repeat(2001) }, "notes"],
    ["notes that are nested arrays", { notes: [[[[]]]] }, "notes"],
    ["null notes", { notes: null }, "notes"],
    ["an unknown field", { status: "APPROVED" }, "status"],
  ])("%s is refused with the field named", async (_, change, field) => {
    const refused = await post({ ...(await valid()), ...change });
    expect(refused.status).toBe(400);
    expect(problemSchema.parse(refused.body).errors?.map((error) => error.field)).toContain(field);
  });

  test("an unknown field is refused with the allowed ones named", async () => {
    const refused = await post({ ...(await valid()), colour: "red" });
    expect(refused.body.errors).toEqual([
      {
        field: "colour",
        code: "unknown_field",
        message: "Unknown; allowed are car, start_at, notes, customer, salesperson",
      },
    ]);
  });

  test("a missing field is reported as required", async () => {
    const refused = await post({});
    expect(refused.body.errors).toMatchObject([
      { field: "car", code: "required" },
      { field: "start_at", code: "required" },
    ]);
  });

  test.each(["", "{", "[", "null", "[]", "5", '"text"', `{"a":1}}`, "\u0000", "NaN"])(
    "the body %j is refused with 400",
    async (body) => {
      const { token } = await person();
      const headers = { "Content-Type": "application/json" };
      const refused = await answer(call("POST", "/api/bookings/", { token, body, headers }));
      expect(refused.status).toBe(400);
      expect(["malformed_json", "invalid_request"]).toContain(problemSchema.parse(refused.body).code);
    },
  );

  test("thirty thousand nested arrays are refused with 400", async () => {
    const { token } = await person();
    const headers = { "Content-Type": "application/json" };
    for (const body of ["[".repeat(30_000), "[".repeat(30_000) + "]".repeat(30_000)])
      expect((await call("POST", "/api/bookings/", { token, body, headers })).status).toBe(400);
  });

  test("a megabyte of text is refused with 413", async () => {
    const refused = await post({ ...(await valid()), notes: "n".repeat(1_000_000) });
    expect([refused.status, refused.body.code]).toEqual([413, "too_large"]);
  });

  test("a form is refused with 413 above the limit of JSON, unless its operation takes a file", async () => {
    const { token } = await person("SALES");
    const send = (path: string, size: number) => {
      const body = new FormData();
      body.set("file", new File([new Uint8Array(size)], "a.png"));
      return answer(call("POST", path, { token, body }));
    };
    for (const path of ["/api/cars", "/api/auth/login", `/api/cars/${crypto.randomUUID()}/photos/order`])
      expect([path, (await send(path, 70_000)).status]).toEqual([path, 413]);
    expect((await send("/api/cars", 1_000)).status).toBe(415);
    expect((await send(`/api/cars/${crypto.randomUUID()}/photos`, 70_000)).body.code).toBe("car_not_found");
  });

  test("a megabyte sent without a length is refused with 413", async () => {
    const { token } = await person();
    const chunk = new TextEncoder().encode("n".repeat(100_000));
    let left = 10;
    const body = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const refused = await answer(
      call("POST", "/api/bookings/", { token, body, headers: { "Content-Type": "application/json" } }),
    );
    expect(refused.status).toBe(413);
  });

  test.each(["text/plain", "application/xml", "multipart/form-data; boundary=x"])(
    "a body of type %s is refused with 415",
    async (type) => {
      const { token } = await person();
      const refused = await answer(
        call("POST", "/api/bookings/", { token, body: "x", headers: { "Content-Type": type } }),
      );
      expect([refused.status, refused.body.code]).toEqual([415, "unsupported_media_type"]);
    },
  );

  test("an unknown query parameter is refused with the allowed ones named", async () => {
    const refused = await answer(call("GET", "/api/cars/?colour=red"));
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0]).toMatchObject({ field: "colour", code: "unknown_field" });
    expect(refused.body.errors[0].message).toContain("fuel_type");
  });

  test("a malformed bookmark is refused with the header named", async () => {
    const refused = await answer(call("GET", "/api/cars/", { headers: { "X-D1-Bookmark": "'; --" } }));
    expect([refused.status, refused.body.errors[0].field]).toEqual([400, "X-D1-Bookmark"]);
  });
});

describe("a bookmark", () => {
  test("of a write is accepted by a read", async () => {
    const [{ token }, carId] = [await person(), await car()];
    const made = await call("POST", "/api/bookings/", {
      token,
      json: { car: carId, start_at: iso(slot(2)) },
    });
    const bookmark = made.headers.get("X-D1-Bookmark") ?? "";
    const mine = await answer(
      call("GET", "/api/bookings/me/", { token, headers: { "X-D1-Bookmark": bookmark } }),
    );
    expect(mine.body.count).toBe(1);
  });
});

describe("a missing secret", () => {
  test("stops everything except the health check", async () => {
    const bare = { ...env, JWT_SECRET: "" };
    const { default: worker } = await import("../../src/index.ts");
    const send = (path: string) =>
      worker.fetch(new Request(`http://dealership.test${path}`), bare, {
        waitUntil() {},
        passThroughOnException() {},
      } as never);
    expect((await send("/healthz")).status).toBe(200);
    for (const path of ["/api/cars/", "/api/auth/login/", "/docs", "/openapi.json"]) {
      const refused = await send(path);
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
        503,
        "misconfigured",
      ]);
      expect(refused.headers.get("Retry-After")).toBeTruthy();
    }
  });
});

describe("a dependency that is down", () => {
  test("gets 503 with Retry-After, without details of the fault", async () => {
    const broken = {
      ...env,
      DB: {
        withSession: () => ({
          prepare: () => {
            throw new Error("D1_ERROR: Network connection lost. SELECT * FROM users");
          },
        }),
      },
    };
    const { default: worker } = await import("../../src/index.ts");
    const refused = await worker.fetch(
      new Request("http://dealership.test/api/cars/"),
      broken as never,
      {
        waitUntil() {},
        passThroughOnException() {},
      } as never,
    );
    const text = await refused.text();
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "2"]);
    expect(text).not.toMatch(/SELECT|internals|at /);
  });
});

describe("the documents of the API", () => {
  test("have every operation with its rule", async () => {
    const { body } = await answer(call("GET", "/openapi.json"));
    expect(body.openapi).toBe("3.1.0");
    expect(body.paths["/api/bookings"].post.operationId).toBe("createBooking");
    expect(body.paths["/api/bookings/me"].get["x-roles"]).toEqual(["CUSTOMER"]);
  });

  test.each(["/", "/docs", "/docs/errors", "/reset-password", "/verify-email"])(
    "at %s load only our own files, and nothing inline",
    async (path) => {
      const page = await exports.default.fetch(`http://dealership.test${path}`);
      const html = await page.text();
      expect(page.status).toBe(200);
      expect(page.headers.get("Content-Security-Policy")).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      );
      const loaded = [...html.matchAll(/<(?:script|link|img)\b[^>]* (?:src|href)="([^"]+)"/g)].map(
        ([, url]) => url,
      );
      expect(loaded).toContain("/style.css");
      for (const url of loaded)
        expect((await exports.default.fetch(`http://dealership.test${url}`)).status).toBe(200);
    },
  );
});

describe("the rate limit", () => {
  const keys: string[] = [];
  const send = async (within: boolean, from = "192.0.2.1") => {
    const { default: worker } = await import("../../src/index.ts");
    const limit = async ({ key }: { key: string }) => {
      keys.push(key);
      return { success: within };
    };
    const surroundings = { ...env, RATE_LIMITS: "on", REQUEST_LIMIT: { limit } };
    return worker.fetch(
      new Request("http://dealership.test/api/cars/", { headers: { "CF-Connecting-IP": from } }),
      surroundings as never,
      {
        waitUntil() {},
        passThroughOnException() {},
      } as never,
    );
  };

  test("is named in each response", async () => {
    const answered = await send(true);
    expect([answered.status, answered.headers.get("RateLimit-Policy")]).toEqual([
      200,
      '"address";q=20000;w=60',
    ]);
  });

  test("refuses with 429, the remaining number, and the time of the next attempt", async () => {
    const refused = await send(false);
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "60"]);
    expect(refused.headers.get("RateLimit")).toBe('"address";r=0;t=60');
    expect(((await refused.json()) as { code: string }).code).toBe("too_many_requests");
  });

  test("of costly reads counts searches, uncounted lists and filtered facets, unless the cache answers", async () => {
    const { createApp } = await import("../../src/app.ts");
    const [customer, seller] = [await person(), await person("SALES")];
    const counted: string[] = [];
    const limit = async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: counted.length < 100 };
    };
    const surroundings = {
      ...env,
      RATE_LIMITS: "on",
      COSTLY_LIMIT: { limit },
      PUBLIC_FRESHNESS_SECONDS: "360",
    } as unknown as Env;
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const keyOf = async (path: string, token?: string) => {
      counted.length = 0;
      const headers = {
        "CF-Connecting-IP": "192.0.2.1",
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      };
      const answered = await createApp().request(
        `http://dealership.test${path}`,
        { headers },
        surroundings,
        context,
      );
      expect(answered.status, path).toBe(200);
      return counted[0];
    };
    for (const cheap of [
      "/api/cars/",
      "/api/cars/?ordering=price",
      "/api/cars/?make=toyota&status=AVAILABLE",
      "/api/cars/facets/",
      "/api/cars/facets/?status=AVAILABLE",
    ])
      expect(await keyOf(cheap), cheap).toBeUndefined();
    for (const costly of [
      "/api/cars/?search=golf",
      "/api/cars/?max_price=20001",
      "/api/cars/?make=toyota&body_type=SUV",
      "/api/cars/facets/?make=toyota",
    ]) {
      expect(await keyOf(costly), costly).toBe("192.0.2.1");
      expect(await keyOf(costly), `${costly}, again`).toBeUndefined();
    }
    expect(await keyOf("/api/cars/?search=passat", customer.token)).toBe("192.0.2.1");
    expect(await keyOf("/api/cars/?search=golf", seller.token)).toBe(seller.id);

    counted.length = 200;
    const refused = await createApp().request(
      "http://dealership.test/api/cars/?search=polo",
      { headers: { "CF-Connecting-IP": "192.0.2.1" } },
      surroundings,
      context,
    );
    expect([refused.status, refused.headers.get("RateLimit-Policy")]).toEqual([
      429,
      '"costly-reads";q=120;w=60',
    ]);
    expect(await refused.json()).toMatchObject({ detail: "At most 120 in 60 seconds (costly-reads)" });
  });

  test("counts each address by itself", async () => {
    keys.length = 0;
    for (const from of ["192.0.2.1", "192.0.2.1", "192.0.2.2"]) await send(true, from);
    const [first, again, other] = keys;
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});
