import { describe, expect, test } from "vitest";
import { foldCase } from "../../src/shared/text.ts";
import { answer, call, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const unique = () => crypto.randomUUID().slice(0, 8);
const register = (json: object) => answer(call("POST", "/api/auth/register/", { json }));

describe("a username or e-mail", () => {
  test("cannot equal the e-mail or username of another user", async () => {
    const email = `victim-${unique()}@example.org`;
    expect((await register({ username: `v-${unique()}`, password: PASSWORD, email })).status).toBe(201);
    const thief = await register({ username: email.toUpperCase(), password: PASSWORD });
    expect([thief.status, thief.body.errors[0].field]).toEqual([400, "username"]);

    const named = `named-${unique()}@example.org`;
    expect((await register({ username: named, password: PASSWORD, email: named })).status).toBe(201);
    const other = await register({ username: `o-${unique()}`, password: PASSWORD, email: named });
    expect([other.status, other.body.errors[0].field]).toEqual([400, "email"]);
    const { token } = await person();
    const moved = await answer(call("PATCH", "/api/auth/me/", { token, json: { email: named } }));
    expect([moved.status, moved.body.errors[0].field]).toEqual([400, "email"]);
    expect(
      (await call("POST", "/api/auth/login/", { json: { username: email, password: PASSWORD } })).status,
    ).toBe(200);
  });

  test.each([
    ["Straße", "STRASSE"],
    ["Σας", "ΣΑΣ"],
    ["ＡＢＣ", "abc"],
  ])("is the same for %s and %s", (one, two) => expect(foldCase(one)).toBe(foldCase(two)));
});
