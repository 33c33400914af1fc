/** A service that requires verified addresses, over HTTP. */
import { createHash } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { PASSWORD, startServer } from "../../tools/server/server.ts";

const server = await startServer({ EMAIL_VERIFICATION: "required" });
afterAll(() => server.close());

const register = (username: string, email: string) =>
  server.call("POST", "/api/auth/register/", { json: { username, password: PASSWORD, email } });

/** Verifies a user's address by a token as the mail would hold it. */
async function verify(userId: string, email: string) {
  const token = crypto.randomUUID();
  await server.db
    .prepare(
      "INSERT INTO email_verifications (token_hash, user_id, email, created_at, expires_at) VALUES (?, ?, ?, 0, 9e12)",
    )
    .bind(createHash("sha256").update(token).digest("hex"), userId, email)
    .run();
  return (await server.call("POST", "/api/auth/email/verify/", { json: { token } })).status;
}

test("a customer books only with a verified address", async () => {
  const { access: token, user } = await server.customer("carol");
  const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const json = { car: await server.car("WVWZZZ1KZAW000001"), start_at: `${day}T09:00` };
  const refused = await server.call("POST", "/api/bookings/", { token, json });
  expect([refused.status, refused.body.code]).toEqual([403, "email_not_verified"]);
  expect(refused.body.detail).toContain("/api/auth/email/resend");
  expect(await verify(user.id, "carol@example.com")).toBe(204);
  expect((await server.call("POST", "/api/bookings/", { token, json })).status).toBe(201);
});

test("a registration is answered alike for an address with and without an account", async () => {
  const { user } = await server.customer("owner");
  expect(await verify(user.id, "owner@example.com")).toBe(204);
  const taken = await register("second", "owner@example.com");
  const free = await register("third", "third@example.com");
  expect([taken.status, free.status]).toEqual([201, 201]);
  const shape = ({ body }: typeof taken) => ({ ...body, id: "", username: "", email: "" });
  expect(shape(taken)).toEqual(shape(free));
  // The second account is one like any other, and the address stays with its owner.
  const byName = await server.signIn("second");
  expect(byName).toMatchObject({ user: { username: "second", email_verified: false } });
  expect(await server.signIn("owner@example.com")).toMatchObject({ user: { username: "owner" } });
});
