/** Thrown when D1, R2, a Durable Object or the Worker's own files cannot be reached now. Answered with 503. */
export class DependencyDown extends Error {
  /** @param dependency what was asked @param cause what it answered */
  constructor(dependency: string, cause: unknown) {
    super(`${dependency} cannot be reached`, { cause });
    this.name = "DependencyDown";
  }
}

/** Waits for a dependency, every failure of which is an outage. */
export async function reaching<T>(dependency: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new DependencyDown(dependency, error);
  }
}
