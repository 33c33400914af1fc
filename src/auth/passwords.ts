/** Password hashing: scrypt with its parameters stored beside the hash, so that they can be raised later. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

type Cost = { N: number; r: number; p: number };

/** 16 MiB and about a quarter of a second: the OWASP password storage cheat sheet's row that fits a Worker's memory. */
const COST: Cost = { N: 16384, r: 8, p: 5 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;

const derive = (password: string, salt: Buffer, { N, r, p }: Cost): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    // The default ceiling of 32 MiB counts p as well; the memory needed at once stays 128 * N * r bytes.
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );

/** Hashes a password as `scrypt$N$r$p$salt$key`, the last two in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, COST);
  return ["scrypt", COST.N, COST.r, COST.p, salt.toString("base64"), key.toString("base64")].join("$");
}

/** A well-formed hash that no password matches: what an unknown user's login is checked against. */
const NOBODY = `scrypt$${COST.N}$${COST.r}$${COST.p}$${"A".repeat(22)}==$${"A".repeat(43)}=`;

/**
 * Checks a password in a time that tells nothing about the user.
 * @param stored the user's hash; `undefined` when there is no such user, which costs the same and never matches
 * @returns `stale` when it matches a hash made with other parameters than today's
 */
export async function verifyPassword(
  password: string,
  stored = NOBODY,
): Promise<"wrong" | "right" | "stale"> {
  const [scheme, N, r, p, salt, key] = stored.split("$");
  if (scheme !== "scrypt" || !salt || !key) return "wrong";
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  const expected = Buffer.from(key, "base64");
  const given = await derive(password, Buffer.from(salt, "base64"), cost);
  if (stored === NOBODY || expected.length !== given.length || !timingSafeEqual(expected, given))
    return "wrong";
  return cost.N === COST.N && cost.r === COST.r && cost.p === COST.p ? "right" : "stale";
}
