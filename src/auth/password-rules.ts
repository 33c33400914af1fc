/** Which passwords are refused, after NIST SP 800-63B: short ones, well-known ones, and ones made of the owner's name. */
import type { Deps } from "../deps.ts";
import { DependencyDown } from "../shared/dependency-down.ts";
import { ok, type Result, refuseField } from "../shared/refusals.ts";

/** Whom a password is for. */
export type PasswordOwner = {
  username: string;
  email?: string | null | undefined;
  first_name?: string | undefined;
  last_name?: string | undefined;
};

/** Parts of a name shorter than this say nothing about a password. */
const MIN_PART = 4;

/** What is wrong with a password of legal length; `undefined` when nothing is. */
export function passwordFault(password: string, owner: PasswordOwner, common: ReadonlySet<string>) {
  const secret = password.normalize("NFKC").toLowerCase();
  if (/^\p{N}+$/u.test(secret))
    return { code: "all_digits", message: "A password of digits alone is guessed too easily" };
  if (common.has(secret)) return { code: "too_common", message: "This password is on every guesser's list" };
  const names = [owner.username, owner.email?.split("@")[0], owner.first_name, owner.last_name];
  const isOwn = names.some((name) => {
    const part = name?.toLowerCase() ?? "";
    return part.length >= MIN_PART && (secret.includes(part) || part.includes(secret));
  });
  return isOwn ? { code: "too_similar", message: "Too much like your name or e-mail" } : undefined;
}

let known: ReadonlySet<string> | undefined;

/** The list of common passwords: one of the Worker's own files, read once and kept. */
async function commonPasswords(assets: Fetcher): Promise<ReadonlySet<string>> {
  if (known) return known;
  const file = await assets.fetch("http://assets.local/common-passwords.txt");
  if (!file.ok) throw new DependencyDown("the list of common passwords", `status ${file.status}`);
  known = new Set((await file.text()).split("\n"));
  return known;
}

/**
 * Refuses a password that is too easy to guess.
 * @param field the member of the input that holds it
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
