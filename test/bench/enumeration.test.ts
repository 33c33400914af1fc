/** Nobody learns from the cost of an answer whether there is an account: what it costs is counted, not timed. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { readAccount } from "../../tools/bench/metering.ts";
import { call, person } from "../support/world.ts";

const pbkdf2 = vi.spyOn(crypto.subtle, "deriveBits");
beforeEach(() => {
  vi.clearAllMocks();
});

const account = () => readAccount(() => call("GET", "/account"));

/** What a request answers, and what it costs: its statements by round trip, rows written, and derivations of passwords. */
async function costOf(path: string, json: unknown) {
  await account();
  pbkdf2.mockClear();
  const answer = await call("POST", path, { json });
  const body = answer.status === 204 ? {} : await answer.json<object>();
  const { trips } = await account();
  return {
    status: answer.status,
    body: { ...body, request_id: undefined },
    trips: trips.map(({ statements, rowsWritten }) => ({
      statements: statements.map(({ sql }) => sql),
      rowsWritten,
    })),
    derivations: pbkdf2.mock.calls.map(([how]) => Reflect.get(Object(how), "iterations")),
  };
}

describe("known and unknown users", () => {
  test("cannot be distinguished by the cost of a refused login", async () => {
    const { username } = await person("CUSTOMER", { passwordHash: await hashPassword("a quiet engine") });
    const inactive = await person("CUSTOMER", { isActive: false });
    const login = (name: string) => costOf("/api/auth/login/", { username: name, password: "not the one" });
    const known = await login(username);
    expect(known.status).toBe(401);
    // No passwords are imported here. What is derived where they are: test/auth/passwords.node.test.ts.
    expect(known.derivations).toEqual([]);
    expect(await login("nobody-of-this-name")).toEqual(known);
    expect(await login(inactive.username)).toEqual(known);
    // Nor by an address, verified, unverified, shared or unknown.
    const verified = await person("CUSTOMER", {
      emailVerifiedAt: 1,
      passwordHash: await hashPassword("a quiet engine"),
    });
    const { email } = verified;
    await person("CUSTOMER", { email, emailKey: email });
    // The first wrong password of an account is a new row, so each is named once.
    const another = await person("CUSTOMER", { isActive: false });
    for (const address of [email, another.email, "nobody@example.com"])
      expect(await login(address)).toEqual(known);
  });

  test("cannot be distinguished by the cost of a request for a password reset", async () => {
    const { email } = await person();
    const inactive = await person("CUSTOMER", { isActive: false });
    const forgot = (address: string) => costOf("/api/auth/password/forgot/", { email: address });
    const known = await forgot(email);
    expect(known.status).toBe(204);
    expect(known.trips.length).toBeGreaterThan(0);
    expect(await forgot("nobody@example.com")).toEqual(known);
    expect(await forgot(inactive.email)).toEqual(known);
    const verified = await person("CUSTOMER", { emailVerifiedAt: 1 });
    await person("CUSTOMER", { email: verified.email, emailKey: verified.email });
    expect(await forgot(verified.email)).toEqual(known);
  });
});
