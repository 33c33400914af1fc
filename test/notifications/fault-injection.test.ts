/**
 * Notifications under all faults at once: the real consumer, cron and dead-letter consumer against a real D1,
 * with a queue that loses, repeats and reorders, a mail service and a database that fail, and Workers that die in the
 * middle of their work. Time is simulated, and a seed gives the random numbers.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inArray } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { CarCoordinator } from "../../src/car-coordinator/car-coordinator.ts";
import { readConfig } from "../../src/config.ts";
import { runCron } from "../../src/cron.ts";
import type { Database } from "../../src/db/client.ts";
import { notifications } from "../../src/db/schema.ts";
import { consume, type DeliveryTools, handleDeadLetters } from "../../src/notifications/deliver.ts";
import { MAX_ATTEMPTS } from "../../src/notifications/delivery-store.ts";
import type { Delivery } from "../../src/outbox/outbox.ts";
import { HOUR_MS, mailbox, notify, queueOf, session, tools } from "../support/outbox.ts";
import { car, db, person, slot } from "../support/world.ts";

/** The probability of each fault. */
type FaultRates = {
  /** That the mail service fails before it takes a mail. */
  mailFails: number;
  /** That it takes the mail, and its answer is lost. */
  answerLost: number;
  /** That a batch of statements fails and does nothing. */
  databaseFails: number;
  /** That a message is never queued. */
  messageLost: number;
  /** That a message is queued twice. */
  messageTwice: number;
  /** That the Worker dies, at each of the steps of a delivery: before and after each batch and each mail. */
  death: number;
};

/** A message in the queue, not before its time. */
type Message = { id: string; attempts: number; dueAt: number };

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const KINDS = ["booking_received", "booking_approved", "booking_rescheduled", "booking_cancelled"] as const;
const STATUSES = ["PENDING", "APPROVED", "PENDING", "CANCELLED"] as const;

/** Creates bookings, for four facts each. */
async function bookingsOf(count: number): Promise<Array<{ id: string; customerId: string }>> {
  const [customer, carId] = [await person("CUSTOMER", { emailVerifiedAt: 0 }), await car()];
  const made = Array.from({ length: count }, () => ({ id: uuidv7(), customerId: customer.id }));
  await env.DB.prepare(
    `INSERT INTO bookings (id, car_id, customer_id, start_at, end_at, status, created_at, updated_at)
     SELECT value, ?2, ?3, 0, 3600000, 'CANCELLED', 0, 0 FROM json_each(?1)`,
  )
    .bind(JSON.stringify(made.map(({ id }) => id)), carId, customer.id)
    .run();
  return made;
}

class Simulation {
  readonly #random: () => number;
  readonly #rates: FaultRates;
  readonly #consumers: number;
  now = Date.parse("2027-01-01T00:00:00Z");
  /** Ids in the order in which the mail service took them. */
  readonly taken: string[] = [];
  /** Called when the mail service takes a mail. */
  onTaken: (id: string) => void = () => {};
  /** How often a mail was out and its Worker died, or lost the answer, before it could record it. */
  unrecorded = 0;
  deaths = 0;
  deadLetters = 0;
  #messages: Message[] = [];
  #runs = 0;

  constructor(seed: number, rates: FaultRates, consumers: number) {
    this.#random = chance(seed);
    this.#rates = rates;
    this.#consumers = consumers;
  }

  /** The queue as producers see it. */
  readonly queue = {
    sendBatch: async (batch: Array<{ body: Delivery }>) => {
      for (const { body } of batch) {
        if (this.#random() < this.#rates.messageLost) continue;
        const copies = this.#random() < this.#rates.messageTwice ? 2 : 1;
        for (let copy = 0; copy < copies; copy += 1)
          this.#messages.push({ id: body.notificationId, attempts: 1, dueAt: this.now });
      }
    },
  } as unknown as Queue<Delivery>;

  /** Runs `work` in its own Worker, which may die at any step; then its work has no further effect. */
  async #mortal(work: (tools: DeliveryTools) => Promise<unknown>): Promise<void> {
    const random = chance(++this.#runs);
    const rates = this.#rates;
    let dead = false;
    let die = () => {};
    const death = new Promise<void>((resolve) => {
      die = resolve;
    });
    // A mail was sent and is not recorded yet.
    let open = false;
    const settle = () => {
      if (open) this.unrecorded += 1;
      open = false;
    };
    const step = async () => {
      if (!dead && random() < rates.death) {
        dead = true;
        this.deaths += 1;
        settle();
        die();
      }
      if (dead) await new Promise(() => {});
    };
    const real = session();
    const commit = async (...write: Parameters<Database["commit"]>) => {
      await step();
      if (random() < rates.databaseFails) throw new Error("D1_ERROR: overloaded");
      const rows = await real.commit(...write);
      open = false;
      await step();
      return rows;
    };
    const database: Database = { ...real, commit: commit as Database["commit"] };
    const send = async (mail: EmailMessageBuilder) => {
      settle();
      await step();
      if (random() < rates.mailFails) throw new Error("the mail server is away");
      const id = mail.headers?.["X-Notification-Id"] ?? "";
      this.taken.push(id);
      this.onTaken(id);
      open = true;
      await step();
      if (random() < rates.answerLost) {
        settle();
        throw new Error("the connection was lost");
      }
    };
    const run = work({ db: database, config: readConfig(env), send, now: () => this.now });
    await Promise.race([death, run]);
    if (!dead) settle();
  }

  /** A batch of messages that are due, taken from anywhere in the queue. */
  #pick(size: number) {
    const picked: Message[] = [];
    for (let tries = 0; tries < size && this.#messages.length > 0; tries += 1) {
      const [message] = this.#messages.splice(Math.floor(this.#random() * this.#messages.length), 1);
      if (!message) break;
      if (message.dueAt <= this.now) picked.push(message);
      else this.#messages.push(message);
    }
    return picked;
  }

  async #consumeOnce(): Promise<void> {
    const picked = this.#pick(20);
    const open = new Map(picked.map((message) => [message, 0]));
    const messages = picked.map((message) => ({
      id: message.id,
      timestamp: new Date(this.now),
      attempts: message.attempts,
      body: { notificationId: message.id },
      ack: () => void open.delete(message),
      retry: (options?: QueueRetryOptions) => void open.set(message, (options?.delaySeconds ?? 0) * 1000),
    }));
    await this.#mortal((using) => consume({ messages } as unknown as MessageBatch<Delivery>, using));
    // What was not acknowledged comes again, the messages of a Worker that died at once; or it is a dead letter.
    for (const [message, delay] of open)
      if (message.attempts < MAX_ATTEMPTS)
        this.#messages.push({ ...message, attempts: message.attempts + 1, dueAt: this.now + delay });
      else {
        this.deadLetters += 1;
        const letter = { body: { notificationId: message.id }, attempts: 1, ack() {}, retry() {} };
        await handleDeadLetters({ messages: [letter] } as unknown as MessageBatch<Delivery>, session());
      }
  }

  /** Lets time pass: consumers come by, and each minute the cron. */
  async pass(ms: number): Promise<void> {
    const minute = Math.floor(this.now / 60_000);
    this.now += ms;
    for (let batches = 0; batches < 4; batches += this.#consumers)
      await Promise.all(Array.from({ length: this.#consumers }, () => this.#consumeOnce()));
    // A cron run that fails is over; the next one goes on.
    if (Math.floor(this.now / 60_000) > minute)
      await this.#mortal((using) => runCron(this.queue, env.PHOTOS, using).catch(() => {}));
  }
}

/** Delivers all facts of some bookings under faults, and returns the outcome. */
async function run(facts: number, seed: number, rates: FaultRates, consumers: number) {
  const random = chance(seed);
  const simulation = new Simulation(seed, rates, consumers);
  const bookings = (await bookingsOf(facts / KINDS.length)).map((booking) => ({ ...booking, delivered: 0 }));
  /** The fact and the booking of each notification. */
  const factOf = new Map<string, { bookingId: string; sequence: number }>();
  // Facts are written before a step of time, and claimed and sent within one.
  let outdated = 0;
  simulation.onTaken = (id) => {
    const fact = factOf.get(id);
    const written = bookings.find((booking) => booking.id === fact?.bookingId)?.delivered;
    if (fact?.sequence !== (written ?? 0) - 1) outdated += 1;
  };

  // New facts arrive while earlier ones are being delivered: 40 at a time, in order for each booking.
  for (
    let open = bookings;
    open.length > 0;
    open = open.filter(({ delivered }) => delivered < KINDS.length)
  ) {
    const chosen = open.filter(() => random() < 40 / open.length).slice(0, 60);
    const ids = await notify(
      chosen.map((booking) => {
        const sequence = booking.delivered++;
        const times = { startAt: simulation.now, endAt: simulation.now + HOUR_MS, previousStartAt: 0 };
        return {
          kind: KINDS[sequence] ?? "booking_cancelled",
          to: { userId: booking.customerId },
          bookingId: booking.id,
          facts: { ...times, sequence, status: STATUSES[sequence] ?? "CANCELLED" },
        };
      }),
      simulation.now,
    );
    for (const [index, id] of ids.entries()) {
      const booking = chosen[index];
      if (booking) factOf.set(id, { bookingId: booking.id, sequence: booking.delivered - 1 });
    }
    await simulation.queue.sendBatch(ids.map((notificationId) => ({ body: { notificationId } })));
    await simulation.pass(3_000);
  }
  /** The status of each notification that is not deleted. */
  const statuses = async () => {
    const { results } = await env.DB.prepare(
      "SELECT id, status FROM notifications WHERE id IN (SELECT value FROM json_each(?))",
    )
      .bind(JSON.stringify([...factOf.keys()]))
      .all<{ id: string; status: string }>();
    return new Map(results.map(({ id, status }) => [id, status]));
  };
  const end = simulation.now + 24 * HOUR_MS;
  while ([...(await statuses()).values()].includes("PENDING") && simulation.now < end)
    await simulation.pass(20_000);

  const delivered = new Map<string, number[]>();
  for (const id of simulation.taken) {
    const fact = factOf.get(id);
    if (!fact) throw new Error("a mail without a fact of this run");
    delivered.set(fact.bookingId, [...(delivered.get(fact.bookingId) ?? []), fact.sequence]);
  }
  const { taken, unrecorded, deaths, deadLetters } = simulation;
  const kept = await statuses();
  const sent = new Set(taken);
  const duplicates = taken.length - sent.size;
  /** Replaced after a mail that could not be recorded. */
  const replacedTooLate = [...sent].filter((id) => !kept.has(id)).length;
  const replaced = facts - kept.size;
  const counted = { mails: taken.length, duplicates, replaced, replacedTooLate, outdated };
  const summary = { facts, ...counted, unrecorded, deaths, deadLetters };
  console.log(JSON.stringify(summary));
  return { ...summary, kept: new Set(kept.values()), delivered: [...delivered.values()] };
}

/** Checks what is promised for each booking, whatever the faults. */
function expectDelivered(result: Awaited<ReturnType<typeof run>>): void {
  expect(result.kept).toEqual(new Set(["SENT"]));
  expect(result.delivered).toHaveLength(result.facts / KINDS.length);
  for (const sequences of result.delivered) {
    expect(sequences).toEqual([...sequences].sort());
    expect(sequences.at(-1)).toBe(KINDS.length - 1);
  }
  // A fact without a mail was replaced, and a replaced one is not sent.
  expect(result.replaced).toBeGreaterThan(0);
  expect(result.outdated).toBe(0);
  expect(result.duplicates + result.replacedTooLate).toBe(result.unrecorded);
}

describe("notifications under all injected faults", () => {
  test("are delivered for 1,000 facts, in order and the latest of each booking, and twice for at most one in a thousand", async () => {
    const rates = {
      mailFails: 0.1,
      answerLost: 0.0002,
      databaseFails: 0.01,
      messageLost: 0.05,
      messageTwice: 0.1,
      death: 0.0003,
    };
    const result = await run(1000, 7, rates, 1);
    expectDelivered(result);
    expect(result.deaths).toBeGreaterThan(0);
    expect(result.duplicates / result.facts).toBeLessThanOrEqual(0.001);
  }, 240_000);

  test.each([1, 2])(
    "are delivered twice only when a sent mail could not be recorded, with four concurrent consumers (seed %i)",
    async (seed) => {
      const rates = {
        mailFails: 0.3,
        answerLost: 0.03,
        databaseFails: 0.05,
        messageLost: 0.2,
        messageTwice: 0.5,
        death: 0.02,
      };
      const result = await run(160, seed, rates, 4);
      expectDelivered(result);
      expect(result.deaths).toBeGreaterThan(5);
      expect(result.unrecorded).toBeGreaterThan(0);
    },
    240_000,
  );
});

test("while the queue is down bookings succeed, and the cron delivers all of their notifications", async () => {
  const [customer, carId] = [await person("CUSTOMER", { emailVerifiedAt: 0 }), await car()];
  const { queue } = queueOf(false);
  const made = await runInDurableObject(env.CAR_COORDINATOR.getByName(carId), async (_, state) => {
    const coordinator = new CarCoordinator(state, { ...env, NOTIFICATIONS: queue });
    const outcomes = [];
    for (let index = 0; index < 24; index += 1)
      outcomes.push(
        await coordinator.execute(
          {
            type: "book",
            customerId: customer.id,
            startAt: slot(2 + Math.floor(index / 8), index % 8),
            notes: "",
          },
          { caller: customer.caller },
        ),
      );
    return outcomes.flatMap((outcome) => (outcome.ok && outcome.booking ? [outcome.booking.id] : []));
  });
  expect(made).toHaveLength(24);
  const rows = () => db.select().from(notifications).where(inArray(notifications.bookingId, made));
  expect((await rows()).map(({ status }) => status)).toEqual(Array(48).fill("PENDING"));

  const { sent, send } = mailbox();
  await runCron(queue, env.PHOTOS, tools(send, Date.now() + 60_000));
  expect((await rows()).map(({ status }) => status)).toEqual(Array(48).fill("SENT"));
  expect(new Set(sent.map(({ headers }) => headers?.["X-Notification-Id"])).size).toBe(sent.length);
});
