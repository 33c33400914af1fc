/**
 * What could be reached at best on this machine. L1: a bare route of the framework that gives an operation's bytes.
 * L2: a bare Worker, and a bare Durable Object where the operation uses one, which sends the operation's SQL to D1 and
 * does nothing else.
 * `PUT /plan/{name}` says what an operation's bytes and SQL are.
 */
import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";
import type { Trip } from "./metering.ts";

/** How an operation is imitated: `variants` are the round trips of one request each. */
export type Plan = {
  status: number;
  contentType: string;
  body: string;
  /** In L2 the body comes out of R2, by this key. */
  photo?: string | undefined;
  variants: Array<{ car: string; trips: Trip[] }>;
};

type Bindings = Pick<Env, "DB" | "PHOTOS"> & { CAR_COORDINATOR: DurableObjectNamespace<CarCoordinator> };

const plans = new Map<string, Plan>();

async function send(d1: D1Database, trips: readonly Trip[]): Promise<void> {
  const session = d1.withSession("first-primary");
  for (const { statements } of trips) {
    const prepared = statements.map(({ sql, params }) => session.prepare(sql).bind(...params));
    const [only] = prepared;
    if (only && prepared.length === 1) await only.all();
    else await session.batch(prepared);
  }
}

export class CarCoordinator extends DurableObject<Bindings> {
  carryOut(trips: readonly Trip[]): Promise<void> {
    return send(this.env.DB, trips);
  }
}

/** Carries out a variant of a plan, and answers with its bytes. */
async function imitate(env: Bindings, name: string, variant: string | undefined): Promise<Response> {
  const plan = plans.get(name);
  const planned = plan?.variants[Number(variant) % plan.variants.length];
  if (!plan || !planned) return new Response("no such plan", { status: 404 });
  const headers = { "Content-Type": plan.contentType };
  if (plan.photo) {
    const photo = await env.PHOTOS.get(plan.photo);
    return new Response(photo?.body ?? null, { headers });
  }
  const { trips, car } = planned;
  await send(
    env.DB,
    trips.filter(({ by }) => by === "worker"),
  );
  const ofCoordinator = trips.filter(({ by }) => by === "coordinator");
  if (ofCoordinator.length > 0) await env.CAR_COORDINATOR.getByName(car).carryOut(ofCoordinator);
  if (plan.status === 304) return new Response(null, { status: 304 });
  return new Response(plan.body, { status: plan.status, headers });
}

const framework = new Hono<{ Bindings: Bindings }>();
framework.get("/L1/:name", (c) => {
  const plan = plans.get(c.req.param("name"));
  if (!plan) return c.notFound();
  if (plan.status === 304) return c.body(null, 304);
  return c.body(plan.body, 200, { "Content-Type": plan.contentType });
});

export default {
  async fetch(request, env) {
    const [, kind, name = "", variant] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    if (kind === "L2") return imitate(env, name, variant);
    if (kind !== "plan") return framework.fetch(request, env);
    plans.set(name, await request.json());
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Bindings>;
