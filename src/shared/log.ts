/** Structured logs: one JSON object a line, with a stable dotted `event`. Never a password, token or address. */

type Fields = Record<string, string | number | boolean | null | undefined>;

let version: string | undefined;

/** From now on each line names this version of the Worker. An isolate runs one version only. */
export const logVersion = (id: string | undefined): void => {
  version = id;
};

const write =
  (level: "info" | "warn" | "error") =>
  (event: string, fields: Fields = {}) => {
    // biome-ignore lint/suspicious/noConsole: the one place where the platform's log is written.
    console[level](JSON.stringify({ event, ...fields, version }));
  };

/** Writes one log line. */
export const log = { info: write("info"), warn: write("warn"), error: write("error") };

/** Returns the name and message of a thrown value, without the SQL and parameters that Drizzle puts in messages. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return "not an error";
  const innermost = error.cause instanceof Error ? error.cause : error;
  return innermost.message.startsWith("Failed query")
    ? error.name
    : `${innermost.name}: ${innermost.message}`;
}
