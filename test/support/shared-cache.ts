/**
 * A shared cache in front of the Worker, as RFC 9111 and the platform's documentation describe it. Where they leave a
 * choice, it takes the one that is worse for a careless Worker: the host is no part of the key, an answer without
 * `Cache-Control` is kept, a stale one is given as long as its headers allow it, and for ever when they are silent.
 */

type Stored = {
  status: number;
  headers: Headers;
  body: ArrayBuffer;
  /** The request's values of the headers that the answer varies by. */
  varies: ReadonlyMap<string, string | null>;
  /** When it was as old as its `Age` said. */
  since: number;
};

/** How the cache came to an answer, in the words of `Cf-Cache-Status`. */
export type CacheStatus = "BYPASS" | "MISS" | "HIT" | "EXPIRED" | "REVALIDATED" | "UPDATING" | "STALE";

/** The platform's freshness of answers without `Cache-Control`, in seconds by status. */
const HEURISTIC: Readonly<Record<number, number>> = {
  200: 7200,
  203: 7200,
  204: 7200,
  301: 1200,
  404: 180,
  405: 60,
  410: 180,
};

const directivesOf = (headers: Headers): Map<string, string> =>
  new Map(
    (headers.get("Cache-Control") ?? "")
      .split(",")
      .map((part) => part.trim().toLowerCase().split("="))
      .filter(([name]) => name !== "")
      .map(([name = "", value = ""]) => [name, value]),
  );

const list = (header: string | null): string[] =>
  (header ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);

export class SharedCache implements CacheContext {
  /** By path and query: one answer for each combination of the headers that it varies by. */
  readonly #stored = new Map<string, Stored[]>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #origin: (request: Request) => Promise<Response>;

  constructor(origin: (request: Request) => Promise<Response>) {
    this.#origin = origin;
  }

  async fetch(request: Request): Promise<Response> {
    if (request.method !== "GET" && request.method !== "HEAD")
      return marked(await this.#origin(request), "BYPASS");
    const stored = this.#find(request);
    if (!stored) {
      // The whole answer is fetched, so that GET can be answered after HEAD.
      const fetched = await this.#origin(new Request(request, { method: "GET" }));
      const kept = await this.#store(request, fetched);
      return kept ? given(request, kept, "MISS") : headless(request, marked(fetched, "BYPASS"));
    }
    const directives = directivesOf(stored.headers);
    const staleFor = ageOf(stored) - lifetimeOf(stored, directives);
    if (staleFor < 0 && !directives.has("no-cache")) return given(request, stored, "HIT");
    const mayBeStale = !["s-maxage", "must-revalidate", "proxy-revalidate"].some((name) =>
      directives.has(name),
    );
    if (mayBeStale && staleFor < Number(directives.get("stale-while-revalidate") ?? 0)) {
      const update = this.#revalidate(request, stored).finally(() => this.#background.delete(update));
      this.#background.add(update);
      return given(request, stored, "UPDATING");
    }
    const { answer, status } = await this.#revalidate(request, stored);
    if (answer.status < 500) return given(request, answer, status);
    const tolerated = Number(directives.get("stale-if-error") ?? Number.POSITIVE_INFINITY);
    if (mayBeStale && staleFor < tolerated) return given(request, stored, "STALE");
    return given(request, answer, status);
  }

  async purge({ tags = [] }: CachePurgeOptions): Promise<CachePurgeResult> {
    const named = new Set(tags);
    for (const [key, answers] of this.#stored)
      if (answers.some(({ headers }) => list(headers.get("Cache-Tag")).some((tag) => named.has(tag))))
        this.#stored.delete(key);
    return { success: true, errors: [] };
  }

  invalidate = this.purge;

  /** Waits until no revalidation is under way. */
  async settle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  #find(request: Request): Stored | undefined {
    return this.#stored
      .get(keyOf(request))
      ?.find(({ varies }) => [...varies].every(([name, value]) => request.headers.get(name) === value));
  }

  /** Asks the Worker whether the stored answer is current. */
  async #revalidate(request: Request, stored: Stored): Promise<{ answer: Stored; status: CacheStatus }> {
    const asked = new Request(request, { method: "GET" });
    const tag = stored.headers.get("ETag");
    if (tag) asked.headers.set("If-None-Match", tag);
    const fetched = await this.#origin(asked);
    if (fetched.status === 304) {
      for (const [name, value] of fetched.headers) stored.headers.set(name, value);
      stored.since = Date.now() - Number(fetched.headers.get("Age") ?? 0) * 1000;
      return { answer: stored, status: "REVALIDATED" };
    }
    const kept = await this.#store(request, fetched);
    return kept
      ? { answer: kept, status: "EXPIRED" }
      : { answer: await read(request, fetched), status: "BYPASS" };
  }

  async #store(request: Request, answer: Response): Promise<Stored | undefined> {
    const directives = directivesOf(answer.headers);
    const isOf = (...names: string[]) => names.some((name) => directives.has(name));
    const isExplicit = isOf("max-age", "s-maxage", "no-cache");
    if (
      isOf("no-store", "private") ||
      answer.headers.has("Set-Cookie") ||
      answer.headers.get("Vary") === "*" ||
      [206, 304].includes(answer.status) ||
      (request.headers.has("Authorization") && !isOf("public", "must-revalidate", "s-maxage")) ||
      !(isExplicit || answer.status in HEURISTIC)
    )
      return undefined;
    const stored = await read(request, answer);
    const others = (this.#stored.get(keyOf(request)) ?? []).filter(
      ({ varies }) => !equal(varies, stored.varies),
    );
    this.#stored.set(keyOf(request), [...others, stored]);
    return stored;
  }
}

const keyOf = (request: Request): string => {
  const { pathname, search } = new URL(request.url);
  return pathname + search;
};

const equal = (a: Stored["varies"], b: Stored["varies"]): boolean =>
  JSON.stringify([...a]) === JSON.stringify([...b]);

const ageOf = ({ since }: Stored): number => (Date.now() - since) / 1000;

const lifetimeOf = ({ status }: Stored, directives: Map<string, string>): number =>
  Number(directives.get("s-maxage") ?? directives.get("max-age") ?? HEURISTIC[status] ?? 0);

async function read(request: Request, answer: Response): Promise<Stored> {
  const vary = list(answer.headers.get("Vary")).map((name) => name.toLowerCase());
  return {
    status: answer.status,
    headers: new Headers(answer.headers),
    body: await answer.arrayBuffer(),
    varies: new Map(vary.sort().map((name) => [name, request.headers.get(name)])),
    since: Date.now() - Number(answer.headers.get("Age") ?? 0) * 1000,
  };
}

function marked(answer: Response, status: CacheStatus): Response {
  const own = new Response(answer.body, answer);
  own.headers.set("Cf-Cache-Status", status);
  return own;
}

const headless = (request: Request, answer: Response): Response =>
  request.method === "HEAD" ? new Response(null, answer) : answer;

/** The answer of the cache from what it has stored. */
function given(request: Request, stored: Stored, status: CacheStatus): Response {
  const headers = new Headers(stored.headers);
  headers.set("Age", String(Math.floor(ageOf(stored))));
  headers.set("Cf-Cache-Status", status);
  const known = list(request.headers.get("If-None-Match"));
  if (stored.status === 200 && known.includes(headers.get("ETag") ?? "-"))
    return new Response(null, { status: 304, headers });
  const body = request.method === "HEAD" || [204, 304].includes(stored.status) ? null : stored.body.slice(0);
  return new Response(body, { status: stored.status, headers });
}
