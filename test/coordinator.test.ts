import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createApp } from "../src/app.ts";
import { car, iso, person, slot } from "./support/world.ts";

test("the object of a car is named with the configured region, so that its first caller does not decide where it lives", async () => {
  const [{ token }, carId] = [await person(), await car()];
  const named: unknown[] = [];
  const CAR_COORDINATOR = {
    getByName: (...name: unknown[]) => {
      named.push(name);
      return { execute: async () => ({ ok: false, refusal: { code: "slot_taken" } }) };
    },
  };
  const request = new Request("http://dealership.test/api/bookings/", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ car: carId, start_at: iso(slot(2)) }),
  });
  await createApp().fetch(request, { ...env, REGION: "oc", CAR_COORDINATOR } as unknown as Env);
  expect(named).toEqual([[carId, { locationHint: "oc" }]]);
});
