/**
 * The Worker with an account of the cost of requests: `GET /account` returns it and begins a new one, or answers 409 while
 * background work of the request runs. `POST /deliver/ID` delivers a notification, and sends no mail.
 */
import { createApp } from "../../src/app.ts";
import { CarCoordinator as Unmetered } from "../../src/car-coordinator/car-coordinator.ts";
import { readConfig } from "../../src/config.ts";
import { openDatabase } from "../../src/db/client.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { emptyAccount, metered, meterLog } from "./metering.ts";

const app = createApp();
// Requests are measured one at a time, and here a coordinator shares the isolate of the Worker.
const account = emptyAccount();
meterLog(account);

export class CarCoordinator extends Unmetered {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, metered(env, account, "coordinator"));
  }
}

const environments = new WeakMap<object, Env>();

const delivered = async (id: string, env: Env) =>
  Response.json(
    await deliver(id, {
      db: openDatabase(env.DB, "first-primary"),
      config: readConfig(env),
      send: async () => {},
      now: Date.now,
    }),
  );

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/account") {
      if (account.calls.some(({ until }) => until === undefined)) return new Response(null, { status: 409 });
      const answer = Response.json(account);
      Object.assign(account, emptyAccount(), { answeredAt: undefined });
      return answer;
    }
    // One for all requests, as the platform has it: what is remembered of an environment stays known.
    const own = environments.get(env) ?? metered(env, account, "worker");
    environments.set(env, own);
    const answer = await (pathname.startsWith("/deliver/")
      ? delivered(pathname.slice("/deliver/".length), own)
      : app.fetch(request, own, ctx));
    account.clock += 1;
    account.answeredAt = account.clock;
    return answer;
  },
  // Notifications are not part of a request's cost.
  async queue() {},
} satisfies ExportedHandler<Env>;
