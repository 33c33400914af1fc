/** Finds out about many askers at once. */
import type { Caller } from "../http/context.ts";

/** Tells of which askers, by their place, what their tokens say is still so. */
export type AskTogether = (askers: readonly Caller[]) => Promise<ReadonlySet<number>>;

/** The question in SQL, its one parameter the askers as JSON. */
export const WHO_IS_SIGNED_IN = `SELECT asker.key AS place FROM json_each(?1) asker JOIN signed_in
  ON user_id = asker.value ->> 'id' AND session_id = asker.value ->> 'sessionId' AND role = asker.value ->> 'role'`;

/**
 * Whether askers are signed in, with one question under way at a time: whoever comes meanwhile goes with the next. So a
 * thousand people after one car cost a handful of round trips instead of a thousand.
 */
export class Askers {
  readonly #ask: AskTogether;
  #gathered: Caller[] = [];
  #next: Promise<ReadonlySet<number>> | undefined;
  /** The question under way. Never rejects. */
  #current: Promise<unknown> = Promise.resolve();

  constructor(ask: AskTogether) {
    this.#ask = ask;
  }

  /** @throws whatever the question fails with */
  async isSignedIn(asker: Caller): Promise<boolean> {
    const place = this.#gathered.push(asker) - 1;
    this.#next ??= this.#current.then(() => this.#askNext());
    return (await this.#next).has(place);
  }

  #askNext(): Promise<ReadonlySet<number>> {
    const askers = this.#gathered;
    this.#gathered = [];
    this.#next = undefined;
    const answer = this.#ask(askers);
    this.#current = answer.catch(() => {});
    return answer;
  }
}
