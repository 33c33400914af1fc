import { createServer, type Server as HttpServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../tools/command-line/programs.ts";
import { smoke } from "../../tools/deploy/smoke.ts";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

let server: Server;
const url = () => server.url.href;

beforeAll(async () => {
  server = await startServer();
  await server.customer("smoke");
  await server.car("SMOKE-1");
});
afterAll(() => server.close());

const faultsOf = async (...args: Parameters<typeof smoke>) =>
  (await smoke(...args)).flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]));

describe("against a server that works", () => {
  test("every check passes, with a login, which is ended again", async () => {
    const login = { username: "smoke", password: PASSWORD };
    const results = await smoke(url(), { login });
    expect(results.filter(({ fault }) => fault !== undefined)).toEqual([]);
    expect(results.length).toBe(9);
    const open = await server.db
      .prepare(
        "SELECT count(*) AS n FROM sessions JOIN users ON users.id = user_id WHERE username = 'smoke' AND ended_at IS NULL",
      )
      .first("n");
    // Only the session that customer() began.
    expect(open).toBe(1);
  });

  test("another version than the one that is tested fails the test", async () => {
    const version = { id: "00000000-0000-4000-8000-000000000000", worker: "dealership-edge" };
    const faults = await faultsOf(url(), { version, patienceMs: 0 });
    expect(faults).toEqual([expect.stringMatching(/^\/healthz .*: version .* answers$/)]);
  });

  test("a wrong password fails the test", async () => {
    const faults = await faultsOf(url(), { login: { username: "smoke", password: "another engine" } });
    expect(faults).toEqual(["smoke can log in and out: 401 instead of 200, invalid_credentials"]);
  });
});

test("every check fails against a server that answers everything with an empty page", async () => {
  const other: HttpServer = createServer((_, response) => response.end("")).listen(0, "127.0.0.1");
  await new Promise((listening) => other.once("listening", listening));
  const address = other.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const login = { username: "smoke", password: PASSWORD };
  const version = { id: "v", worker: "w" };
  const results = await smoke(`http://127.0.0.1:${port}`, { login, version, patienceMs: 0 });
  expect(results.filter(({ fault }) => fault === undefined)).toEqual([]);
  await new Promise((closed) => other.close(closed));
});

test("the requests for a version name it as Cloudflare reads it", async () => {
  const headers: unknown[] = [];
  const other = createServer((request, response) => {
    headers.push(request.headers["cloudflare-workers-version-overrides"]);
    response.end("");
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => other.once("listening", listening));
  const address = other.address();
  const port = typeof address === "object" ? address?.port : undefined;
  await smoke(`http://127.0.0.1:${port}`, { version: { id: "v1", worker: "cars" }, patienceMs: 0 });
  expect(new Set(headers)).toEqual(new Set(['cars="v1"']));
  await new Promise((closed) => other.close(closed));
});

test("the command says what is wrong and ends with 1, or with 0", () => {
  const env = { ...process.env, SMOKE_PASSWORD: PASSWORD };
  const good = run("node", ["scripts/smoke.ts", url(), "--username", "smoke"], { env });
  expect([good.status, good.stdout]).toEqual([
    0,
    expect.stringContaining("ok      smoke can log in and out"),
  ]);
  const bad = run("node", ["scripts/smoke.ts", "http://127.0.0.1:9"]);
  expect([bad.status, bad.stdout]).toEqual([1, expect.stringContaining("FAILED  /healthz")]);
});
