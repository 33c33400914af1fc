import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { users } from "../../src/db/schema.ts";
import { foldCase } from "../../src/shared/text.ts";
import { answer, call, db, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const register = (json: object) => answer(call("POST", "/api/auth/register/", { json }));
const fault = { code: "invalid_characters", message: expect.any(String) };

describe("a new username", () => {
  test.each([
    ["аdmin", "a Cyrillic letter among Latin ones"],
    ["admin\u3164", "a filler"],
    ["\u3164", "a filler alone"],
    ["-", "no letter"],
    ["..", "no letter"],
    ["@+_", "no letter"],
    ["\ufdfa".repeat(100), "a ligature of 18 letters"],
    ["ｓａｍ", "wide letters"],
    ["①", "a digit in a circle"],
  ])("%j is refused: %s", async (username) => {
    const refused = await register({ username, password: PASSWORD });
    expect(refused.status).toBe(400);
    expect(refused.body.errors).toContainEqual({ field: "username", ...fault });
  });

  test.each(["jürgen", "иван", "山田たろう", "김철수"])("%s is accepted", async (name) => {
    const username = `${name}${Math.floor(Math.random() * 1e9)}`;
    expect((await register({ username, password: PASSWORD })).body.username).toBe(username);
  });

  test("is stored in its composed form, so that it is one name however it is typed", async () => {
    const [composed, decomposed] = ["é", "e\u0301"].map((sign) => `ren${sign}${Date.now()}`);
    expect((await register({ username: decomposed, password: PASSWORD })).body.username).toBe(composed);
    const again = await register({ username: composed, password: PASSWORD });
    expect(again.body.errors).toMatchObject([{ field: "username", code: "taken" }]);
  });

  test("of staff follows the same rules", async () => {
    const { token } = await person("ADMIN");
    const json = { username: "аdmin", password: PASSWORD, salary: 1, commission_rate: 1 };
    const refused = await answer(call("POST", "/api/staff/", { token, json }));
    expect(refused.body.errors).toEqual([{ field: "username", ...fault }]);
  });

  test("does not concern an existing one, which still signs in", async () => {
    const passwordHash = await hashPassword(PASSWORD);
    for (const username of ["аdmin", "..", "admin\u3164"]) {
      const { id } = await person("CUSTOMER", { username, usernameKey: foldCase(username), passwordHash });
      const login = await answer(
        call("POST", "/api/auth/login/", { json: { username, password: PASSWORD } }),
      );
      expect([login.status, login.body.user.id]).toEqual([200, id]);
    }
  });
});

describe.each(["first_name", "last_name"])("the %s of a user", (field) => {
  const change = async (value: string) => {
    const { id, token } = await person();
    const changed = await answer(call("PATCH", "/api/auth/me/", { token, json: { [field]: value } }));
    return { ...changed, stored: await db.select().from(users).where(eq(users.id, id)).get() };
  };

  test.each(["", "Anneliese", "Nguyễn Thị", "O'Neil-Smith", "علی‌رضا", "山田", "J. R.", "Ann 🚗"])(
    "may be %j",
    async (name) => expect((await change(name)).body[field]).toBe(name),
  );

  test.each([
    "-",
    "..",
    "7",
    "🚗",
    "\u3164",
    "Ann\u202e",
    "Ann\u2028Lee",
    "Ann\u0085Lee",
    "Ann\tLee",
    "An\u200bn",
  ])("must not be %j", async (name) => {
    const refused = await change(name);
    expect([refused.status, refused.body.errors]).toEqual([400, [{ field, ...fault }]]);
    expect(refused.stored).toMatchObject({ firstName: "", lastName: "" });
  });

  test("has at most 150 characters", async () => {
    expect((await change("x".repeat(150))).status).toBe(200);
    expect((await change("x".repeat(151))).body.errors).toMatchObject([{ field, code: "too_big" }]);
  });
});
