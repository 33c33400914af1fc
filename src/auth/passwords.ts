/**
 * Password hashing: scrypt with its parameters stored beside the hash, so that they can be raised later. Hashes by
 * Django are accepted where they were imported (IMPORTED_PASSWORDS) and as far as the platform can verify them, and
 * replaced at the next login. All hashing waits in one line (`Busy` when it is full).
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { inTurn } from "./hashing-line.ts";

type Cost = { N: number; r: number; p: number };

/** 16 MiB and about 0.25 s: the recommendation in the OWASP password storage cheat sheet that fits into a Worker. */
const COST: Cost = { N: 16384, r: 8, p: 5 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;

/** The limit of Workers for one derivation. A larger number works locally but throws in production. */
const MAX_PBKDF2_ROUNDS = 100_000;

const derive = (password: string, salt: Buffer, { N, r, p }: Cost): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    // The default limit of 32 MiB also counts p, although the memory in use at one time is 128 * N * r bytes.
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );

/** Derives a key as Django does: from the bytes of the password and the characters of the salt. */
async function derivePbkdf2(password: string, salt: string, iterations: number): Promise<Buffer> {
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(password), "PBKDF2", false, ["deriveBits"]);
  const parameters = { name: "PBKDF2", hash: "SHA-256", salt: bytes.encode(salt), iterations };
  return Buffer.from(await crypto.subtle.deriveBits(parameters, key, KEY_BYTES * 8));
}

/**
 * Hashes a password as `scrypt$N$r$p$salt$key`, the last two in base64.
 * @param isPreferred whether to go before others that wait for hashing
 */
export async function hashPassword(password: string, isPreferred = false): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await inTurn(isPreferred, () => derive(password, salt, COST));
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

/** Whether a password can be verified against this hash. If not, the user must reset the password. */
export const isVerifiable = (stored: string): boolean => parseHash(stored) !== undefined;

/** How to verify a password. */
export type Verification = {
  /** Whether hashes by Django are accepted. */
  imported: boolean;
  /** Whether to go before others that wait for hashing. */
  isPreferred?: boolean;
};

/**
 * Verifies a password. The time is the same for every user and for an unknown user: one scrypt and, where imported hashes
 * are accepted, as many rounds of PBKDF2 as the most expensive Django hash that can be verified.
 * @param stored the user's hash; `undefined` when the user does not exist
 * @returns `stale` when the password is right but the hash has an old scheme or old parameters
 */
export async function verifyPassword(
  password: string,
  stored: string | undefined,
  { imported, isPreferred = false }: Verification,
): Promise<"wrong" | "right" | "stale"> {
  const hash = parseHash(stored ?? "");
  const own = hash?.scheme === "scrypt" ? hash : { cost: COST, salt: Buffer.alloc(SALT_BYTES) };
  const [scryptKey, djangoKey] = await inTurn(isPreferred, async () => [
    await derive(password, own.salt, own.cost),
    imported ? await derivePadded(password, hash?.scheme === "pbkdf2" ? hash : undefined) : undefined,
  ]);
  const given = hash?.scheme === "pbkdf2" ? djangoKey : scryptKey;
  if (!hash || hash.key.length !== given?.length || !timingSafeEqual(hash.key, given)) return "wrong";
  const { N, r, p } = own.cost;
  return hash === own && N === COST.N && r === COST.r && p === COST.p ? "right" : "stale";
}

/** Derives a key as Django does, and does as many rounds more as the most expensive hash would take. */
async function derivePadded(password: string, { rounds, salt } = { rounds: MAX_PBKDF2_ROUNDS, salt: "" }) {
  const key = await derivePbkdf2(password, salt, rounds);
  if (rounds < MAX_PBKDF2_ROUNDS) await derivePbkdf2(password, "", MAX_PBKDF2_ROUNDS - rounds);
  return key;
}
