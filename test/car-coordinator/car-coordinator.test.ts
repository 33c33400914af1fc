/** What holds while a Worker and a car's object run different versions, as they do for a moment at each deploy. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { bookingSchema } from "../../src/bookings/schemas.ts";
import type { CommandContext } from "../../src/car-coordinator/car-writer.ts";
import type { Command } from "../../src/car-coordinator/commands.ts";
import { answer, booking, car, iso, person, slot } from "../support/world.ts";

type Refused = { ok: false; refusal: { code: string } };

describe("a newer Worker", () => {
  const book = (customerId: string) =>
    ({ type: "book", customerId, startAt: slot(2), notes: "", channel: "phone" }) as Command;

  test("is served when its command and context have members that the object does not know", async () => {
    const [{ id, caller }, carId] = [await person(), await car()];
    const context = {
      caller: { ...caller, device: "d" },
      requestId: "trace-42",
      idempotency: { key: { id: crypto.randomUUID(), fingerprint: "f", scope: "s" }, note: "n" },
      deadline: 1,
    } as CommandContext;
    const booked = await env.CAR_COORDINATOR.getByName(carId).execute(book(id), context);
    expect(booked).toMatchObject({ ok: true, booking: { customerId: id, status: "PENDING" } });
  });
});

describe("an object that runs another version", () => {
  const REFUSED: Refused = { ok: false, refusal: { code: "car_on_holiday" } };

  /** The answers of the API to a booking, its approval and a car's status, all of this object. */
  async function answersOf(object: object) {
    const [customer, seller, carId] = [await person(), await person("SALES"), await car()];
    const id = await booking({ carId, customerId: customer.id, startAt: slot(2), status: "PENDING" });
    const CAR_COORDINATOR = { getByName: () => object } as unknown as Env["CAR_COORDINATOR"];
    const send = (method: string, path: string, token: string, json?: object) =>
      answer(
        Promise.resolve(
          createApp().fetch(
            new Request(`http://dealership.test${path}`, {
              method,
              headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
              ...(json ? { body: JSON.stringify(json) } : {}),
            }),
            { ...env, CAR_COORDINATOR },
          ),
        ),
      );
    return {
      booked: await send("POST", "/api/bookings/", customer.token, { car: carId, start_at: iso(slot(2)) }),
      approved: await send("PATCH", `/api/bookings/${id}/approve/`, seller.token),
      reserved: await send("PATCH", `/api/cars/${carId}/`, seller.token, { status: "RESERVED" }),
    };
  }

  test("and refuses with a code that this one does not know is unavailable, and no fault of ours", async () => {
    const object = { execute: async () => REFUSED };
    for (const { status, body, headers } of Object.values(await answersOf(object))) {
      expect([status, body.code]).toEqual([503, "unavailable"]);
      expect(headers.get("Retry-After")).toMatch(/^\d+$/);
    }
  });

  test("and does not have the method that is called is unavailable, and no fault of ours", async () => {
    // As workerd says it.
    const missing = async () => {
      const message = 'The RPC receiver does not implement the method "method".';
      throw Object.assign(new TypeError(message), { remote: true });
    };
    for (const { status, body } of Object.values(await answersOf({ execute: missing })))
      expect([status, body.code]).toEqual([503, "unavailable"]);
  });

  test("and answers with members that this one does not know is understood, and they are not passed on", async () => {
    const [{ id: customerId }, carId] = [await person(), await car()];
    const booked = {
      ok: true,
      booking: {
        id: crypto.randomUUID(),
        carId,
        customerId,
        startAt: slot(2),
        endAt: slot(2) + 3_600_000,
        status: "PENDING",
        notes: "",
        handledBy: null,
        sequence: 0,
        createdAt: 0,
        updatedAt: 0,
        channel: "phone",
      },
      committed: true,
      bookmark: null,
      events: [1],
    };
    const { booked: made, approved } = await answersOf({ execute: async () => booked });
    expect([made.status, approved.status]).toEqual([201, 200]);
    expect(bookingSchema.strict().parse(made.body)).toMatchObject({
      id: booked.booking.id,
      status: "PENDING",
    });
  });
});

test("a car's object that fails by a fault of ours is an internal error, not an outage", async () => {
  const [{ token }, carId] = [await person(), await car()];
  const fault = Object.assign(new TypeError("undefined is not a function"), { remote: true });
  const CAR_COORDINATOR = { getByName: () => ({ execute: () => Promise.reject(fault) }) };
  const request = new Request("http://dealership.test/api/bookings/", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ car: carId, start_at: iso(slot(2)) }),
  });
  const surroundings = { ...env, CAR_COORDINATOR } as unknown as Env;
  const failed = await answer(Promise.resolve(createApp().fetch(request, surroundings)));
  expect([failed.status, failed.body.code]).toEqual([500, "internal_error"]);
});
