/** The Worker as it is, with an account of what each request costs: `GET /account` tells it, and begins a new one. */
import { createApp } from "../../src/app.ts";
import { CarCoordinator as Calendar } from "../../src/car-coordinator/car-coordinator.ts";
import { type Account, metered } from "./metering.ts";

const app = createApp();
// Requests are measured one at a time, and a calendar lives in the isolate of the Worker here.
const account: Account = { trips: [], calendarCalls: 0 };

export class CarCoordinator extends Calendar {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, metered(env, account, "calendar"));
  }
}

const environments = new WeakMap<object, Env>();

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/account") {
      const answer = Response.json(account);
      account.trips = [];
      account.calendarCalls = 0;
      return answer;
    }
    // One for all requests, as the platform has it: what is remembered of an environment stays known.
    const own = environments.get(env) ?? metered(env, account, "worker");
    environments.set(env, own);
    return app.fetch(request, own, ctx);
  },
  // What is told to people is no part of a request's cost.
  async queue() {},
} satisfies ExportedHandler<Env>;
