/**
 * One schedule: some clients of one car or of several, and everything that can go wrong between them, the Durable Objects
 * and the database, in an order drawn from a seed. The writers under test are the real ones.
 */
import { book, CAR, client, EVENING, inspect, OneCar, SLOTS } from "./clients.ts";
import { isLinearizable } from "./linearizability.ts";
import { carSpecification } from "./specification.ts";
import { administrate, SeveralCars, send, stockClient, turnClock, WANTED } from "./stock-clients.ts";
import { checkCalls, checkSteps } from "./stock-specification.ts";
import { CALM, HOUR, type Subject, type World } from "./world.ts";

/** The outcome of a schedule. Without faults every promise was kept. `trace` lists the events in order. */
export type Report = { seed: number; faults: string[]; steps: number; trace: string[] };

/** What a schedule is about. */
export type Kind = "one car" | "several cars";

/** Runs the schedule of a seed and checks every promise. */
export const runSchedule = (kind: Kind, seed: number, subject: Subject): Promise<Report> =>
  kind === "one car" ? runOneCar(seed, subject) : runSeveralCars(seed, subject);

/** The command that replays a schedule. */
export const replay = (kind: Kind, seed: number): string =>
  `npm run simulate -- --schedules 1 --seed ${seed} --cars ${kind.split(" ")[0]} --trace`;

async function runOneCar(seed: number, subject: Subject): Promise<Report> {
  const world = new OneCar(seed, subject);
  const { random, faultRates, history } = world;
  for (let i = 0; i < faultRates.evictions; i += 1) inSomeTime(world, () => world.evict(CAR));
  for (let i = random.between(0, 2); i > 0; i -= 1)
    inSomeTime(world, () =>
      world.turnClockTo(world.now + random.between(1, 8) * (HOUR / 2) + random.pick([-1000, 0, 1000])),
    );
  const clients = Array.from({ length: random.between(2, 4) }, () => client(world));
  return finish(seed, world, clients, async () => {
    for (const startAt of [...SLOTS, EVENING]) {
      book(world, startAt, undefined);
      await world.run();
    }
    inspect(world);
    await world.run();
    return isLinearizable(carSpecification, history) ? [] : ["no order of events explains what clients saw"];
  });
}

async function runSeveralCars(seed: number, subject: Subject): Promise<Report> {
  const world = new SeveralCars(seed, subject);
  const { random, faultRates, ledger, calls } = world;
  for (let i = faultRates.evictions; i > 0; i -= 1)
    inSomeTime(world, () => world.evict(random.pick(world.carIds)));
  for (let i = random.between(0, 2); i > 0; i -= 1) inSomeTime(world, () => administrate(world));
  for (let i = random.between(0, 3); i > 0; i -= 1) inSomeTime(world, () => turnClock(world));
  const clients = Array.from({ length: random.between(2, 4) }, () => stockClient(world));
  return finish(seed, world, clients, async () => {
    for (const carId of world.carIds)
      for (const startAt of WANTED) {
        send(world, {
          type: "book",
          carId,
          customerId: random.pick(world.customers),
          startAt,
          heldUntil: undefined,
        });
        await world.run();
      }
    return checkCalls(ledger.states, calls);
  });
}

/**
 * Runs a schedule to its end. After the last fault `askAll` asks the writers: they work again and answer every caller,
 * and what they have in memory is what is stored.
 */
async function finish(
  seed: number,
  world: World,
  clients: Promise<void>[],
  askAll: () => Promise<string[]>,
): Promise<Report> {
  const finished = Promise.all(clients).catch((error) => world.faults.push(`a client failed: ${error}`));
  await world.run();
  if (!world.isStuck) {
    await finished;
    world.faultRates = CALM;
    world.faults.push(...(await askAll()));
  }
  if (world.isStuck) world.faults.push("this schedule does not end");
  world.faults.push(...checkSteps(world.ledger.states));
  return { seed, faults: world.faults, steps: world.steps, trace: world.trace };
}

/** Lets something happen after a random number of other events. */
function inSomeTime(world: World, task: () => void): void {
  let wait = world.random.between(0, 30);
  const tick = () => {
    if (wait === 0) return task();
    wait -= 1;
    world.later(tick);
  };
  world.later(tick);
}
