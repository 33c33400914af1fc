import { env } from "cloudflare:workers";
import { and, eq, like } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { VERIFICATION_MS } from "../../src/auth/email-verification.ts";
import { hashPassword } from "../../src/auth/passwords.ts";
import { login, register, resendVerification, updateMe } from "../../src/auth/use-cases.ts";
import { type Config, readConfig } from "../../src/config.ts";
import type { Database } from "../../src/db/client.ts";
import { emailVerifications, notifications, passwordResets, users } from "../../src/db/schema.ts";
import type { Deps } from "../../src/deps.ts";
import { deliver } from "../../src/notifications/deliver.ts";
import { sha256 } from "../../src/shared/digest.ts";
import type { NotificationKind } from "../../src/shared/enums.ts";
import { mailbox, notify, rowOf, session, tools } from "../support/outbox.ts";
import { answer, call, db, person } from "../support/world.ts";

const PASSWORD = "a quiet engine";
const hashed = await hashPassword(PASSWORD);
const NOW = Date.now();

const unique = () => crypto.randomUUID().slice(0, 8);
const newAddress = () => `mail-${unique()}@example.com`;
/** The columns of an address. */
const at = (email: string, isVerified = false) => ({
  email,
  emailKey: email.toLowerCase(),
  emailVerifiedAt: isVerified ? NOW : null,
});
const named = (username: string) => ({ username, usernameKey: username.toLowerCase() });
/** A customer with a password. */
const customer = (more: Parameters<typeof person>[1] = {}) =>
  person("CUSTOMER", { passwordHash: hashed, ...more });

const userOf = (id: string) => db.select().from(users).where(eq(users.id, id)).get();
const noticesTo = (userId: string, kind: NotificationKind) =>
  db
    .select({ recipient: notifications.recipient, facts: notifications.facts })
    .from(notifications)
    .where(and(eq(notifications.userId, userId), eq(notifications.kind, kind)));

const post = (path: string, json: unknown, token?: string) => answer(call("POST", path, { json, token }));
const verify = (token: string) => post("/api/auth/email/verify/", { token });
const signIn = (username: string, password = PASSWORD) =>
  post("/api/auth/login/", { username, password }).then(({ status }) => status);
const patch = (token: string, json: unknown) => answer(call("PATCH", "/api/auth/me/", { token, json }));

/** A token as the mail to `email` would hold it. */
async function tokenFor(userId: string, email: string, expiresAt = Date.now() + 60_000): Promise<string> {
  const token = crypto.randomUUID();
  await db
    .insert(emailVerifications)
    .values({ tokenHash: await sha256(token), userId, email, createdAt: 0, expiresAt });
  return token;
}

async function resetTokenFor(userId: string): Promise<string> {
  const token = crypto.randomUUID();
  await db
    .insert(passwordResets)
    .values({ tokenHash: await sha256(token), userId, createdAt: 0, expiresAt: Date.now() + 60_000 });
  return token;
}
const reset = (token: string) =>
  post("/api/auth/password/reset/", { token, new_password: "a louder engine" }).then(({ status }) => status);

/** What a use case depends on, with another configuration or database. */
const deps = (more: Partial<Config> = {}, own: Database = session()): Deps => ({
  env,
  config: { ...readConfig(env), ...more },
  db: own,
  primary: session,
  now: Date.now(),
  requestId: "test",
  isWithin: async () => true,
  afterwards: () => {},
  stockChanged: () => {},
  purge: () => {},
  found: {},
});
const REQUIRED = { emailVerificationRequired: true };
const always = async () => true;
const never = async () => false;

describe("a new account", () => {
  test("has an address that is not verified, and gets a mail with a link that verifies it once", async () => {
    const [username, email] = [`new-${unique()}`, newAddress()];
    const made = await post("/api/auth/register/", { username, password: PASSWORD, email });
    expect(made.status).toBe(201);
    expect(Object.keys(made.body)).toEqual(["id", "username", "email", "first_name", "last_name", "phone"]);
    const { body } = await post("/api/auth/login/", { username, password: PASSWORD });
    expect(body.user).toMatchObject({ email, email_verified: false, pending_email: null });
    expect(await noticesTo(made.body.id, "email_verification")).toEqual([{ recipient: email, facts: {} }]);

    const [id = ""] = await notify([
      { kind: "email_verification", to: { userId: made.body.id, address: email }, facts: {} },
    ]);
    const { sent, send } = mailbox();
    const now = Date.now();
    expect(await deliver(id, tools(send, now))).toMatchObject({ outcome: "sent" });
    expect(sent[0]?.to).toBe(email);
    const token = /\/verify-email#token=([\w-]{43})$/m.exec(sent[0]?.text ?? "")?.[1] ?? "";
    const stored = db.select().from(emailVerifications).where(eq(emailVerifications.userId, made.body.id));
    expect((await stored).filter(({ createdAt }) => createdAt === now)).toMatchObject([
      { tokenHash: await sha256(token), email, expiresAt: now + VERIFICATION_MS, usedAt: null },
    ]);
    expect(JSON.stringify(await rowOf(id))).not.toContain(token);

    const both = await Promise.all([verify(token), verify(token)]);
    expect(both.map(({ status }) => status).sort()).toEqual([204, 400]);
    const refused = await verify(token);
    expect(refused.body.errors).toMatchObject([{ field: "token", code: "invalid_token" }]);
    const me = await answer(call("GET", "/api/auth/me/", { token: body.access }));
    expect(me.body).toMatchObject({ email, email_verified: true, pending_email: null });
    // All open tokens of the user are void, also those of other mails.
    expect((await stored).map(({ usedAt }) => usedAt)).not.toContain(null);
  });

  test("without an address gets no mail, and neither does an address that had enough of them", async () => {
    const input = { username: `none-${unique()}`, password: PASSWORD };
    const without = await register(deps(), input, undefined, always);
    const other = { ...input, username: `much-${unique()}`, email: newAddress() };
    const limited = await register(deps(), other, undefined, never);
    for (const made of [without, limited])
      expect(made.ok && (await noticesTo(made.value.id, "email_verification"))).toEqual([]);
  });

  test("may have an address that another one has not verified, and may not have one that is verified", async () => {
    const [email, verified] = [newAddress(), newAddress()];
    await customer(at(email));
    await customer(at(verified, true));
    const make = (address: string) =>
      post("/api/auth/register/", { username: `two-${unique()}`, password: PASSWORD, email: address });
    expect((await make(email)).status).toBe(201);
    const taken = await make(verified.toUpperCase());
    expect([taken.status, taken.body.errors]).toMatchObject([400, [{ field: "email", code: "taken" }]]);
  });

  test.each([
    ["another's address", () => newAddress(), undefined],
    ["an address beside another e-mail", () => newAddress(), newAddress()],
    ["a name that ends in an id", () => `user-${crypto.randomUUID()}`, undefined],
    [
      "a name that folds to one that ends in an id",
      () => `U-${crypto.randomUUID().toUpperCase()}`,
      undefined,
    ],
  ])("is refused with %s as username, for customers and for staff", async (_, name, email) => {
    const admin = await person("ADMIN");
    const json = { username: name(), password: PASSWORD, email };
    for (const refused of [
      await post("/api/auth/register/", json),
      await post("/api/staff/", { ...json, salary: 1, commission_rate: 1 }, admin.token),
    ])
      expect([refused.status, refused.body.errors]).toMatchObject([
        400,
        [{ field: "username", code: "invalid_format" }],
      ]);
  });

  test("may have its own address as username, in any case", async () => {
    const email = newAddress();
    const json = { username: email.toUpperCase(), password: PASSWORD, email };
    expect((await post("/api/auth/register/", json)).status).toBe(201);
  });

  test("that an ADMIN makes for a colleague is verified, and takes the address from those who have not", async () => {
    const [admin, email] = [await person("ADMIN"), newAddress()];
    const squatter = await customer({ ...named(email), ...at(email) });
    const json = { username: email, password: PASSWORD, email, salary: 1, commission_rate: 1 };
    const made = await post("/api/staff/", json, admin.token);
    expect(made.status).toBe(201);
    expect((await userOf(made.body.user))?.emailVerifiedAt).not.toBeNull();
    expect(await userOf(squatter.id)).toMatchObject({ email: null, username: `user-${squatter.id}` });
  });
});

describe("where verification is required, a new account", () => {
  const make = async (email: string) => {
    const own = session();
    const input = { username: `secret-${unique()}`, password: PASSWORD, email };
    const made = await register(deps(REQUIRED, own), input, undefined, always);
    if (!made.ok) throw new Error("refused");
    return { ...input, body: made.value, cost: own.cost() };
  };

  test("is answered and costs the same whether or not the address has an account", async () => {
    const email = newAddress();
    await person("CUSTOMER", at(email, true));
    const [taken, free] = [await make(email), await make(newAddress())];
    expect(Object.keys(taken.body)).toEqual(Object.keys(free.body));
    expect([taken.cost.trips, taken.cost.rowsWritten]).toEqual([free.cost.trips, free.cost.rowsWritten]);
    expect(free.cost.trips).toBe(1);
    // Nor does signing in show it.
    for (const { username, email: address } of [taken, free]) {
      expect((await login(deps(REQUIRED), username, PASSWORD, "192.0.2.1")).ok).toBe(true);
      expect((await login(deps(REQUIRED), address, PASSWORD, "192.0.2.1")).ok).toBe(false);
    }
  });

  test("with an address that has an account gets no link: the mail says that there is an account", async () => {
    const email = newAddress();
    const owner = await customer(at(email, true));
    const { body } = await make(email);
    const [id = ""] = await notify([
      { kind: "email_verification", to: { userId: body.id, address: email }, facts: {} },
    ]);
    const { sent, send } = mailbox();
    expect(await deliver(id, tools(send))).toMatchObject({ outcome: "sent" });
    expect(sent).toMatchObject([{ to: email, subject: "You have an account already" }]);
    expect(sent[0]?.text).not.toContain("#token");
    const tokens = db.select().from(emailVerifications).where(eq(emailVerifications.userId, body.id));
    expect(await tokens).toEqual([]);
    expect(await userOf(owner.id)).toMatchObject(at(email, true));
  });

  test("has no address as username, which would show whether it is taken", async () => {
    const email = newAddress();
    const made = await register(
      deps(REQUIRED),
      { username: email, password: PASSWORD, email },
      undefined,
      always,
    );
    expect(made).toMatchObject({ ok: false, refusal: { faults: [{ field: "username" }] } });
  });

  test("changes to an address that has an account without any sign of it", async () => {
    const email = newAddress();
    await customer(at(email, true));
    const { caller } = await customer();
    const change = { email, current_password: PASSWORD };
    const changed = await updateMe(deps(REQUIRED), { ...caller, allowedRoles: ["CUSTOMER"] }, change, always);
    expect(changed).toMatchObject({ ok: true, value: { pending_email: email } });
  });
});

describe("verifying an address", () => {
  test("takes it from every account that has not verified it: as e-mail, as username, as pending change", async () => {
    const email = newAddress();
    const own = await customer(at(email));
    const squatter = await customer({ ...named(email), ...at(email) });
    const other = await customer(at(email.toUpperCase()));
    const waiting = await customer({ pendingEmail: email.toUpperCase() });
    expect((await verify(await tokenFor(own.id, email))).status).toBe(204);
    expect((await userOf(own.id))?.emailVerifiedAt).not.toBeNull();
    expect(await userOf(squatter.id)).toMatchObject({
      email: null,
      emailKey: null,
      username: `user-${squatter.id}`,
      usernameKey: `user-${squatter.id}`,
    });
    expect(await userOf(other.id)).toMatchObject({ email: null, username: other.username });
    expect(await userOf(waiting.id)).toMatchObject({ email: waiting.email, pendingEmail: null });
    expect(await signIn(email)).toBe(200);
  });

  test("by two accounts at once gives it to exactly one, and says so to the other", async () => {
    for (let round = 0; round < 10; round += 1) {
      const email = newAddress();
      const rivals = [
        await customer({ ...named(email), ...at(email) }),
        await customer({ pendingEmail: email }),
        await customer(at(email.toUpperCase())),
      ];
      const tokens = await Promise.all([
        tokenFor(rivals[0]?.id ?? "", email),
        tokenFor(rivals[1]?.id ?? "", email),
        tokenFor(rivals[2]?.id ?? "", email.toUpperCase()),
      ]);
      const answers = await Promise.all(tokens.map(verify));
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400]);
      for (const { body } of answers.filter(({ status }) => status === 400))
        expect(body.errors).toMatchObject([{ field: "token", code: "taken" }]);
      const owners = await db.select().from(users).where(like(users.emailKey, email));
      expect(owners).toHaveLength(1);
      expect(owners[0]?.id).toBe(rivals[answers.findIndex(({ status }) => status === 204)]?.id);
    }
  });

  test("is refused with an unknown or expired token, one of another wish, and for a deactivated user", async () => {
    const email = newAddress();
    const own = await customer(at(email));
    const closed = await customer({ ...at(newAddress()), isActive: false });
    for (const token of [
      "made-up",
      await tokenFor(own.id, email, Date.now() - 1),
      await tokenFor(own.id, newAddress()),
      await tokenFor(closed.id, (await userOf(closed.id))?.email ?? ""),
    ]) {
      const refused = await verify(token);
      expect([refused.status, refused.body.errors]).toMatchObject([
        400,
        [{ field: "token", code: "invalid_token" }],
      ]);
    }
    for (const { id } of [own, closed]) expect((await userOf(id))?.emailVerifiedAt).toBeNull();
  });

  test("is refused while it is the username of an account of earlier days, which keeps it", async () => {
    const email = newAddress();
    const old = await customer({ ...named(email), ...at(newAddress(), true) });
    const own = await customer(at(email));
    const refused = await verify(await tokenFor(own.id, email));
    expect(refused.body.errors).toMatchObject([{ field: "token", code: "taken" }]);
    expect((await userOf(old.id))?.username).toBe(email);
    expect(await userOf(own.id)).toMatchObject(at(email));
  });

  test("happens by a password reset, too, because its token was mailed to the address", async () => {
    const email = newAddress();
    const own = await customer(at(email));
    const other = await customer(at(email));
    expect(await reset(await resetTokenFor(own.id))).toBe(204);
    expect((await userOf(own.id))?.emailVerifiedAt).not.toBeNull();
    expect((await userOf(other.id))?.email).toBeNull();
  });

  test("does not happen by a reset when the address belongs to another account; the password changes", async () => {
    const email = newAddress();
    await customer(at(email, true));
    const own = await customer(at(email));
    expect(await reset(await resetTokenFor(own.id))).toBe(204);
    expect(await userOf(own.id)).toMatchObject(at(email));
    expect(await signIn(own.username, "a louder engine")).toBe(200);
  });
});

describe("changing the address", () => {
  test("needs the password", async () => {
    const own = await customer();
    const email = newAddress();
    const missing = await patch(own.token, { email });
    expect([missing.status, missing.body.errors]).toMatchObject([
      400,
      [{ field: "current_password", code: "required" }],
    ]);
    const wrong = await patch(own.token, { email, current_password: "not the one" });
    expect([wrong.status, wrong.body.errors]).toMatchObject([
      400,
      [{ field: "current_password", code: "wrong" }],
    ]);
    expect(await userOf(own.id)).toMatchObject({ email: own.email, pendingEmail: null });
    expect(await noticesTo(own.id, "email_changed")).toEqual([]);
  });

  test("informs the old address at once, and takes effect when the new one is verified", async () => {
    const own = await customer({ emailVerifiedAt: NOW });
    const email = newAddress();
    const changed = await patch(own.token, { email, current_password: PASSWORD, phone: "1" });
    expect([changed.status, changed.body]).toMatchObject([
      200,
      { email: own.email, email_verified: true, pending_email: email, phone: "1" },
    ]);
    expect(await noticesTo(own.id, "email_changed")).toEqual([
      { recipient: own.email, facts: { isRemoval: false } },
    ]);
    expect(await noticesTo(own.id, "email_verification")).toEqual([{ recipient: email, facts: {} }]);
    expect(await signIn(email)).toBe(401);
    const resetToken = await resetTokenFor(own.id);
    expect((await verify(await tokenFor(own.id, email))).status).toBe(204);
    const me = await answer(call("GET", "/api/auth/me/", { token: own.token }));
    expect(me.body).toMatchObject({ email, email_verified: true, pending_email: null });
    expect(await signIn(email)).toBe(200);
    expect(await signIn(own.email)).toBe(401);
    // It was mailed to the old address.
    expect(await reset(resetToken)).toBe(400);
  });

  test("mails the old address whom to contact, and no link", async () => {
    const own = await customer({ firstName: "Ann" });
    const [id = "", removal = ""] = await notify(
      [false, true].map((isRemoval) => ({
        kind: "email_changed" as const,
        to: { userId: own.id },
        facts: { isRemoval },
      })),
    );
    const { sent, send } = mailbox();
    await patch(own.token, { email: null, current_password: PASSWORD });
    for (const one of [id, removal])
      expect(await deliver(one, tools(send))).toMatchObject({ outcome: "sent" });
    expect(sent).toMatchObject([{ to: own.email }, { to: own.email }]);
    for (const { text, html } of sent) {
      expect(text).toContain("Hello Ann");
      expect(text).toContain(env.EMAIL_STAFF);
      expect(`${text}${html}`).not.toMatch(/https?:|#token|href/);
    }
  });

  test("is not what sending the present address back does, in any case", async () => {
    const own = await customer({ emailVerifiedAt: NOW });
    const { body: me } = await answer(call("GET", "/api/auth/me/", { token: own.token }));
    const sentBack = await patch(own.token, { ...me, email: me.email.toUpperCase(), first_name: "Ada" });
    expect(sentBack.body).toEqual({ ...me, first_name: "Ada" });
    expect(await noticesTo(own.id, "email_changed")).toEqual([]);
  });

  test("is refused for an address that another account has verified or has as username", async () => {
    const [verified, own] = [await customer({ emailVerifiedAt: NOW }), await customer()];
    const name = newAddress();
    await customer(named(name));
    for (const email of [verified.email.toUpperCase(), name]) {
      const refused = await patch(own.token, { email, current_password: PASSWORD });
      expect([refused.status, refused.body.errors]).toMatchObject([400, [{ field: "email", code: "taken" }]]);
    }
  });

  test("to none takes effect at once, voids mailed tokens and informs the old address", async () => {
    const own = await customer({ emailVerifiedAt: NOW, pendingEmail: newAddress() });
    const resetToken = await resetTokenFor(own.id);
    expect((await patch(own.token, { email: null })).body.errors[0].field).toBe("current_password");
    const removed = await patch(own.token, { email: "", current_password: PASSWORD });
    expect([removed.status, removed.body]).toMatchObject([
      200,
      { email: null, email_verified: false, pending_email: null },
    ]);
    expect(await noticesTo(own.id, "email_changed")).toEqual([
      { recipient: own.email, facts: { isRemoval: true } },
    ]);
    expect(await reset(resetToken)).toBe(400);
  });

  test("that is the username changes the username, too, and it cannot be removed", async () => {
    const [old, email] = [newAddress(), newAddress()];
    const own = await customer({ ...named(old), ...at(old, true) });
    const removed = await patch(own.token, { email: null, current_password: PASSWORD });
    expect([removed.status, removed.body.errors]).toMatchObject([
      400,
      [{ field: "email", code: "is_username" }],
    ]);
    await patch(own.token, { email, current_password: PASSWORD });
    expect((await verify(await tokenFor(own.id, email))).status).toBe(204);
    expect(await userOf(own.id)).toMatchObject({ ...named(email), email });
    // The next owner of the old address is not in the way of anybody.
    const next = await customer(at(old));
    expect((await verify(await tokenFor(next.id, old))).status).toBe(204);
  });

  test("to one that is too long for a username gives a username that ends in the id", async () => {
    const old = newAddress();
    const email = `${"a".repeat(60)}@${"b".repeat(60)}.${"c".repeat(60)}.example`;
    const own = await customer({ ...named(old), ...at(old, true), pendingEmail: email });
    expect((await verify(await tokenFor(own.id, email))).status).toBe(204);
    expect(await userOf(own.id)).toMatchObject({ email, username: `user-${own.id}` });
  });

  test.each(["change", "reset"] as const)("does not outlive a %s of the password", async (way) => {
    const [own, email] = [await customer(), newAddress()];
    await patch(own.token, { email, current_password: PASSWORD });
    const token = await tokenFor(own.id, email);
    const json = { current_password: PASSWORD, new_password: "a louder engine" };
    if (way === "change")
      expect((await post("/api/auth/password/change/", json, own.token)).status).toBe(204);
    else expect(await reset(await resetTokenFor(own.id))).toBe(204);
    expect((await verify(token)).body.errors).toMatchObject([{ code: "invalid_token" }]);
    expect(await userOf(own.id)).toMatchObject({ email: own.email, pendingEmail: null });
  });

  test("has no effect when the password changes while it is verified", async () => {
    const own = await customer();
    const real = session();
    const commit = async (...write: Parameters<Database["commit"]>) => {
      await db.update(users).set({ passwordHash: "another" }).where(eq(users.id, own.id));
      return real.commit(...write);
    };
    const refused = await updateMe(
      deps({}, { ...real, commit: commit as Database["commit"] }),
      { ...own.caller, allowedRoles: ["CUSTOMER"] },
      { email: newAddress(), current_password: PASSWORD },
      always,
    );
    expect(refused).toMatchObject({ ok: false, refusal: { faults: [{ field: "current_password" }] } });
    expect((await userOf(own.id))?.pendingEmail).toBeNull();
    expect(await noticesTo(own.id, "email_changed")).toEqual([]);
  });
});

describe("another link", () => {
  const resend = (token: string) => answer(call("POST", "/api/auth/email/resend/", { token }));

  test("goes to the pending address, else to the unverified one, else nowhere", async () => {
    const pending = newAddress();
    const [waiting, fresh, done, none] = [
      await customer({ pendingEmail: pending }),
      await customer(),
      await customer({ emailVerifiedAt: NOW }),
      await customer({ email: null, emailKey: null }),
    ];
    for (const { token } of [waiting, fresh, done, none]) expect((await resend(token)).status).toBe(204);
    const recipients = async (id: string) =>
      (await noticesTo(id, "email_verification")).map(({ recipient }) => recipient);
    expect(await recipients(waiting.id)).toEqual([pending]);
    expect(await recipients(fresh.id)).toEqual([fresh.email]);
    expect(await recipients(done.id)).toEqual([]);
    expect(await recipients(none.id)).toEqual([]);
  });

  test("is not mailed to an address that had enough of them", async () => {
    const { id, caller, email } = await customer();
    const limits: string[] = [];
    const mayMail = async (address: string) => limits.push(address) === 0;
    expect(
      await resendVerification(deps(), { ...caller, allowedRoles: ["CUSTOMER"] }, mayMail),
    ).toMatchObject({
      ok: true,
    });
    expect(limits).toEqual([email]);
    expect(await noticesTo(id, "email_verification")).toEqual([]);
  });

  test("is dropped when the address was verified or replaced before it could be sent", async () => {
    const own = await customer();
    const [id = ""] = await notify([
      { kind: "email_verification", to: { userId: own.id, address: own.email }, facts: {} },
    ]);
    await db.update(users).set({ emailVerifiedAt: NOW }).where(eq(users.id, own.id));
    const { sent, send } = mailbox();
    expect(await deliver(id, tools(send))).toMatchObject({ outcome: "nothing_to_do" });
    expect([sent, await rowOf(id)]).toEqual([[], undefined]);
  });

  test("that failed is replayed to the address that it is about", async () => {
    const [admin, own, pending] = [await person("ADMIN"), await customer(), newAddress()];
    const ids = await notify([
      { kind: "email_verification", to: { userId: own.id, address: pending }, facts: {} },
      {
        kind: "email_changed",
        to: { userId: own.id, address: "old@example.com" },
        facts: { isRemoval: false },
      },
    ]);
    const shown = [];
    for (const id of ids) {
      await db.update(notifications).set({ status: "FAILED" }).where(eq(notifications.id, id));
      shown.push((await post(`/api/notifications/${id}/replay/`, undefined, admin.token)).body.to);
    }
    expect(shown).toEqual([pending, "old@example.com"]);
  });
});

describe("signing in by an address", () => {
  test("finds the account that has verified it, else the only one that has it; a username comes first", async () => {
    const [verified, single, shared, name] = [newAddress(), newAddress(), newAddress(), newAddress()];
    const other = await hashPassword("a louder engine");
    await customer(at(verified));
    await customer({ ...at(verified, true), passwordHash: other });
    await customer(at(single));
    await customer(at(shared));
    await customer(at(shared));
    await customer({ ...named(name), passwordHash: other });
    await customer(at(name));
    expect(await signIn(verified)).toBe(401);
    expect(await signIn(verified.toUpperCase(), "a louder engine")).toBe(200);
    expect(await signIn(single)).toBe(200);
    expect(await signIn(shared)).toBe(401);
    expect(await signIn(name)).toBe(401);
    expect(await signIn(name, "a louder engine")).toBe(200);
  });
});

describe("a forgotten password", () => {
  const readers = async (email: string) => {
    await post("/api/auth/password/forgot/", { email });
    const rows = db
      .select({ userId: notifications.userId })
      .from(notifications)
      .where(and(eq(notifications.kind, "password_reset"), like(notifications.recipient, email)));
    return (await rows).map(({ userId }) => userId);
  };

  test("is mailed to the account that has verified the address, else to the newest active one", async () => {
    const [verified, shared] = [newAddress(), newAddress()];
    const owner = await customer(at(verified, true));
    await customer(at(verified));
    await customer(at(shared));
    const newest = await customer(at(shared));
    await customer({ ...at(shared), isActive: false });
    expect(await readers(verified)).toEqual([owner.id]);
    expect(await readers(shared)).toEqual([newest.id]);
  });
});
