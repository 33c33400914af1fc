/**
 * One schedule: some clients of one car, and everything that can go wrong between them, the car's Durable Object and
 * the database, in an order drawn from a seed. The writer under test is the real one.
 */
import { book, client, inspect } from "./clients.ts";
import { isLinearizable } from "./linearizability.ts";
import { carSpecification } from "./specification.ts";
import { CALM, EVENING, HOUR, SLOTS, type Subject, World } from "./world.ts";

/** The outcome of a schedule. Without faults every promise was kept. `trace` lists the events in order. */
export type Report = { seed: number; faults: string[]; steps: number; trace: string[] };

/** Runs the schedule of a seed and checks every promise. */
export async function runSchedule(seed: number, subject: Subject): Promise<Report> {
  const world = new World(seed, subject);
  const { random, faultRates, faults, history } = world;
  const clients = Array.from({ length: random.between(2, 4) }, () => client(world));
  const finished = Promise.all(clients).catch((error) => faults.push(`a client failed: ${error}`));
  for (let i = 0; i < faultRates.evictions; i += 1) inSomeTime(world, () => world.evict());
  for (let i = random.between(0, 2); i > 0; i -= 1)
    inSomeTime(world, () =>
      world.turnClockTo(world.now + random.between(1, 8) * (HOUR / 2) + random.pick([-1000, 0, 1000])),
    );
  await world.run();
  await finished;

  world.faultRates = CALM;
  // After the last fault the writer works again and answers every caller, and what it has in memory is what is stored.
  for (const startAt of [...SLOTS, EVENING]) {
    book(world, startAt, undefined);
    await world.run();
  }
  inspect(world);
  await world.run();
  if (!isLinearizable(carSpecification, history)) faults.push("no order of events explains what clients saw");
  return { seed, faults, steps: world.steps, trace: world.trace };
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
