/** Two typed clients that strangers could use: one generated from the OpenAPI document, one by the types of the package. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { hc } from "hono/client";
import { generateApi } from "swagger-typescript-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Api } from "../../src/app.ts";
import { run } from "../../tools/command-line/programs.ts";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

const FOLDER = resolve("dist", "generated-client");

/** How somebody would use it; compiled with the client, so a wrong name or type in the document fails the test. */
const USE = `
import { Api, type Booking, type Car } from "./client.ts";

export async function drive(baseUrl: string, username: string, password: string, date: string): Promise<Booking> {
  const anonymous = new Api({ baseUrl });
  const cars = await anonymous.api.listCars({ fuel_type: "HYBRID", ordering: "-price", page_size: 5 });
  const car: Car | undefined = cars.data.results[0];
  if (!car) throw new Error("no car");
  const price: string = car.price;
  const session = await anonymous.api.login({ username, password });
  const api = new Api({
    baseUrl,
    baseApiParams: { headers: { Authorization: \`Bearer \${session.data.access}\` } },
  });
  const slots = await api.api.listAvailableSlots({ id: car.id, date });
  const slot = slots.data[0];
  if (!slot) throw new Error("no slot at " + price);
  const booked = await api.api.createBooking({ car: car.id, start_at: slot.start_at });
  const status: "PENDING" | "APPROVED" | "DECLINED" | "CANCELLED" | "COMPLETED" | "NO_SHOW" | "HELD" | "EXPIRED" = booked.data.status;
  if (status !== "PENDING") throw new Error(status);
  return (await api.api.cancelBooking({ id: booked.data.id })).data;
}
`;

let server: Server;
beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  server = await startServer();
});
afterAll(() => server?.close());

test("a client generated from openapi.json compiles and books a test drive", async () => {
  await generateApi({
    input: resolve("openapi.json"),
    output: FOLDER,
    fileName: "client.ts",
    silent: true,
    extractRequestParams: true,
  });
  writeFileSync(join(FOLDER, "use.ts"), USE);
  const options =
    "--noEmit --strict --skipLibCheck --target es2024 --lib es2024,dom,dom.iterable --module esnext --moduleResolution bundler --allowImportingTsExtensions --ignoreConfig";
  const compiled = run("tsc", [...options.split(" "), join(FOLDER, "use.ts")]);
  expect(compiled.stdout + compiled.stderr).toBe("");

  await server.car("CLIENT1");
  await server.customer("client");
  const { drive } = await import(pathToFileURL(join(FOLDER, "use.ts")).href);
  const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const booking = await drive(server.url.origin, "client", PASSWORD, day);
  expect(booking).toMatchObject({ status: "CANCELLED" });
});

test("hono's client, with the types of the package, reads the stock and books a test drive", async () => {
  const carId = await server.car("CLIENT2");
  const { access } = await server.customer("client-2");
  const client = hc<Api>(server.url.origin, { headers: { Authorization: `Bearer ${access}` } });
  const found = await client.api.cars[":id"].$get({ param: { id: carId } });
  if (found.status !== 200) throw new Error(`a car was answered with ${found.status}`);
  const car = await found.json();
  expect(car.price satisfies string).toBe("20000.00");
  const date = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
  const slots = await client.api.cars[":id"]["available-slots"].$get({
    param: { id: carId },
    query: { date },
  });
  if (slots.status !== 200) throw new Error(`the slots were answered with ${slots.status}`);
  const [slot] = await slots.json();
  const made = await client.api.bookings.$post({
    json: { car: carId, start_at: slot?.start_at ?? "" },
  });
  const booking = await made.json();
  expect([made.status, booking.status satisfies string]).toEqual([201, "PENDING"]);
  const cancelled = await client.api.bookings[":id"].cancel.$patch({
    param: { id: booking.id },
    json: { reason: "We bought another one." },
  });
  expect((await cancelled.json()).status).toBe("CANCELLED");
});
