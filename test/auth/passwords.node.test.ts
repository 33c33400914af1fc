/** What checking a password costs, counted: workerd cannot replace node:crypto for a test, so this runs in Node. */
import { scrypt } from "node:crypto";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { hashPassword, verifyPassword } from "../../src/auth/passwords.ts";

vi.mock(import("node:crypto"), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, scrypt: vi.fn(original.scrypt) as unknown as typeof scrypt };
});

const pbkdf2 = vi.spyOn(crypto.subtle, "deriveBits");
beforeEach(() => {
  vi.clearAllMocks();
});

const PASSWORD = "a quiet engine";
const django = (rounds: number) =>
  `pbkdf2_sha256$${rounds}$saltyKitten$12mnrgohNLwd3igultiddBr7Ysl1n5/yDrgHe+VS0ys=`;

/** The derivations since the last call of this: the parameters of each scrypt, the rounds of each PBKDF2. */
function work() {
  const scrypts = vi.mocked(scrypt).mock.calls.map((call: readonly unknown[]) => {
    const { N, r, p } = Object(call[3]);
    return { N, r, p };
  });
  const rounds = pbkdf2.mock.calls.map(([how]): number => Reflect.get(Object(how), "iterations"));
  vi.clearAllMocks();
  return { scrypts, rounds };
}

const STORED: [string, () => Promise<string | undefined>][] = [
  ["there is no user", async () => undefined],
  ["the user has no usable password", async () => "!"],
  ["the hash is one of ours", () => hashPassword(PASSWORD)],
  ["the hash is Django's", async () => django(1000)],
  ["the hash is the costliest of Django's that can be checked", async () => django(100_000)],
  ["the hash is Django's, and too costly to be checked", async () => django(100_001)],
];

describe.each([
  ["where passwords were imported", true, 100_000],
  ["where none were imported", false, 0],
] as const)("%s, verifying a password", (_, imported, roundsOfAll) => {
  test.each(STORED)(
    "costs the same when %s, so that its time does not show whether an account exists",
    async (_, make) => {
      const stored = await make();
      work();
      for (const password of [PASSWORD, "not the one"]) {
        await verifyPassword(password, stored, { imported });
        const { scrypts, rounds } = work();
        expect(scrypts).toEqual([{ N: 16384, r: 8, p: 5 }]);
        expect(rounds.reduce((sum, count) => sum + count, 0)).toBe(roundsOfAll);
        // More in one derivation throws in production.
        expect(Math.max(0, ...rounds)).toBeLessThanOrEqual(100_000);
      }
    },
  );
});
