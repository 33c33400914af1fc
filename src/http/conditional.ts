/** Conditional requests: entity tags, 304 for a reader who has the state already, 412 for a writer who has not. */
import type { Context } from "hono";
import { sha256 } from "../shared/digest.ts";
import { Problem } from "./problems.ts";

const listed = (header: string) => header.split(",").map((tag) => tag.trim());

/** Whether a reader's `If-None-Match` names the tag. Compared weakly, as reading asks for. */
export const isKnown = (c: Context, tag: string): boolean => {
  const header = c.req.header("If-None-Match");
  if (header === undefined) return false;
  return listed(header).some((known) => known === "*" || known.replace(/^W\//, "") === tag);
};

/** Whether a writer's `If-Match`, if there is one, names the tag. Compared strongly, as writing asks for. */
const isExpected = (header: string | undefined, tag: string): boolean =>
  header === undefined || listed(header).some((expected) => expected === "*" || expected === tag);

/** @throws `precondition_failed` when the writer knows another state than the one with this tag */
export function requireMatch(c: Context, tag: string): void {
  if (!isExpected(c.req.header("If-Match"), tag)) throw new Problem("precondition_failed");
}

/** Whether the write must happen to the very state that was looked at: `*` asks only that there is one. */
export const isConditional = (c: Context): boolean => (c.req.header("If-Match") ?? "*").trim() !== "*";

/** The tag of a resource that counts its changes. */
export const versionTag = (version: number): string => `"${version}"`;

/** The tag of a body. */
export const bodyTag = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  `"${(await sha256(bytes)).slice(0, 32)}"`;

/** The OpenAPI response of a read that answers with a tag. */
export const notModifiedAnswer = { description: "The caller has it already" } as const;
