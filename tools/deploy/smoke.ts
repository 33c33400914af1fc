/** A test of a running deployment from outside. It changes nothing, except that a login starts a session and ends it. */

/** Options of the smoke test. */
export type SmokeOptions = {
  /** The version that must answer, and the Worker's name, by which requests are sent to it. */
  version?: { id: string; worker: string } | undefined;
  login?: { username: string; password: string } | undefined;
  /** How long a new version may take until it is reached everywhere. */
  patienceMs?: number;
};

const TIMEOUT_MS = 15_000;

/** Asks a deployment the questions that every client asks. Returns the name of each check, with its fault. */
export async function smoke(
  url: string,
  { version, login, patienceMs = 30_000 }: SmokeOptions = {},
): Promise<Array<{ name: string; fault: string | undefined }>> {
  const base = url.replace(/\/+$/, "");
  const overrides: Record<string, string> = version
    ? { "Cloudflare-Workers-Version-Overrides": `${version.worker}="${version.id}"` }
    : {};

  async function ask(path: string, init: { method?: string; body?: object; token?: string } = {}) {
    const response = await fetch(`${base}${path}`, {
      method: init.method ?? "GET",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...overrides,
        ...(init.body ? { "Content-Type": "application/json" } : {}),
        ...(init.token ? { Authorization: `Bearer ${init.token}` } : {}),
      },
      ...(init.body ? { body: JSON.stringify(init.body) } : {}),
    });
    const text = await response.text();
    const type = response.headers.get("Content-Type") ?? "";
    return {
      status: response.status,
      headers: response.headers,
      type,
      body: type.includes("json") ? JSON.parse(text) : text,
    };
  }
  type Answer = Awaited<ReturnType<typeof ask>>;

  const results: Array<{ name: string; fault: string | undefined }> = [];
  async function check(name: string, work: () => Promise<void>) {
    const fault = await work().then(
      () => undefined,
      (error) => (error instanceof Error ? error.message : String(error)),
    );
    results.push({ name, fault });
  }
  function expect(holds: boolean, fault: string): asserts holds {
    if (!holds) throw new Error(fault);
  }
  const expectStatus = ({ status, body }: Answer, expected: number) =>
    expect(status === expected, `${status} instead of ${expected}${body?.code ? `, ${body.code}` : ""}`);

  await check("/healthz answers, and is the version that is tested", async () => {
    const end = Date.now() + patienceMs;
    for (;;) {
      const answer = await ask("/healthz");
      expectStatus(answer, 200);
      if (!version || answer.body.version === version.id) return;
      expect(Date.now() < end, `version ${answer.body.version} answers`);
      await new Promise((done) => setTimeout(done, 1000));
    }
  });
  await check("/readyz reaches every dependency", async () => {
    const answer = await ask("/readyz");
    const isReady = answer.status === 200 && answer.body.status === "ready";
    expect(isReady, `${answer.status} ${JSON.stringify(answer.body)}`);
  });
  await check("/openapi.json is the document", async () => {
    const answer = await ask("/openapi.json");
    expectStatus(answer, 200);
    expect(String(answer.body.openapi).startsWith("3.1"), "no OpenAPI 3.1");
    expect("/api/cars" in answer.body.paths, "it does not describe /api/cars");
  });
  let car: string | undefined;
  await check("/api/cars lists the stock", async () => {
    const answer = await ask("/api/cars?page_size=1");
    expectStatus(answer, 200);
    expect(Number.isInteger(answer.body.count) && Array.isArray(answer.body.results), "it is no list");
    car = answer.body.results[0]?.id;
  });
  await check("its headers are those of this API", async () => {
    const { headers } = await ask("/api/cars?page_size=1");
    const expected = {
      "Strict-Transport-Security": /^max-age=\d+$/,
      "X-Content-Type-Options": /^nosniff$/,
      // A shared cache would give an answer without an end to outages for ever.
      "Cache-Control": /^(public, max-age=.*, stale-if-error=\d+|private, no-cache)$/,
    };
    for (const [name, value] of Object.entries(expected))
      expect(value.test(headers.get(name) ?? ""), `${name}: ${headers.get(name)}`);
  });
  if (car !== undefined)
    await check("the free slots of a car are a list", async () => {
      const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
      const answer = await ask(`/api/cars/${car}/available-slots?date=${day}`);
      expectStatus(answer, 200);
      expect(Array.isArray(answer.body), "it is no list");
    });
  await check("an unknown path is a problem", async () => {
    const answer = await ask("/api/no-such-path");
    expectStatus(answer, 404);
    expect(answer.type.startsWith("application/problem+json"), answer.type);
    expect(answer.body.code === "not_found", `its code is ${answer.body.code}`);
    expect(answer.headers.has("X-Request-Id"), "it does not name its request");
  });
  await check("/docs is the reference page", async () => {
    const answer = await ask("/docs");
    expectStatus(answer, 200);
    expect(answer.type.startsWith("text/html"), answer.type);
    expect((answer.headers.get("Content-Security-Policy") ?? "").includes("default-src 'none'"), "no policy");
  });
  if (login)
    await check(`${login.username} can log in and out`, async () => {
      const session = await ask("/api/auth/login", { method: "POST", body: login });
      expectStatus(session, 200);
      const token: string = session.body.access;
      const me = await ask("/api/auth/me", { token });
      expectStatus(me, 200);
      const { refresh } = session.body;
      expectStatus(await ask("/api/auth/logout", { method: "POST", token, body: { refresh } }), 204);
      expectStatus(await ask("/api/auth/me", { token }), 401);
    });
  return results;
}
