/** Thrown when D1, R2, a Durable Object or the Worker's own files cannot be reached. Answered with 503. */
export class DependencyDown extends Error {
  /** @param dependency its name @param cause the error it gave */
  constructor(dependency: string, cause: unknown) {
    super(`${dependency} cannot be reached`, { cause });
    this.name = "DependencyDown";
  }
}

/** Awaits a dependency, and treats every failure as an outage. */
export async function reaching<T>(dependency: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new DependencyDown(dependency, error);
  }
}
