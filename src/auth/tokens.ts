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
/** The maximum duration of a session, for any number of refreshes. After it the user must log in again. */
export const SESSION_MAX_MS = 30 * 24 * 60 * 60 * 1000;
/**
 * Time after its first use in which a refresh token may be used again, by a client that did not receive the response.
 * It gets the same successor, and only while that is unused.
 */
export const REFRESH_GRACE_MS = 10_000;

/** The content of an access token. The token is valid only while its session continues. */
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

/** The imported keys of secrets: importing a key costs as much as verifying a signature with it. */
const knownKeys = new Map<string, Promise<CryptoKey>>();

/** Returns the HS256 key of a secret. All keys are kept, because there are at most two secrets. */
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

/** Verified tokens: clients send the same token repeatedly, and its content does not change. */
const knownTokens = new Map<string, { secret: string; claims: AccessClaims; expiresAt: number }>();
const MAX_KNOWN_TOKENS = 5000;

/**
 * Verifies the signature, algorithm, issuer, audience and times of an access token. Returns `undefined` when one fails.
 * @param secrets the secrets that may have signed it
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
  // hono/jwt verifies these times only if they are present, and ours must be present.
  if (typeof exp !== "number" || typeof iat !== "number") return undefined;
  return { userId: sub, role, sessionId };
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** A new opaque token: 256 random bits. */
export const randomToken = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

/**
 * The only successor of `token` in its session. It is derived, so that two concurrent refreshes, or a retry after a
 * lost response, get the same successor. Without the secret it cannot be guessed.
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
