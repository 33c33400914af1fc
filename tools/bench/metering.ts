/** Bindings that count their calls, so that the cost of a request is known exactly. */

/** One statement as it went to D1. */
export type Sent = { sql: string; params: unknown[] };

/** One round trip to D1. `by`: the Worker or a coordinator. */
export type Trip = {
  by: "worker" | "coordinator";
  statements: Sent[];
  rowsRead: number;
  rowsWritten: number;
};

/** The calls of the bindings. */
export type Account = { trips: Trip[]; coordinatorCalls: number };

/** The sums that budgets limit. */
export type Cost = { trips: number; rowsRead: number; rowsWritten: number; coordinatorCalls: number };

/** Adds an account up. */
export function costOf({ trips, coordinatorCalls }: Account): Cost {
  const sum = (of: (trip: Trip) => number) => trips.reduce((total, trip) => total + of(trip), 0);
  return {
    trips: trips.length,
    rowsRead: sum((trip) => trip.rowsRead),
    rowsWritten: sum((trip) => trip.rowsWritten),
    coordinatorCalls,
  };
}

/** `env`, with D1 and the coordinators counted. */
export function metered(env: Env, account: Account, by: Trip["by"]): Env {
  return {
    ...env,
    DB: meteredDatabase(env.DB, account, by),
    CAR_COORDINATOR: new Proxy(env.CAR_COORDINATOR, {
      get(namespace, member) {
        const value = Reflect.get(namespace, member);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (member === "getByName") account.coordinatorCalls += 1;
          return value.apply(namespace, args);
        };
      },
    }),
  };
}

type Session = Pick<D1DatabaseSession, "prepare" | "batch" | "getBookmark">;

function meteredDatabase(d1: D1Database, account: Account, by: Trip["by"]): D1Database {
  const statements = new WeakMap<object, { statement: D1PreparedStatement; sent: Sent }>();

  function note(sent: Sent[], results: D1Result[]): void {
    const sum = (of: "rows_read" | "rows_written") =>
      results.reduce((total, { meta }) => total + meta[of], 0);
    account.trips.push({
      by,
      statements: sent,
      rowsRead: sum("rows_read"),
      rowsWritten: sum("rows_written"),
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
      const results = await session.batch<T>(known.map(({ statement }) => statement));
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
