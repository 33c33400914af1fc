declare namespace Cloudflare {
  interface Env {
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[];
    /** How many cars the walk through the catalog takes, if not the usual few. */
    TEST_STOCK: string | undefined;
    OFFERED_POLICIES: string | undefined;
    ABSENCE_ROUNDS: string | undefined;
    CROWD: string | undefined;
  }
}

declare module "*?raw" {
  const text: string;
  export default text;
}
