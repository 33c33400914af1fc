import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

// No test needs the network: no made-up request origin is fetched.
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";
// wrangler looks for it here, and warns in each file when it is neither here nor in .dev.vars.
process.env["JWT_SECRET"] = "a secret of the tests that opens nothing else";

/** Variables that make random tests run longer. */
const LONGER = ["TEST_STOCK", "OFFERED_POLICIES", "ABSENCE_ROUNDS", "CROWD"];

/** workerd with the Worker's own configuration; `main` is another entry than its own. */
const inWorkerd = (main?: string) =>
  cloudflareTest(async () => ({
    ...(main === undefined ? {} : { main }),
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: {
      bindings: {
        ENVIRONMENT: "development",
        RATE_LIMITS: "off",
        // Few customers stand for many in tests.
        MAX_ACTIVE_BOOKINGS: "1000",
        MAX_ACTIVE_BOOKINGS_UNVERIFIED: "1000",
        // Tests write behind the API's back, and read at once.
        PUBLIC_FRESHNESS_SECONDS: "0",
        CORS_ORIGINS: "http://shop.example",
        JWT_SECRET: process.env["JWT_SECRET"],
        TEST_MIGRATIONS: await readD1Migrations("migrations"),
        ...Object.fromEntries(
          LONGER.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
        ),
      },
    },
  }));

export default defineConfig({
  test: {
    // What a passing test logged is noise.
    silent: "passed-only",
    // Files wait for a server or a clock as much as they compute: one more of them than a small machine has cores.
    maxWorkers: 3,
    projects: [
      {
        // Rules, routes, Durable Object and queue, inside workerd.
        plugins: [inWorkerd()],
        test: {
          name: "workerd",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.node.test.ts", "test/{bench,browser,conformance,house,scripts,simulation}/**"],
          setupFiles: ["test/support/migrate.ts"],
          testTimeout: 30_000,
        },
      },
      {
        // What each operation may cost, by the Worker that counts.
        plugins: [inWorkerd("tools/bench/metered-worker.ts")],
        test: {
          name: "budgets",
          include: ["test/bench/**/*.test.ts"],
          setupFiles: ["test/support/migrate.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Seeded schedules, in plain Node.
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        // The source as text, its configuration and its scripts, in plain Node.
        test: {
          name: "node",
          include: ["test/{house,scripts}/**/*.test.ts", "test/**/*.node.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        // Black box: a real server over HTTP.
        test: {
          name: "conformance",
          globalSetup: "tools/server/built-worker.ts",
          include: ["test/conformance/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // In a real browser; run by "npm run test:browser", because not every machine has one.
        test: {
          name: "browser",
          globalSetup: "tools/server/built-worker.ts",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
