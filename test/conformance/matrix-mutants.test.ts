/**
 * That the matrix would see a write which takes effect for a caller who is not verified. A copy of the source verifies
 * nobody before the effect, neither in a read nor in a transaction; only afterwards the answer becomes 401. So it
 * behaves as the service did when an operation was forgotten, for every operation at once.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { buildWorker } from "../../tools/server/built-worker.ts";
import { startServer } from "../../tools/server/server.ts";
import { describedOperations, MATRIX, type Operation, stageMatrix } from "./access-matrix.ts";

const FOLDER = ".mutants/matrix";

/** Replaces what must be in a file exactly once. */
function mutate(file: string, from: string | RegExp, to: string): void {
  const path = `${FOLDER}/src/${file}`;
  const parts = readFileSync(path, "utf8").split(from);
  if (parts.length !== 2) throw new Error(`${from} is not in ${file} exactly once`);
  writeFileSync(path, parts.join(to));
}

function buildMutant(): string {
  mkdirSync(FOLDER, { recursive: true });
  cpSync("src", `${FOLDER}/src`, { recursive: true });
  mutate("db/client.ts", 'typeof actor === "string"', 'typeof actor !== "number"');
  mutate("auth/verification.ts", 'if (!user) return refuse("invalid_token");', "");
  mutate("auth/verification.ts", "if (!allowedRoles.includes(user.role))", "if (!allowedRoles.length)");
  mutate("auth/verification.ts", "role: user.role", "role: user?.role ?? claimed.role");
  mutate(
    "auth/operation.ts",
    /await next\(\);[\s\S]*?await verifiedCaller\(c\);/,
    `await next();
    try {
    const { results } = await c.env.DB.prepare("SELECT 1 FROM signed_in WHERE session_id = ?")
      .bind(caller.sessionId)
      .run();
    if (results.length === 0) throw new Problem("invalid_token");`,
  );
  return buildWorker(`${FOLDER}/src/index.ts`, `${FOLDER}/built`);
}

const server = await startServer({}, buildMutant());
const writes = (await describedOperations(server)).filter(
  ({ method, roles }) => method !== "GET" && roles !== undefined,
);
const stage = await stageMatrix(server);
afterAll(async () => {
  await server.close();
  rmSync(FOLDER, { recursive: true, force: true });
});

describe("a service that verifies too late", () => {
  test("is simulated for every write that needs a role", () => {
    expect(writes.length).toBeGreaterThan(20);
    expect(writes.every(({ id }) => id in MATRIX)).toBe(true);
  });

  test.each(writes.map((operation) => [operation.id, operation] as const))(
    "is detected by the matrix: %s takes effect for a caller who is signed out",
    async (_, operation: Operation) => {
      const seen = [];
      for (const role of operation.roles ?? []) {
        const { status, effect } = await stage.attemptSignedOut(operation, role);
        seen.push({ status, effect });
      }
      expect(seen).toContainEqual({ status: 401, effect: true });
    },
  );
});
