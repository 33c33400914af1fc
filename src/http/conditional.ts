/** Conditional requests: entity tags, 304 for a reader who has the state already, 412 for a writer who has not. */
import type { Context } from "hono";
import { sha256 } from "../shared/digest.ts";

const listed = (header: string) => header.split(",").map((tag) => tag.trim());

/** Whether a reader's `If-None-Match` names the tag. Compared weakly, as reading asks for. */
export const isKnown = (c: Context, tag: string): boolean => {
  const header = c.req.header("If-None-Match");
  if (header === undefined) return false;
  return listed(header).some((known) => known === "*" || known.replace(/^W\//, "") === tag);
};

/**
 * The versions that a writer's `If-Match` names: those that the resource may have. `undefined` without the header, and
 * for `*`, which asks only that the resource exists. Tags are compared strongly, as RFC 9110 asks of writes.
 */
export function expectedVersions(c: Context): readonly number[] | undefined {
  const header = c.req.header("If-Match");
  if (header === undefined || listed(header).includes("*")) return undefined;
  return listed(header).flatMap((tag) => (/^"\d{1,15}"$/.test(tag) ? [Number(tag.slice(1, -1))] : []));
}

/** The tag of a resource that counts its changes. */
export const versionTag = (version: number): string => `"${version}"`;

/** The tag of a body. */
export const bodyTag = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  `"${(await sha256(bytes)).slice(0, 32)}"`;

/** The OpenAPI response of a read that answers with a tag. */
export const notModifiedAnswer = { description: "The caller has it already" } as const;
