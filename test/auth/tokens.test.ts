import { env } from "cloudflare:workers";
import { sign } from "hono/jwt";
import { afterEach, describe, expect, test, vi } from "vitest";
import { signAccessToken, verifyAccessToken } from "../../src/auth/tokens.ts";
import { answer, call, person } from "../support/world.ts";

type Claims = Record<string, unknown>;

/** The claims of a good token of this person. */
function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

const FORGERIES: Array<[string, (claims: Claims, token: string) => string | Promise<string>]> = [
  ["with no algorithm", (claims) => `${encode({ alg: "none", typ: "JWT" })}.${encode(claims)}.`],
  [
    "with no algorithm and a signature",
    (claims) => `${encode({ alg: "none", typ: "JWT" })}.${encode(claims)}.AAAA`,
  ],
  ["signed by another algorithm", (claims) => sign(claims, env.JWT_SECRET, "HS512")],
  ["signed by another key", (claims) => sign(claims, "another secret, also long enough for it", "HS256")],
  ["for another audience", (claims) => sign({ ...claims, aud: "somebody-else" }, env.JWT_SECRET, "HS256")],
  ["by another issuer", (claims) => sign({ ...claims, iss: "somebody-else" }, env.JWT_SECRET, "HS256")],
  ["without an audience", ({ aud: _, ...claims }) => sign(claims, env.JWT_SECRET, "HS256")],
  ["without an expiry", ({ exp: _, ...claims }) => sign(claims, env.JWT_SECRET, "HS256")],
  ["without a session", ({ sid: _, ...claims }) => sign(claims, env.JWT_SECRET, "HS256")],
  [
    "of an unknown session",
    (claims) => sign({ ...claims, sid: crypto.randomUUID() }, env.JWT_SECRET, "HS256"),
  ],
  ["that expired", (claims) => sign({ ...claims, exp: now() - 1 }, env.JWT_SECRET, "HS256")],
  ["made in the far future", (claims) => sign({ ...claims, iat: now() + 86_400 }, env.JWT_SECRET, "HS256")],
  ["not good yet", (claims) => sign({ ...claims, nbf: now() + 86_400 }, env.JWT_SECRET, "HS256")],
  ["of an unknown role", (claims) => sign({ ...claims, role: "OWNER" }, env.JWT_SECRET, "HS256")],
  ["of an unknown user", (claims) => sign({ ...claims, sub: crypto.randomUUID() }, env.JWT_SECRET, "HS256")],
  [
    "with an edited role",
    (claims, token) =>
      [token.split(".")[0], encode({ ...claims, role: "ADMIN" }), token.split(".")[2]].join("."),
  ],
  ["cut short", (_, token) => token.slice(0, -4)],
  ["that is no token", () => "abc"],
];

describe("an access token", () => {
  test("is accepted when it is genuine", async () => {
    const { token } = await person();
    expect((await call("GET", "/api/auth/me/", { token })).status).toBe(200);
    const again = await sign(claimsOf(token), env.JWT_SECRET, "HS256");
    expect((await call("GET", "/api/auth/me/", { token: again })).status).toBe(200);
  });

  test.each(FORGERIES)("is refused when it is forged: %s", async (_, forge) => {
    const { token } = await person();
    const forged = await forge(claimsOf(token), token);
    const refused = await answer(call("GET", "/api/auth/me/", { token: forged }));
    expect([refused.status, refused.body.code]).toEqual([401, "invalid_token"]);
    expect(refused.headers.get("WWW-Authenticate")).toContain("invalid_token");
  });

  test("is not accepted as a refresh token, nor a refresh token as an access token", async () => {
    const { token } = await person();
    expect(
      (await call("GET", "/api/auth/me/", { headers: { Authorization: `Basic ${token}` } })).status,
    ).toBe(401);
    expect(
      (await call("GET", "/api/auth/me/", { token: "QxZjRWbQInAE3h7XhGXoBQuEolOkGIswUDws6R3iSMA" })).status,
    ).toBe(401);
  });

  test("has the claims of the contract and no personal data", async () => {
    const { token, id } = await person();
    const claims = claimsOf(token);
    expect(Object.keys(claims).sort()).toEqual(["aud", "exp", "iat", "iss", "jti", "role", "sid", "sub"]);
    expect(claims["sub"]).toBe(id);
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(1800);
  });
});

describe("an access token that this isolate has verified before", () => {
  const [SECRET, NEXT_SECRET] = [
    "a secret that is long enough for HS256",
    "the secret that replaces it later",
  ];
  const verified = async () => {
    const token = await signAccessToken({ userId: "u", role: "SALES", sessionId: "s" }, SECRET, Date.now());
    expect(await verifyAccessToken(token, [SECRET])).toEqual({ userId: "u", role: "SALES", sessionId: "s" });
    return token;
  };
  afterEach(() => void vi.useRealTimers());

  test("is refused once it has expired", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const token = await verified();
    vi.setSystemTime(Date.now() + 29 * 60_000);
    expect(await verifyAccessToken(token, [SECRET])).toBeDefined();
    vi.setSystemTime(Date.now() + 2 * 60_000);
    expect(await verifyAccessToken(token, [SECRET])).toBeUndefined();
  });

  test("is valid while its secret is the former one, and refused once the secret is withdrawn", async () => {
    const token = await verified();
    expect(await verifyAccessToken(token, [NEXT_SECRET, SECRET])).toBeDefined();
    expect(await verifyAccessToken(token, [NEXT_SECRET])).toBeUndefined();
  });
});
