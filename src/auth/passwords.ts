/**
 * Password hashing: scrypt with its parameters stored beside the hash, so that they can be raised later. Hashes that
 * Django made are understood as far as the platform can check them; the next login replaces them.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

type Cost = { N: number; r: number; p: number };

/** 16 MiB and about a quarter of a second: the OWASP password storage cheat sheet's row that fits a Worker's memory. */
const COST: Cost = { N: 16384, r: 8, p: 5 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;

/** What Workers allow in one derivation. More works locally and throws in production. */
const MAX_PBKDF2_ROUNDS = 100_000;

const derive = (password: string, salt: Buffer, { N, r, p }: Cost): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    // The default ceiling of 32 MiB counts p as well; the memory needed at once stays 128 * N * r bytes.
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );

/** As Django does it: the password's bytes as they were typed, and the salt's letters. */
async function derivePbkdf2(password: string, salt: string, iterations: number): Promise<Buffer> {
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(password), "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash: "SHA-256", salt: bytes.encode(salt), iterations };
  return Buffer.from(await crypto.subtle.deriveBits(parameters, key, KEY_BYTES * 8));
}

/** Hashes a password as `scrypt$N$r$p$salt$key`, the last two in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, COST);
  return ["scrypt", COST.N, COST.r, COST.p, salt.toString("base64"), key.toString("base64")].join("$");
}

type Scrypt = { scheme: "scrypt"; cost: Cost; salt: Buffer; key: Buffer };
type Pbkdf2 = { scheme: "pbkdf2"; rounds: number; salt: string; key: Buffer };

function parseHash(stored: string): Scrypt | Pbkdf2 | undefined {
  const [scheme, ...rest] = stored.split("$");
  if (scheme === "scrypt") {
    const [N, r, p, salt, key] = rest;
    if (!salt || !key) return undefined;
    const cost = { N: Number(N), r: Number(r), p: Number(p) };
    return { scheme, cost, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
  }
  if (scheme === "pbkdf2_sha256") {
    const [iterations, salt, key] = rest;
    const rounds = /^\d{1,9}$/.test(iterations ?? "") ? Number(iterations) : 0;
    if (!salt || !key || rounds < 1 || rounds > MAX_PBKDF2_ROUNDS) return undefined;
    return { scheme: "pbkdf2", rounds, salt, key: Buffer.from(key, "base64") };
  }
  return undefined;
}

/** Whether a password can be checked against this hash at all. Nobody gets in by one that cannot, until a reset. */
export const isVerifiable = (stored: string): boolean => parseHash(stored) !== undefined;

/**
 * Checks a password in a time that tells nothing about the user: whoever it is, one scrypt and as many rounds of
 * PBKDF2 as the costliest hash of Django's that can be checked.
 * @param stored the user's hash; `undefined` when there is no such user
 * @returns `stale` when it matches a hash made otherwise than today's
 */
export async function verifyPassword(password: string, stored = ""): Promise<"wrong" | "right" | "stale"> {
  const hash = parseHash(stored);
  const own = hash?.scheme === "scrypt" ? hash : { cost: COST, salt: Buffer.alloc(SALT_BYTES) };
  const django = hash?.scheme === "pbkdf2" ? hash : { rounds: MAX_PBKDF2_ROUNDS, salt: "" };
  const scryptKey = await derive(password, own.salt, own.cost);
  const djangoKey = await derivePbkdf2(password, django.salt, django.rounds);
  if (django.rounds < MAX_PBKDF2_ROUNDS) await derivePbkdf2(password, "", MAX_PBKDF2_ROUNDS - django.rounds);

  const given = hash === django ? djangoKey : scryptKey;
  if (!hash || hash.key.length !== given.length || !timingSafeEqual(hash.key, given)) return "wrong";
  const { N, r, p } = own.cost;
  return hash === own && N === COST.N && r === COST.r && p === COST.p ? "right" : "stale";
}
