import { createServer } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { chosenPort, isTaken } from "../../tools/server/dev-server.ts";
import { freePort } from "../../tools/server/ports.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("a port is in use while a program listens on it, on localhost or on all addresses, and free afterwards", async () => {
  for (const address of ["127.0.0.1", "0.0.0.0"]) {
    const port = await freePort();
    const server = createServer().listen(port, address);
    await new Promise((listening) => server.once("listening", listening));
    expect(await isTaken(port)).toBe(true);
    await new Promise((closed) => server.close(closed));
    expect(await isTaken(port)).toBe(false);
  }
});

test("PORT sets the port, the default is 8787, and a value that is no number is refused with its name", () => {
  expect(chosenPort("8901")).toBe(8901);
  expect(chosenPort("")).toBe(8787);
  vi.spyOn(process, "exit").mockImplementation((code) => {
    throw new Error(`ended with ${code}`);
  });
  const message = vi.spyOn(console, "error").mockReturnValue();
  for (const text of ["eighty", "0", "65536", "80.5"]) expect(() => chosenPort(text)).toThrow("ended with 1");
  expect(message).toHaveBeenCalledWith("PORT is not a port: eighty");
});
