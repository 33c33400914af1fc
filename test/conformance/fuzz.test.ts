import { expect, test } from "vitest";
import { fuzz } from "../../tools/fuzz/fuzzer.ts";
import { startServer } from "../../tools/server/server.ts";

/** Always the same, so that a failure is the change's; other seeds, and hours of them: `npm run fuzz`. */
const SEED = 1;
const REQUESTS = 400;

test("every answer to any request of any caller conforms to the OpenAPI document", async () => {
  const server = await startServer();
  try {
    const { findings } = await fuzz(server, SEED, (requests) => requests >= REQUESTS);
    expect(findings).toEqual([]);
  } finally {
    await server.close();
  }
}, 180_000);
