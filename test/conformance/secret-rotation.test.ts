/** The replacement of JWT_SECRET as docs/operations/secrets.md describes it: a restart with a new and the previous one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { signAccessToken } from "../../src/auth/tokens.ts";
import { SECRET, type Server, startServer } from "../../tools/server/server.ts";

const NEW_SECRET = "the next secret of the black-box tests, nothing else";

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

const me = async (token: string) => (await server.call("GET", "/api/auth/me/", { token })).status;
const refresh = (token: string) => server.call("POST", "/api/auth/refresh/", { json: { refresh: token } });

test("after the secret was replaced, tokens of the previous one go on until they expire, and spent ones stay spent", async () => {
  const first = await server.customer("rotated");
  const second = (await refresh(first.refresh)).body;
  const other = await server.customer("untouched");
  // The grace period of a lost answer is over.
  await server.db.prepare("UPDATE refresh_tokens SET created_at = created_at - 60000").run();

  await server.restart({ JWT_SECRET: NEW_SECRET, JWT_SECRET_PREVIOUS: SECRET });
  expect(await me(first.access)).toBe(200);
  const sessionId = JSON.parse(atob(String(first.access).split(".")[1] ?? "")).sid;
  const issued = (minutesAgo: number, secret: string) =>
    signAccessToken(
      { userId: first.user.id, role: "CUSTOMER", sessionId },
      secret,
      Date.now() - minutesAgo * 60_000,
    );
  expect(await me(await issued(29, SECRET))).toBe(200);
  expect(await me(await issued(31, SECRET))).toBe(401);
  expect(await me(await issued(0, "a secret that was never the server's own, at all"))).toBe(401);

  const third = await refresh(second.refresh);
  expect(third.status).toBe(200);
  expect(await me(third.body.access)).toBe(200);
  expect((await refresh(first.refresh)).status).toBe(401);
  expect((await refresh(third.body.refresh)).status, "the theft ended the session").toBe(401);

  await server.restart({ JWT_SECRET: NEW_SECRET });
  expect(await me(other.access)).toBe(401);
  const renewed = await refresh(other.refresh);
  expect(renewed.status).toBe(200);
  expect(await me(renewed.body.access)).toBe(200);
}, 180_000);
