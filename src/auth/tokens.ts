/** Access tokens (JWT) and refresh tokens (opaque, rotated). */
import { sign, verify } from "hono/jwt";
import type { JWTPayload } from "hono/utils/jwt/types";
import { ROLES, type Role } from "../shared/enums.ts";

const ALGORITHM = "HS256";
const ISSUER = "dealership";
const AUDIENCE = "dealership-api";

/** How long an access token is valid. */
const ACCESS_TOKEN_SECONDS = 30 * 60;
/** How long a refresh token is valid. */
export const REFRESH_TOKEN_MS = 7 * 24 * 60 * 60 * 1000;
/** How long a session lasts at most, however often it is refreshed: then its user logs in again. */
export const SESSION_MAX_MS = 30 * 24 * 60 * 60 * 1000;
/**
 * How long after its use a refresh token may be used once more, for a client that never saw the answer. It gets
 * the very same successor, and only while that one is unused.
 */
export const REFRESH_GRACE_MS = 10_000;

/** What an access token says. It is valid only as long as its session goes on. */
type AccessClaims = { userId: string; role: Role; sessionId: string };

/** Signs an access token. `now` in milliseconds. */
export async function signAccessToken(claims: AccessClaims, secret: string, now: number): Promise<string> {
  const iat = Math.floor(now / 1000);
  return sign(
    {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: claims.userId,
      role: claims.role,
      sid: claims.sessionId,
      iat,
      exp: iat + ACCESS_TOKEN_SECONDS,
      jti: crypto.randomUUID(),
    },
    await keyOf(secret),
    ALGORITHM,
  );
}

/** The keys that secrets stand for: importing one costs as much as checking a signature with it. */
const knownKeys = new Map<string, Promise<CryptoKey>>();

/** The key that HS256 uses with a secret. There are never more than two secrets, so that all are kept. */
function keyOf(secret: string): Promise<CryptoKey> {
  const known = knownKeys.get(secret);
  if (known) return known;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, [
    "sign",
    "verify",
  ]);
  knownKeys.set(secret, key);
  return key;
}

/** Tokens that were verified before: people send the same one again, and what it says does not change. */
const knownTokens = new Map<string, { secret: string; claims: AccessClaims; expiresAt: number }>();
const MAX_KNOWN_TOKENS = 5000;

/**
 * Checks an access token's signature, algorithm, issuer, audience and times. `undefined` when anything is off.
 * @param secrets any of which may have signed it
 */
export async function verifyAccessToken(
  token: string,
  secrets: readonly string[],
): Promise<AccessClaims | undefined> {
  const known = knownTokens.get(token);
  if (known && known.expiresAt > Date.now() && secrets.includes(known.secret)) return known.claims;
  for (const secret of secrets) {
    const payload = await verify(token, await keyOf(secret), {
      alg: ALGORITHM,
      iss: ISSUER,
      aud: AUDIENCE,
    }).catch(() => undefined);
    if (!payload) continue;
    const claims = readClaims(payload);
    if (!claims) return undefined;
    if (knownTokens.size >= MAX_KNOWN_TOKENS) knownTokens.clear();
    knownTokens.set(token, { secret, claims, expiresAt: Number(payload.exp) * 1000 });
    return claims;
  }
  return undefined;
}

function readClaims(claims: JWTPayload): AccessClaims | undefined {
  const { sub, exp, iat } = claims;
  const role = ROLES.find((known) => known === claims["role"]);
  const sessionId = claims["sid"];
  if (typeof sub !== "string" || !role || typeof sessionId !== "string") return undefined;
  // hono/jwt checks the times that are there; ours must be there.
  if (typeof exp !== "number" || typeof iat !== "number") return undefined;
  return { userId: sub, role, sessionId };
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** A new opaque token: 256 random bits. */
export const randomToken = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

/**
 * The one token that follows `token` in its session. Derived, so that two refreshes at once, or a retry after a
 * lost answer, arrive at the same successor instead of forking the session; without the secret it is as good as
 * random.
 */
export async function successorOf(token: string, secret: string): Promise<string> {
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(`refresh:${secret}`),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  return base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(token))));
}
