/** Rejects passwords according to NIST SP 800-63B: short ones, common ones, and those that contain the owner's name. */
import type { Deps } from "../deps.ts";
import { DependencyDown } from "../shared/dependency-down.ts";
import { ok, type Result, refuseField } from "../shared/refusals.ts";

/** The owner of a password. */
export type PasswordOwner = {
  username: string;
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
};

/** Shorter parts of a name are too common to matter in a password. */
const MIN_PART = 4;

/** Returns the fault of a password of valid length, or `undefined`. */
export function passwordFault(password: string, owner: PasswordOwner, common: ReadonlySet<string>) {
  const secret = password.normalize("NFKC").toLowerCase();
  if (/^\p{N}+$/u.test(secret))
    return { code: "all_digits", message: "A password of digits only is easy to guess" };
  if (common.has(secret))
    return { code: "too_common", message: "This password is in lists of common passwords" };
  const names = [owner.username, owner.email?.split("@")[0], owner.first_name, owner.last_name];
  const isOwn = names.some((name) => {
    const part = name?.toLowerCase() ?? "";
    return part.length >= MIN_PART && (secret.includes(part) || part.includes(secret));
  });
  return isOwn ? { code: "too_similar", message: "Too similar to your name or e-mail" } : undefined;
}

let known: ReadonlySet<string> | undefined;

/** The list of common passwords: a file of the Worker, read once and kept. */
async function commonPasswords(assets: Fetcher): Promise<ReadonlySet<string>> {
  if (known) return known;
  const file = await assets.fetch("http://assets.local/common-passwords.txt");
  if (!file.ok) throw new DependencyDown("the list of common passwords", `status ${file.status}`);
  known = new Set((await file.text()).split("\n"));
  return known;
}

/**
 * Refuses a password that is easy to guess.
 * @param field the member of the input that holds the password
 */
export async function checkPassword(
  { env }: Deps,
  password: string,
  owner: PasswordOwner,
  field: "password" | "new_password" = "password",
): Promise<Result<undefined>> {
  const fault = passwordFault(password, owner, await commonPasswords(env.ASSETS));
  return fault ? refuseField(field, fault.code, fault.message) : ok(undefined);
}
