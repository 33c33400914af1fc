/** Thrown when too much work of one kind is waiting already. Answered with 503 `busy`. */
export class Busy extends Error {
  /** @param work what is waiting */
  constructor(work: string) {
    super(`too many wait for ${work}`);
    this.name = "Busy";
  }
}
