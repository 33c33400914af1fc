import { describe, expect, test } from "vitest";
import { hashPassword, isVerifiable, verifyPassword } from "../../src/auth/passwords.ts";

// Made by Django's own hasher.
const DJANGO = [
  ["Grüße aus Köln ", "pbkdf2_sha256$1000$saltyKitten$12mnrgohNLwd3igultiddBr7Ysl1n5/yDrgHe+VS0ys="],
  ["", "pbkdf2_sha256$1000$emptiness$Abejg0UyDIH3K7zQ+Ee7Z68hFTuz5ALDlHXsRQmM2io="],
  ["ﬁne", "pbkdf2_sha256$1000$ligature$B3tDo5pOZgDUQHICC8K8CGSq64njVskIM1NEpsblFgw="],
] as const;

const IMPORTED = { imported: true };
const NOT_IMPORTED = { imported: false };

const TOO_MANY = DJANGO[0][1].replace("$1000$", "$100001$");

describe("a hash made by Django", () => {
  test.each(DJANGO)("matches its password, %j, and is stale", async (password, stored) => {
    expect(await verifyPassword(password, stored, IMPORTED)).toBe("stale");
    expect(await verifyPassword(`${password}x`, stored, IMPORTED)).toBe("wrong");
  });

  test("signs nobody in where no passwords were imported", async () => {
    for (const [password, stored] of DJANGO)
      expect(await verifyPassword(password, stored, NOT_IMPORTED)).toBe("wrong");
  });

  test("is verifiable only with a scheme and a cost that the platform supports", () => {
    expect(isVerifiable(DJANGO[0][1])).toBe(true);
    expect(isVerifiable(DJANGO[0][1].replace("$1000$", "$100000$"))).toBe(true);
    for (const stored of [
      TOO_MANY,
      DJANGO[0][1].replace("$1000$", "$0$"),
      DJANGO[0][1].replace("$1000$", "$1e3$"),
      "pbkdf2_sha256$1000$salt",
      "pbkdf2_sha1$1000$salt$12mnrgohNLwd3igultiddBr7Ysl=",
      "argon2$argon2id$v=19$m=102400,t=2,p=8$c2VlZA$ZmFrZQ",
      "!unusable",
      "",
    ])
      expect(isVerifiable(stored), stored).toBe(false);
  });
});

describe("verifying a password", () => {
  test.each([
    ["with imported hashes", IMPORTED],
    ["without them", NOT_IMPORTED],
  ])("%s accepts our own hash, and refuses a broken or missing one", async (_, how) => {
    const stored = await hashPassword("a quiet engine");
    expect(isVerifiable(stored)).toBe(true);
    expect(await verifyPassword("a quiet engine", stored, how)).toBe("right");
    expect(await verifyPassword("a loud engine", stored, how)).toBe("wrong");
    for (const broken of [undefined, "", "!", "none", "scrypt$16384$8$5$$", TOO_MANY])
      expect(await verifyPassword("", broken, how)).toBe("wrong");
  });
});
