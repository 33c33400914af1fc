import { expect, test } from "vitest";
import { fuzz } from "../../tools/fuzz/fuzzer.ts";
import { startServer } from "../../tools/server/server.ts";

const SECONDS = 120;

test("every answer is what the OpenAPI document says, whoever sends whatever", async () => {
  const server = await startServer();
  const seed = Date.now() % 1_000_000;
  try {
    const { findings, requests } = await fuzz(server, seed, SECONDS * 1000);
    console.log(`fuzz: seed ${seed}, ${requests} requests`);
    expect(findings, `seed ${seed}`).toEqual([]);
    expect(requests).toBeGreaterThan(500);
  } finally {
    await server.close();
  }
}, 300_000);
