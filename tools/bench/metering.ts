/** Bindings that count their calls, so that the cost of a request is known exactly. */

/** One statement as it went to D1. */
export type Sent = { sql: string; params: unknown[] };

/** Where a call came from: the Worker or a coordinator. */
type By = "worker" | "coordinator";

/** One round trip to D1. `isBackground`: it ended after the answer, which did not wait for it. */
export type Trip = {
  by: By;
  statements: Sent[];
  rowsRead: number;
  rowsWritten: number;
  isBackground: boolean;
};

/** The services that are reached over a network. */
export type Service = "D1" | "R2" | "Images" | "coordinator" | "queue";

/** One call of a service. `from` and `until` are ticks of the account's clock, so it is known which calls ran at once. */
export type FarCall = { to: Service; by: By; from: number; until?: number };

/** The calls of the bindings. `messages`: how many notifications were sent to the queue; `logs`: the lines of the log. */
export type Account = {
  trips: Trip[];
  coordinatorCalls: number;
  calls: FarCall[];
  messages: number;
  logs: number;
  clock: number;
  answeredAt?: number;
};

/** An account of nothing. */
export const emptyAccount = (): Account => ({
  trips: [],
  coordinatorCalls: 0,
  calls: [],
  messages: 0,
  logs: 0,
  clock: 0,
});

/** The sums that budgets limit. `trips`: those that the answer waited for. The rows include those of background work. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number; coordinatorCalls: number };

/** Adds an account up. */
export function costOf({ trips, coordinatorCalls }: Account): Cost {
  const sum = (of: (trip: Trip) => number) => trips.reduce((total, trip) => total + of(trip), 0);
  return {
    trips: trips.filter((trip) => !trip.isBackground).length,
    rowsRead: sum((trip) => trip.rowsRead),
    rowsWritten: sum((trip) => trip.rowsWritten),
    coordinatorCalls,
  };
}

/** Reads an account, once the background work has ended. @param ask sends `GET /account` */
export async function readAccount(ask: () => Promise<Response>): Promise<Account> {
  for (;;) {
    const answer = await ask();
    if (answer.ok) return answer.json<Account>();
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** Counts the lines of the log. */
export function meterLog(account: Account): void {
  for (const level of ["info", "warn", "error"] as const) {
    const { [level]: write } = console;
    console[level] = (...line) => {
      account.logs += 1;
      write(...line);
    };
  }
}

/** Notes a call of a service while it runs. */
async function noted<T>(account: Account, to: Service, by: By, run: () => Promise<T>): Promise<T> {
  account.clock += 1;
  const call: FarCall = { to, by, from: account.clock };
  account.calls.push(call);
  try {
    return await run();
  } finally {
    account.clock += 1;
    call.until = account.clock;
  }
}

type Method = (...args: unknown[]) => unknown;

/** An object whose methods of these names are replaced; the others are its own. */
function withMethods<T extends object>(
  target: T,
  replaced: (name: string, method: Method) => Method | undefined,
): T {
  return new Proxy(target, {
    get(_, member) {
      const value = Reflect.get(target, member);
      if (typeof value !== "function") return value;
      const method: Method = (...args) => value.apply(target, args);
      return replaced(String(member), method) ?? method;
    },
  });
}

/** `env`, with the calls of its services counted. */
export function metered(env: Env, account: Account, by: By): Env {
  const far =
    (to: Service, method: Method): Method =>
    (...args) =>
      noted(account, to, by, async () => method(...args));
  return {
    ...env,
    DB: meteredDatabase(env.DB, account, by),
    PHOTOS: withMethods(env.PHOTOS, (_, method) => far("R2", method)),
    IMAGES: withMethods(env.IMAGES, (name, method) =>
      name === "input" ? (...args) => meteredImage(method(...args) as ImageTransformer, far) : undefined,
    ),
    NOTIFICATIONS: withMethods(env.NOTIFICATIONS, (_, method) => (...args) => {
      account.messages += Array.isArray(args[0]) ? args[0].length : 1;
      return far("queue", method)(...args);
    }),
    CAR_COORDINATOR: withMethods(env.CAR_COORDINATOR, (name, method) =>
      name !== "getByName"
        ? undefined
        : (...args) => {
            account.coordinatorCalls += 1;
            const stub = method(...args) as ReturnType<Env["CAR_COORDINATOR"]["getByName"]>;
            const execute = (...sent: Parameters<typeof stub.execute>) =>
              noted(account, "coordinator", by, async () => stub.execute(...sent));
            return { execute };
          },
    ),
  };
}

/** An image whose transformation is counted when it is made. */
const meteredImage = (
  image: ImageTransformer,
  far: (to: Service, method: Method) => Method,
): ImageTransformer =>
  withMethods(image, (name, method) =>
    name === "output"
      ? far("Images", method)
      : (...args) => meteredImage(method(...args) as ImageTransformer, far),
  );

type Session = Pick<D1DatabaseSession, "prepare" | "batch" | "getBookmark">;

function meteredDatabase(d1: D1Database, account: Account, by: By): D1Database {
  const statements = new WeakMap<object, { statement: D1PreparedStatement; sent: Sent }>();

  function note(sent: Sent[], results: D1Result[]): void {
    const sum = (of: "rows_read" | "rows_written") =>
      results.reduce((total, { meta }) => total + meta[of], 0);
    account.trips.push({
      by,
      statements: sent,
      rowsRead: sum("rows_read"),
      rowsWritten: sum("rows_written"),
      isBackground: account.answeredAt !== undefined,
    });
  }

  function wrap(session: Session, statement: D1PreparedStatement, sent: Sent): D1PreparedStatement {
    async function all() {
      const result = await statement.all();
      note([sent], [result]);
      return result;
    }
    const wrapped = {
      bind: (...params: unknown[]) => wrap(session, statement.bind(...params), { ...sent, params }),
      all,
      run: all,
      // Its answer does not contain the cost. A query is run again for that; a write returns its rows by name.
      async raw() {
        if (!/^\s*(select|with)\b/i.test(sent.sql))
          return (await all()).results.map((row) => Object.values(row as object));
        note([sent], await session.batch([statement]));
        return statement.raw();
      },
    };
    statements.set(wrapped, { statement, sent });
    return wrapped as unknown as D1PreparedStatement;
  }

  const over = (session: Session): Session => ({
    getBookmark: () => session.getBookmark(),
    prepare: (sql) => wrap(session, session.prepare(sql), { sql, params: [] }),
    async batch<T>(batch: D1PreparedStatement[]) {
      const known = batch.map(
        (item) => statements.get(item) ?? { statement: item, sent: { sql: "?", params: [] } },
      );
      const results = await noted(account, "D1", by, () =>
        session.batch<T>(known.map(({ statement }) => statement)),
      );
      note(
        known.map(({ sent }) => sent),
        results,
      );
      return results;
    },
  });
  return new Proxy(d1, {
    get(target, member) {
      if (member === "withSession") return (start: string) => over(target.withSession(start));
      const value = Reflect.get(target, member);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
