/** Runs tasks one at a time, in order of arrival, up to a capacity. */
export class SerialQueue {
  readonly #capacity: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param capacity how many tasks may wait or run at once */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Runs `task` after all earlier ones have succeeded or failed. Returns `undefined` when the queue is full. */
  run<T>(task: () => Promise<T>): Promise<T> | undefined {
    if (this.#waiting >= this.#capacity) return undefined;
    this.#waiting += 1;
    const result = this.#last.then(task).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = result.catch(() => {});
    return result;
  }
}
