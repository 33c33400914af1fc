/** The model of latency: from counted calls and stated assumptions to milliseconds for callers in five places. */

import type { FarCall } from "../bench/metering.ts";
import type { Counted } from "./count.ts";
import { awaitedCalls, type Durations, waitOf } from "./waits.ts";

/** A place of callers, and its round trip to the region of the data (`weur`, Frankfurt). */
type Place = { name: string; roundTripMs: number };

/** The places, the farthest first. `ASSUMPTIONS` says where the round trips come from. */
const PLACES: readonly [Place, ...Place[]] = [
  { name: "Sydney", roundTripMs: 250 },
  { name: "São Paulo", roundTripMs: 198 },
  { name: "Johannesburg", roundTripMs: 174 },
  { name: "Mumbai", roundTripMs: 131 },
  { name: "Berlin", roundTripMs: 9 },
];

/** The caller's own network, to the nearest location of the platform and back. */
const ACCESS_MS = 10;
/** An answer of the platform's cache. */
const CACHE_MS = 5;
/** The Worker's own work for a request. */
const WORK_MS = 3;
/** One scrypt hash. */
const HASH_MS = 280;

/** One call within the region, at best and at worst. Of Images: one transformation. */
const BEST: Durations = { D1: 5, coordinator: 1, R2: 10, Images: 100, queue: 0 };
const WORST: Durations = { D1: 10, coordinator: 3, R2: 25, Images: 200, queue: 0 };

/** The most milliseconds in Sydney, at worst, for what is not exempt; and for what the cache answers. */
const MOST_MS = 300;
const MOST_CACHED_MS = 20;

const ASSUMPTIONS = `- The database, the coordinators, the bucket and the Worker are in one region, \`weur\`: \`REGION\` and
  \`[placement]\` in \`wrangler.toml\`. A caller pays the distance once, for the request and its answer.
- Round trips: ${PLACES.map(({ name, roundTripMs }) => `${name} ${roundTripMs} ms`).join(", ")}.
  Those of Sydney and São Paulo are monthly averages between data centres of IBM Cloud there and in Frankfurt, of
  October 2024 ([its table](https://github.com/ibm-cloud-docs/vpc/blob/master/_include-segments/network-latency.md)).
  The others are estimated: the great-circle distance to Frankfurt (Johannesburg 8,680 km, Mumbai 6,570 km, Berlin
  424 km), there and back at 200 km/ms in glass, times two for the detours of cables. By this rule São Paulo
  would have 196 ms.
- The caller's network to the nearest location of the platform and back: ${ACCESS_MS} ms. The connection is open, without a
  TLS handshake. An answer of the platform's cache: ${CACHE_MS} ms.
- D1 within its region: ${BEST.D1} to ${WORST.D1} ms for a batch. A call of a coordinator: ${BEST.coordinator} to ${WORST.coordinator} ms more than the calls that it
  makes. R2: ${BEST.R2} to ${WORST.R2} ms. One transformation of Images: ${BEST.Images} to ${WORST.Images} ms. The Worker's own work: ${WORK_MS} ms. A scrypt
  hash: ${HASH_MS} ms.
- The queue and the mail are not waited for. The time in which an uploaded file arrives is left out.`;

type Range = { best: number; worst: number };

const regional = ({ account, hashes = 0 }: Counted): Range => {
  const own = WORK_MS + hashes * HASH_MS;
  return { best: own + waitOf(account, BEST), worst: own + waitOf(account, WORST) };
};

/** The milliseconds of an operation, of which the cache answers none, for callers of a place. */
function latencyOf(operation: Counted, place: Place): Range {
  const { best, worst } = regional(operation);
  const distance = ACCESS_MS + place.roundTripMs;
  return { best: distance + best, worst: distance + worst };
}

const text = ({ best, worst }: Range): string => `${best}–${worst}`;

/** The table of the model, and the operations that take longer than they may. */
export function latencyModel(
  operations: readonly Counted[],
  hasCache: boolean,
): { page: string; slow: string[] } {
  const [farthest] = PLACES;
  const hit = ACCESS_MS + CACHE_MS;
  const slow = operations.flatMap((operation) => {
    const { worst } = latencyOf(operation, farthest);
    const faults = [];
    if (!operation.isExempt && worst > MOST_MS)
      faults.push(`${operation.name}: ${worst} ms, at most ${MOST_MS}`);
    if (operation.isCached && hasCache && hit > MOST_CACHED_MS)
      faults.push(`${operation.name}, cached: ${hit} ms, at most ${MOST_CACHED_MS}`);
    return faults;
  });
  const services: FarCall["to"][] = ["D1", "coordinator", "R2", "Images"];
  const head = ["operation", ...services, "in the region", ...PLACES.map(({ name }) => name), "cached"];
  const rows = operations.map((operation) => [
    operation.name,
    ...services.map((service) => awaitedCalls(operation.account, service) || ""),
    text(regional(operation)),
    ...PLACES.map((place) => text(latencyOf(operation, place))),
    operation.isCached && hasCache ? `${hit}` : "",
  ]);
  const lines = [head, ["---", ...head.slice(1).map(() => "---:")], ...rows];
  const table = lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  const cache = hasCache
    ? "The platform's cache (`[cache]` in `wrangler.toml`) answers what it has at the location nearest to the caller."
    : "No cache is configured in front of the Worker (`[cache]` in `wrangler.toml`), so every answer comes from\nthe region.";
  return { page: `${table}\n\n${cache}\n\n## Assumptions\n\n${ASSUMPTIONS}\n`, slow };
}
