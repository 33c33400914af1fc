/**
 * The load: a process of its own that keeps connections busy, one request after the other on each, over bare sockets,
 * because an HTTP client costs more than the server it would measure.
 */
import { connect, type Socket } from "node:net";

/** One run. `requests` are whole HTTP requests; `once`: each is sent at most once, else they go round. */
export type Run = { port: number; connections: number; seconds: number; requests: string[]; once: boolean };

/** The outcome of a run. Milliseconds. */
export type Outcome = {
  seconds: number;
  requests: number;
  bytes: number;
  p50: number;
  p99: number;
  max: number;
  statuses: Record<string, number>;
};

/** Executes a run. */
export async function drive({ port, connections, seconds, requests, once }: Run): Promise<Outcome> {
  const prepared = requests.map((request) => Buffer.from(request));
  const times: number[] = [];
  const statuses: Record<string, number> = {};
  let bytes = 0;
  let next = 0;
  const begun = performance.now();
  const end = begun + seconds * 1000;

  async function client(): Promise<void> {
    const socket = await open(port);
    const reader = new Reader(socket);
    while (performance.now() < end) {
      if (once && next >= prepared.length) break;
      const request = prepared[next++ % prepared.length];
      if (!request) break;
      const sentAt = performance.now();
      socket.write(request);
      const answer = await reader.read();
      times.push(performance.now() - sentAt);
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      bytes += answer.bytes;
    }
    socket.destroy();
  }
  await Promise.all(Array.from({ length: connections }, client));
  const taken = (performance.now() - begun) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { seconds: taken, requests: times.length, bytes, p50: at(0.5), p99: at(0.99), max: at(1), statuses };
}

function open(port: number): Promise<Socket> {
  return new Promise((done, failed) => {
    const socket = connect(port, "127.0.0.1", () => done(socket));
    socket.setNoDelay(true);
    socket.once("error", failed);
  });
}

type Answer = { status: string; bytes: number };

const HEAD_END = Buffer.from("\r\n\r\n");
const CHUNKS_END = Buffer.from("0\r\n\r\n");

/** Reads answers off a connection. There is never more than one under way, so what follows its end is an error. */
class Reader {
  #received: Buffer[] = [];
  #size = 0;
  /** Known once the head is: the size of the whole answer, or undefined when it comes in chunks. */
  #head: { status: string; whole: number | undefined } | undefined;
  #waiting: { done: (answer: Answer) => void; failed: (error: Error) => void } | undefined;

  constructor(socket: Socket) {
    socket.on("data", (data) => this.#take(data));
    socket.on("error", (error) => this.#waiting?.failed(error));
    socket.on("close", () => this.#waiting?.failed(new Error("the server closed the connection")));
  }

  read(): Promise<Answer> {
    return new Promise((done, failed) => {
      this.#waiting = { done, failed };
    });
  }

  #take(data: Buffer): void {
    this.#received.push(data);
    this.#size += data.length;
    this.#head ??= this.#readHead();
    if (!this.#head) return;
    const { status, whole } = this.#head;
    const isWhole =
      whole === undefined
        ? Buffer.concat(this.#received.slice(-2)).subarray(-5).equals(CHUNKS_END)
        : this.#size >= whole;
    if (!isWhole) return;
    const bytes = this.#size;
    this.#received = [];
    this.#size = 0;
    this.#head = undefined;
    this.#waiting?.done({ status, bytes });
  }

  #readHead() {
    const received = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
    const end = received?.indexOf(HEAD_END) ?? -1;
    if (!received || end === -1) return undefined;
    const head = received.toString("latin1", 0, end);
    const status = head.slice(9, 12);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const isBare = status === "304" || status === "204";
    const whole = isBare ? end + 4 : length === undefined ? undefined : end + 4 + Number(length);
    return { status, whole };
  }
}

// Started as a process: each message is a run, each answer its outcome.
process.on("message", async (run: Run) => {
  process.send?.(await drive(run).catch((error: unknown) => ({ error: String(error) })));
});
