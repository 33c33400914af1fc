import { describe, expect, test } from "vitest";
import { foldCase } from "../../src/shared/text.ts";
import { answer, call, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const unique = () => crypto.randomUUID().slice(0, 8);
const register = (json: object) => answer(call("POST", "/api/auth/register/", { json }));

describe("a username or e-mail", () => {
  test("cannot equal the verified e-mail or the username of another user", async () => {
    const email = `victim-${unique()}@example.org`;
    await person("CUSTOMER", { email, emailKey: email, emailVerifiedAt: 1 });
    const thief = await register({ username: email.toUpperCase(), password: PASSWORD, email });
    expect([thief.status, thief.body.errors[0]]).toMatchObject([400, { field: "email", code: "taken" }]);

    const named = `named-${unique()}@example.org`;
    const first = { username: named, password: PASSWORD, email: named };
    expect((await register(first)).status).toBe(201);
    const again = await register({ ...first, username: named.toUpperCase() });
    expect([again.status, again.body.errors[0]]).toMatchObject([400, { field: "username", code: "taken" }]);
    // Nobody has proved that it is theirs.
    expect((await register({ ...first, username: `o-${unique()}` })).status).toBe(201);
  });

  test.each([
    ["Straße", "STRASSE"],
    ["Σας", "ΣΑΣ"],
    ["ＡＢＣ", "abc"],
  ])("is the same for %s and %s", (one, two) => expect(foldCase(one)).toBe(foldCase(two)));
});
