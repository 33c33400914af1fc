import { expect, test } from "vitest";
import { idempotencyKeys } from "../../src/db/schema.ts";
import { sha256 } from "../../src/shared/digest.ts";
import { answer, call, db } from "../support/world.ts";

const register = (json: object, key: string) =>
  answer(call("POST", "/api/auth/register/", { json, headers: { "Idempotency-Key": key } }));

test("the row of an Idempotency-Key does not contain a plain hash of the password", async () => {
  const body = { username: `hashed-${crypto.randomUUID().slice(0, 8)}`, password: "a quiet engine" };
  const key = crypto.randomUUID();
  await register(body, key);
  const rows = await db.select().from(idempotencyKeys);
  const guess = await sha256(`POST /api/auth/register/\n${JSON.stringify(body)}`);
  expect(rows.map(({ fingerprint }) => fingerprint)).not.toContain(guess);
  expect((await register(body, key)).headers.get("Idempotency-Replayed")).toBe("true");
});
