/** The memory of an isolate, as its inspector reports it: the heap of JavaScript, and the buffers outside it. */

/** Bytes in use. The platform counts both kinds against the limit of an isolate. */
export type Memory = { heap: number; buffers: number };

type Usage = { usedSize: number; embedderHeapUsedSize?: number; backingStorageSize?: number };

/** The sum that the platform limits. */
export const totalOf = ({ heap, buffers }: Memory): number => heap + buffers;

/** Connects to the inspector of a Worker's isolate. */
export async function inspectIsolate(port: number, worker: string) {
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as Array<{
    id: string;
    webSocketDebuggerUrl: string;
  }>;
  const target = targets.find(({ id }) => id === `core:user:${worker}`);
  if (!target)
    throw new Error(`the inspector knows ${targets.map(({ id }) => id).join(", ")}, not ${worker}`);
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((open, fail) => {
    socket.addEventListener("open", open, { once: true });
    socket.addEventListener("error", fail, { once: true });
  });
  const waiting = new Map<number, (result: unknown) => void>();
  socket.addEventListener("message", ({ data }) => {
    const { id, result } = JSON.parse(String(data));
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let sent = 0;
  const ask = (method: string) =>
    new Promise<unknown>((answer) => {
      sent += 1;
      waiting.set(sent, answer);
      socket.send(JSON.stringify({ id: sent, method }));
    });
  const memory = async (): Promise<Memory> => {
    const usage = (await ask("Runtime.getHeapUsage")) as Usage;
    return {
      heap: usage.usedSize + (usage.embedderHeapUsedSize ?? 0),
      buffers: usage.backingStorageSize ?? 0,
    };
  };
  return {
    memory,
    /** Frees what nothing holds. The isolate does so when it has a task: `wake` sends it a request. */
    async collect(wake: () => Promise<unknown>): Promise<void> {
      let isDone = false;
      const collected = ask("HeapProfiler.collectGarbage").then(() => {
        isDone = true;
      });
      while (!isDone) await Promise.race([collected, wake()]);
    },
    /** The largest memory while `work` runs, sampled without a pause. The isolate answers between two of its tasks. */
    async peakDuring(work: Promise<unknown>): Promise<{ peak: Memory; samples: number }> {
      let peak = await memory();
      let isRunning = true;
      const ended = work.finally(() => {
        isRunning = false;
      });
      let samples = 1;
      while (isRunning) {
        const now = await memory();
        samples += 1;
        if (totalOf(now) > totalOf(peak)) peak = now;
      }
      await ended;
      return { peak, samples };
    },
    close: () => socket.close(),
  };
}
