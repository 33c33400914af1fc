/** Thrown when D1, R2, a Durable Object or the Worker's own files cannot be reached. Answered with 503. */
export class DependencyDown extends Error {
  /** Whether the dependency has more to do than it can: to ask again at once makes that worse. */
  readonly isOverloaded: boolean;

  /** @param dependency its name @param cause the error it gave */
  constructor(dependency: string, cause: unknown, isOverloaded = false) {
    super(`${dependency} cannot be reached`, { cause });
    this.name = "DependencyDown";
    this.isOverloaded = isOverloaded;
  }
}

/** Whether a failed request to a dependency may succeed when it is sent again soon. */
export const isWorthRepeating = (error: unknown): boolean =>
  error instanceof DependencyDown && !error.isOverloaded;

/** The pause before a repetition: random, so that those who failed together do not return together. */
export const shortPause = (): Promise<void> =>
  new Promise((done) => setTimeout(done, 50 + Math.random() * 150));

/** Awaits a dependency, and treats every failure as an outage. */
export async function reaching<T>(dependency: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new DependencyDown(dependency, error);
  }
}
