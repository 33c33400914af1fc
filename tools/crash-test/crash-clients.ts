/** Clients who book, cancel, move and approve over HTTP while the server is killed, and record the answers. */
import { uuidv7 } from "uuidv7";
import { Random } from "../random.ts";
import type { KillableServer } from "../server/killable-server.ts";

/** Somebody who calls. */
export type Person = { id: string; token: string };
type Answer = { status: number; body: { id?: string; status?: string; start_at?: string } };
/** The booking in a client's request. */
export type Try = { carId: string; customerId: string; startAt: number; key: string | undefined };

/** A booking as its clients know it. `changes`: how many were acknowledged; `doubts`: how many may have happened. */
type Known = Try & {
  id: string;
  changes: number;
  doubts: number;
  /** All requested starts. Each is requested once, so that each successful move is a change. */
  starts: Set<number>;
  cancelled: boolean;
};

/** Who and what is there. `slots`: the starts that are booked. */
export type Stage = { customers: Person[]; staff: Person; carIds: string[]; slots: number[] };

/** How many calls are made, and how often the server is killed during them. */
export type Load = { calls: number; kills: number; clients: number; seed: number };

/** See the file's head. */
export class Clients {
  readonly known = new Map<string, Known>();
  /** Requested bookings with an unknown outcome. */
  readonly doubtful: Try[] = [];
  /** What each Idempotency-Key came to. */
  readonly keys = new Map<string, Set<string>>();
  readonly calls: Record<string, number> = {};
  readonly answers: Record<string, number> = {};
  readonly faults: string[] = [];
  readonly #options: Load;
  readonly #stage: Stage;
  readonly #server: KillableServer;
  readonly #random: Random;
  #made = 0;
  #restarting: Promise<void> = Promise.resolve();

  constructor(options: Load, stage: Stage, server: KillableServer) {
    this.#options = options;
    this.#stage = stage;
    this.#server = server;
    this.#random = new Random(options.seed);
  }

  /** All clients call until together they have made all calls. */
  async run(): Promise<void> {
    const { clients } = this.#options;
    await Promise.all(Array.from({ length: clients }, () => this.#client()));
    await this.#restarting;
  }

  async #client(): Promise<void> {
    while (this.#made < this.#options.calls) {
      await this.#server.ready;
      const dice = this.#random.next();
      const booking = this.#pickKnown();
      if (!booking || dice < 0.5) await this.#book();
      else if (dice < 0.65) await this.#cancel(booking);
      else if (dice < 0.85) await this.#approve(booking);
      else await this.#move(booking);
    }
  }

  #pickKnown(): Known | undefined {
    const all = [...this.known.values()].slice(-300);
    return all.length === 0 ? undefined : this.#random.pick(all);
  }

  /** One call. `undefined`: the connection broke before there was an answer. */
  async #call(what: string, method: string, path: string, token: string, json?: unknown, key?: string) {
    this.#made += 1;
    this.calls[what] = (this.calls[what] ?? 0) + 1;
    this.#killWhenDue();
    let answer: Answer | undefined;
    try {
      const response = await fetch(`${this.#server.url}${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(json === undefined ? {} : { "Content-Type": "application/json" }),
          ...(key === undefined ? {} : { "Idempotency-Key": key }),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      });
      const text = await response.text();
      answer = { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : {} };
    } catch {
      // The server was killed.
    }
    const name = answer ? String(answer.status) : "connection broken";
    this.answers[name] = (this.answers[name] ?? 0) + 1;
    if (answer && answer.status >= 500 && answer.status !== 503)
      this.faults.push(`${what} answered ${answer.status}`);
    if (answer && ![200, 201, 409].includes(answer.status) && answer.status < 500)
      this.faults.push(`${what} answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  /** Spreads the kills evenly over the calls. */
  #killWhenDue(): void {
    const { calls, kills } = this.#options;
    if (this.#server.kills >= kills) return;
    if (this.#made < ((this.#server.kills + 1) * calls) / (kills + 1)) return;
    this.#restarting = this.#server.killAndRestart();
  }

  async #book(): Promise<void> {
    const { customers, carIds, slots } = this.#stage;
    const customer = this.#random.pick(customers);
    const [carId, startAt] = [this.#random.pick(carIds), this.#random.pick(slots)];
    const key = this.#random.chance(0.5) ? uuidv7() : undefined;
    const attempt: Try = { carId, customerId: customer.id, startAt, key };
    const json = { car: carId, start_at: new Date(startAt).toISOString() };
    // With a key the client repeats the request until it is answered; without one it stops.
    for (let tries = 0; tries < 5; tries += 1) {
      const answer = await this.#call("book", "POST", "/api/bookings/", customer.token, json, key);
      if (answer?.status === 201) return this.#acknowledge(attempt, String(answer.body.id));
      if (answer && answer.status < 500) break;
      this.doubtful.push(attempt);
      if (key === undefined) return;
      await this.#server.ready;
    }
  }

  #acknowledge(attempt: Try, id: string): void {
    const { key } = attempt;
    if (key !== undefined) this.keys.set(key, (this.keys.get(key) ?? new Set()).add(id));
    if (!this.known.has(id))
      this.known.set(id, {
        ...attempt,
        id,
        changes: 0,
        doubts: 0,
        starts: new Set([attempt.startAt]),
        cancelled: false,
      });
  }

  async #change(what: string, booking: Known, token: string, json?: unknown): Promise<boolean> {
    const answer = await this.#call(what, "PATCH", `/api/bookings/${booking.id}/${what}/`, token, json);
    if (answer?.status === 200) booking.changes += 1;
    else if (!answer || answer.status >= 500) booking.doubts += 1;
    return answer?.status === 200;
  }

  async #cancel(booking: Known): Promise<void> {
    const owner = this.#stage.customers.find(({ id }) => id === booking.customerId);
    const done = await this.#change("cancel", booking, owner?.token ?? "");
    if (done && booking.cancelled) this.faults.push(`${booking.id} was cancelled twice`);
    booking.cancelled ||= done;
  }

  async #approve(booking: Known): Promise<void> {
    await this.#change("approve", booking, this.#stage.staff.token);
  }

  async #move(booking: Known): Promise<void> {
    const startAt = this.#random.pick(this.#stage.slots);
    if (booking.starts.has(startAt)) return this.#book();
    booking.starts.add(startAt);
    const { customers, staff } = this.#stage;
    const owner = customers.find(({ id }) => id === booking.customerId) ?? staff;
    const mover = this.#random.chance(0.5) ? owner : staff;
    await this.#change("reschedule", booking, mover.token, { start_at: new Date(startAt).toISOString() });
  }
}
