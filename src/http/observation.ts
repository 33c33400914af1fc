/** What an operator sees of each request: one data point, and a log line when it was refused by rights or by a limit. */
import type { Context, MiddlewareHandler } from "hono";
import { noCost } from "../db/client.ts";
import { datasetOf, writePoint } from "../shared/metrics.ts";
import { logSecurity } from "../shared/security-log.ts";
import type { AppEnv } from "./context.ts";

/**
 * Observes every request, whatever becomes of it.
 * @param operationOf names the operation of a request, without ids
 */
export const observe =
  (operationOf: (c: Context<AppEnv>) => string): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const begun = Date.now();
    await next();
    const dataset = datasetOf(c.env);
    const isRefusal = c.res.status === 403 || c.res.status === 429;
    if (!dataset && !isRefusal) return;
    const operation = operationOf(c);
    if (isRefusal) logRefusal(c, operation);
    // The platform sends data points after the answer.
    writePoint(dataset, "request", { ...valuesOf(c), operation, ms: Date.now() - begun }, c.get("requestId"));
  };

/** What a data point says of an answered request, in the Worker and in the objects of cars. */
function valuesOf(c: Context<AppEnv>) {
  const { trips, rowsRead, rowsWritten, region } = c.get("cost") ?? noCost();
  const commands = c.get("deps")?.found.commands ?? { ...noCost(), calls: 0 };
  return {
    code: c.get("problem")?.code,
    version: c.env.VERSION?.id,
    colo: placeOf(c.req.raw),
    region: region ?? commands.region,
    cache: c.get("cache"),
    status: c.res.status,
    trips: trips + commands.trips,
    rows_read: rowsRead + commands.rowsRead,
    rows_written: rowsWritten + commands.rowsWritten,
    object_calls: commands.calls,
  };
}

/** How often a refusal by the same limit is written to the log: a flood must not become one of log lines, too. */
const LIMIT_LINE_MS = 1000;

/** By limit, when this isolate last wrote a line, and how many refusals it has left out since. */
const limitLines = new Map<string, { at: number; unwritten: number }>();

function logRefusal(c: Context<AppEnv>, operation: string): void {
  const problem = c.get("problem");
  const facts = { request: c.get("requestId"), user: c.get("claimed")?.id, operation, code: problem?.code };
  if (c.res.status === 403) {
    logSecurity("access_denied", { ...facts, role: c.get("claimed")?.role });
    return;
  }
  const [policy, now] = [problem?.policy ?? facts.code ?? "", Date.now()];
  const last = limitLines.get(policy);
  if (last && now - last.at < LIMIT_LINE_MS) last.unwritten += 1;
  else {
    limitLines.set(policy, { at: now, unwritten: 0 });
    logSecurity("rate_limited", { ...facts, policy, unwritten: last?.unwritten ?? 0 });
  }
}

/** Cloudflare's name of the location that the request came in by. */
const placeOf = (request: Request): string | undefined => {
  const colo = "cf" in request ? Object(request.cf).colo : undefined;
  return typeof colo === "string" ? colo : undefined;
};
