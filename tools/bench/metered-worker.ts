/** The Worker with an account of the cost of requests: `GET /account` returns it and begins a new one. */
import { createApp } from "../../src/app.ts";
import { CarCoordinator as Unmetered } from "../../src/car-coordinator/car-coordinator.ts";
import { type Account, metered } from "./metering.ts";

const app = createApp();
// Requests are measured one at a time, and here a coordinator shares the isolate of the Worker.
const account: Account = { trips: [], coordinatorCalls: 0 };

export class CarCoordinator extends Unmetered {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, metered(env, account, "coordinator"));
  }
}

const environments = new WeakMap<object, Env>();

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/account") {
      const answer = Response.json(account);
      account.trips = [];
      account.coordinatorCalls = 0;
      return answer;
    }
    // One for all requests, as the platform has it: what is remembered of an environment stays known.
    const own = environments.get(env) ?? metered(env, account, "worker");
    environments.set(env, own);
    return app.fetch(request, own, ctx);
  },
  // Notifications are not part of a request's cost.
  async queue() {},
} satisfies ExportedHandler<Env>;
