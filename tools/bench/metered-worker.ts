/**
 * The Worker with an account of the cost of requests: `GET /account` returns it and begins a new one, or answers 409 while
 * background work of the request runs.
 */
import { createApp } from "../../src/app.ts";
import { CarCoordinator as Unmetered } from "../../src/car-coordinator/car-coordinator.ts";
import { emptyAccount, metered } from "./metering.ts";

const app = createApp();
// Requests are measured one at a time, and here a coordinator shares the isolate of the Worker.
const account = emptyAccount();

export class CarCoordinator extends Unmetered {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, metered(env, account, "coordinator"));
  }
}

const environments = new WeakMap<object, Env>();

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/account") {
      if (account.calls.some(({ until }) => until === undefined)) return new Response(null, { status: 409 });
      const answer = Response.json(account);
      Object.assign(account, emptyAccount(), { answeredAt: undefined });
      return answer;
    }
    // One for all requests, as the platform has it: what is remembered of an environment stays known.
    const own = environments.get(env) ?? metered(env, account, "worker");
    environments.set(env, own);
    const answer = await app.fetch(request, own, ctx);
    account.clock += 1;
    account.answeredAt = account.clock;
    return answer;
  },
  // Notifications are not part of a request's cost.
  async queue() {},
} satisfies ExportedHandler<Env>;
