/**
 * Whether what clients saw of one object can be explained by its operations having happened one at a time, each at
 * some moment between its call and its answer.
 */

/** One operation as its client saw it. Times are any rising numbers; no two events share one. */
export type Observed<Operation> = {
  operation: Operation;
  called: number;
  /** `undefined`: the client does not know the outcome; the operation may have happened at any time since, or never. */
  answered: number | undefined;
  /** An operation that this one must come after, although the moment of its call does not say so. */
  after?: Observed<Operation> | undefined;
};

/** What the object does when its operations come one at a time. */
export type Specification<State, Operation> = {
  initial: State;
  /** The states an operation, with the answer it got, can lead to. None: it cannot have happened here. */
  step(state: State, operation: Operation): State[];
  /** Text that is equal for equal states. */
  keyOf(state: State): string;
};

const MAX_OPERATIONS = 31;

/** Searches for an order that explains the history. */
export function isLinearizable<State, Operation>(
  { initial, step, keyOf }: Specification<State, Operation>,
  history: ReadonlyArray<Observed<Operation>>,
): boolean {
  if (history.length > MAX_OPERATIONS) throw new Error(`at most ${MAX_OPERATIONS} operations can be checked`);
  const mustHappen = history.reduce(
    (mask, { answered }, i) => (answered === undefined ? mask : mask | (1 << i)),
    0,
  );
  const before = history.map(({ after }) => (after ? 1 << history.indexOf(after) : 0));
  const deadEnds = new Set<string>();

  function search(done: number, state: State): boolean {
    if ((done & mustHappen) === mustHappen) return true;
    const here = `${done} ${keyOf(state)}`;
    if (deadEnds.has(here)) return false;
    deadEnds.add(here);
    // The next to happen was called before any that is still to happen was answered.
    let firstAnswer = Number.POSITIVE_INFINITY;
    for (const [i, { answered }] of history.entries())
      if (!(done & (1 << i)) && answered !== undefined) firstAnswer = Math.min(firstAnswer, answered);
    return history.some(
      ({ operation, called }, i) =>
        !(done & (1 << i)) &&
        called < firstAnswer &&
        (done & (before[i] ?? 0)) === (before[i] ?? 0) &&
        step(state, operation).some((next) => search(done | (1 << i), next)),
    );
  }
  return search(0, initial);
}
