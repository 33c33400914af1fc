import { type ClientRequest, request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";
import { exifWithPlace, png, pngChunk } from "../support/images.ts";

let server: Server;
let token: string;
beforeAll(async () => {
  server = await startServer();
  await server.customer("stocker");
  await server.db.prepare("UPDATE users SET role = 'SALES' WHERE username = 'stocker'").run();
  const json = { username: "stocker", password: PASSWORD };
  token = (await server.call("POST", "/api/auth/login/", { json })).body.access;
});
afterAll(() => server?.close());

const described = (vin: string) => ({
  vin,
  make: "Citroën",
  model: "C3",
  year: 2023,
  fuel_type: "PETROL",
  transmission: "MANUAL",
  body_type: "HATCHBACK",
  base_price: 15990.5,
});

describe("over HTTP", () => {
  test("a car is added to the stock, found, changed under its tag, and removed", async () => {
    const made = await server.call("POST", "/api/cars", { token, json: described("over-http-1") });
    expect(made.status).toBe(201);
    const { pathname: path } = new URL(made.headers.get("Location") ?? "");
    const found = await server.call("GET", "/api/cars?search=citroen%20c&max_price=15990.50");
    expect(found.body.results).toEqual([made.body]);
    const facets = await server.call("GET", "/api/cars/facets?fuel_type=DIESEL");
    expect(facets.body.fuel_type).toEqual([{ value: "PETROL", count: 1 }]);

    const send = (method: string, headers: Record<string, string>, body?: string) =>
      fetch(new URL(path, server.url), {
        method,
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
        ...(body === undefined ? {} : { body }),
      });
    const tag = made.headers.get("ETag") ?? "";
    expect((await send("GET", { "If-None-Match": tag })).status).toBe(304);
    expect((await send("PATCH", { "If-Match": tag }, '{"status":"RESERVED"}')).status).toBe(200);
    expect((await send("PATCH", { "If-Match": tag }, '{"status":"AVAILABLE"}')).status).toBe(412);
    expect((await send("DELETE", {})).status).toBe(204);
    expect((await server.call("GET", path)).status).toBe(404);
  });

  test("a photo is uploaded with its place, and served in parts without it", async () => {
    const { body: car } = await server.call("POST", "/api/cars/", { token, json: described("over-http-2") });
    const body = new FormData();
    body.set("file", new File([await png(300, 200, pngChunk("eXIf", exifWithPlace().subarray(6)))], "a.png"));
    const made = await fetch(new URL(`/api/cars/${car.id}/photos`, server.url), {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
      body,
    });
    expect(made.status).toBe(201);
    const { url: published } = (await made.json()) as { url: string };
    // Links begin with PUBLIC_URL, wherever this server listens.
    const url = new URL(new URL(published).pathname, server.url);
    const whole = await fetch(url);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect([whole.status, bytes.toString("latin1").includes("FINDME")]).toEqual([200, false]);
    const part = await fetch(url, { headers: { Range: "bytes=4-" } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(4)]);
    const known = await fetch(url, { headers: { "If-None-Match": whole.headers.get("ETag") ?? "" } });
    expect(known.status).toBe(304);
    expect((await fetch(url, { method: "HEAD" })).headers.get("Content-Length")).toBe(String(bytes.length));
  });

  test("uploads whose clients go away give their places back", async () => {
    const vin = "over-http-3";
    const { body: car } = await server.call("POST", "/api/cars", { token, json: described(vin) });
    const path = new URL(`/api/cars/${car.id}/photos`, server.url);
    const begin = () =>
      new Promise<ClientRequest>((begun) => {
        const sent = request(path.href, {
          method: "POST",
          headers: {
            Authorization: `Bearer ${token}`,
            "Content-Type": "multipart/form-data; boundary=x",
            "Content-Length": "5000000",
          },
        });
        sent.on("error", () => {});
        sent.write('--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n', () =>
          begun(sent),
        );
      });
    const upload = async () => {
      const form = new FormData();
      form.set("file", new Blob([await png()]), "a.png");
      return (await server.call("POST", path.pathname, { token, form })).status;
    };
    const gone = await Promise.all([begin(), begin()]);
    await expect.poll(upload, { timeout: 20_000 }).toBe(503);
    for (const sent of gone) sent.destroy();
    await expect.poll(upload, { timeout: 40_000 }).toBe(201);
  });
});
