/** Finding out about many askers at once. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { Askers, WHO_IS_SIGNED_IN } from "../../src/auth/askers.ts";
import type { Caller } from "../../src/http/context.ts";
import { booking, call, car, iso, person, slot } from "../support/world.ts";

const asker = (id: string): Caller => ({ id, sessionId: `session of ${id}`, role: "CUSTOMER" });

describe("asking who is signed in", () => {
  test("takes two questions for a thousand who come at once, and gives each their own answer", async () => {
    let questions = 0;
    const askers = new Askers(async (asked) => {
      questions += 1;
      await scheduler.wait(5);
      return new Set(asked.flatMap(({ id }, place) => (Number(id) % 3 === 0 ? [place] : [])));
    });
    const ids = Array.from({ length: 1000 }, (_, n) => n);
    const first = askers.isSignedIn(asker("0"));
    await scheduler.wait(1);
    const answers = await Promise.all(ids.map((id) => askers.isSignedIn(asker(String(id)))));
    expect([await first, questions]).toEqual([true, 2]);
    expect(answers).toEqual(ids.map((id) => id % 3 === 0));
  });

  test("goes on after a question failed", async () => {
    let fails = true;
    const askers = new Askers(async () => {
      if (fails) throw new Error("D1_ERROR: away");
      return new Set([0]);
    });
    await expect(askers.isSignedIn(asker("1"))).rejects.toThrow("away");
    fails = false;
    expect(await askers.isSignedIn(asker("1"))).toBe(true);
  });

  test("tells apart who is, who logged out, who was switched off and who has another role", async () => {
    const people = await Promise.all([person(), person(), person(), person(), person("SALES")]);
    const known = people.map(({ id, token }) => ({
      id,
      sessionId: sessionOf(token),
      role: "CUSTOMER" as const,
    }));
    await env.DB.batch([
      env.DB.prepare("UPDATE sessions SET ended_at = 1 WHERE id = ?").bind(known[1]?.sessionId),
      env.DB.prepare("UPDATE users SET is_active = 0 WHERE id = ?").bind(known[2]?.id),
    ]);
    const strangers = [{ ...known[0], sessionId: known[3]?.sessionId }];
    const { results } = await env.DB.prepare(WHO_IS_SIGNED_IN)
      .bind(JSON.stringify([...known, ...strangers]))
      .all<{ place: number }>();
    expect(results.map(({ place }) => place)).toEqual([0, 3]);
  });
});

test("who logged out is told so, not that the time they want is taken", async () => {
  const [{ id: customerId }, { token }, carId] = [await person(), await person(), await car()];
  await booking({ carId, customerId, startAt: slot(2), status: "APPROVED" });
  const ask = () => call("POST", "/api/bookings/", { token, json: { car: carId, start_at: iso(slot(2)) } });
  expect((await ask()).status).toBe(409);
  await env.DB.prepare("UPDATE sessions SET ended_at = 1 WHERE id = ?").bind(sessionOf(token)).run();
  expect((await ask()).status).toBe(401);
});

const sessionOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid;
